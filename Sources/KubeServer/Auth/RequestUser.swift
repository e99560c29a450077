internal import KubeCore

/// Who makes a request, as authentication found it.
package struct RequestUser: Sendable, Hashable {
    package var name: String
    package var uid: String
    package var groups: [String]
    package var extra: [String: [String]]

    package init(name: String, uid: String = "", groups: [String] = [], extra: [String: [String]] = [:]) {
        self.name = name
        self.uid = uid
        self.groups = groups
        self.extra = extra
    }
}

extension RequestUser {
    static let anonymous = RequestUser(name: "system:anonymous", groups: [unauthenticatedGroup])
    static let authenticatedGroup = "system:authenticated"
    static let unauthenticatedGroup = "system:unauthenticated"
    /// Members may do everything, whatever the roles say.
    static let mastersGroup = "system:masters"

    var isMaster: Bool { groups.contains(Self.mastersGroup) }

    /// `authentication.k8s.io` `UserInfo`.
    var json: JSON {
        var members: [String: JSON] = ["username": .string(name)]
        if !uid.isEmpty { members["uid"] = .string(uid) }
        if !groups.isEmpty { members["groups"] = JSON(groups) }
        if !extra.isEmpty { members["extra"] = .object(extra.mapValues { JSON($0) }) }
        return .object(members)
    }
}
