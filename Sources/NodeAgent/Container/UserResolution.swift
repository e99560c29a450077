internal import KubeCore

/// As whom a container runs.
struct ContainerUser: Sendable, Hashable {
    var uid: Int
    var gid: Int
    var additionalGids: [Int]

    /// From the pod's and the container's security context, the image's user and the image's /etc/passwd and
    /// /etc/group.
    ///
    /// - Throws: `.configuration` for `runAsNonRoot` with user 0, and for a user name that is not in the image.
    static func resolve(pod: PodModel, container: ContainerModel, image: ResolvedImage) throws -> ContainerUser {
        let own = container.securityContext
        let shared = pod.securityContext
        let runAsUser = own["runAsUser"]?.intValue ?? shared["runAsUser"]?.intValue
        let runAsGroup = own["runAsGroup"]?.intValue ?? shared["runAsGroup"]?.intValue
        let runAsNonRoot = own["runAsNonRoot"]?.boolValue ?? shared["runAsNonRoot"]?.boolValue ?? false
        let accounts = Accounts(layers: image.layers)

        var uid = 0
        var gid = 0
        var name: String?
        if let runAsUser {
            uid = runAsUser
            if let account = accounts.users.first(where: { $0.uid == runAsUser }) {
                gid = account.gid
                name = account.name
            }
        } else if !image.user.isEmpty {
            let parts = image.user.split(separator: ":", maxSplits: 1).map(String.init)
            if let number = Int(parts[0]) {
                uid = number
                gid = accounts.users.first { $0.uid == number }?.gid ?? 0
            } else if let account = accounts.users.first(where: { $0.name == parts[0] }) {
                (uid, gid, name) = (account.uid, account.gid, account.name)
                if runAsNonRoot {
                    throw NodeAgentError(
                        .configuration,
                        "container has runAsNonRoot and image has non-numeric user (\(parts[0])), cannot verify user is non-root"
                    )
                }
            } else {
                throw NodeAgentError(
                    .configuration,
                    "user \"\(parts[0])\" is not in the image's /etc/passwd",
                    remedy: "set runAsUser to a number"
                )
            }
            if parts.count > 1 { gid = Int(parts[1]) ?? accounts.groups.first { $0.name == parts[1] }?.gid ?? gid }
        }
        if let runAsGroup { gid = runAsGroup }
        if runAsNonRoot, uid == 0 {
            let reason = runAsUser == nil ? "image will run as root" : "container's runAsUser breaks non-root policy"
            throw NodeAgentError(
                .configuration,
                runAsUser == nil
                    ? "container has runAsNonRoot and \(reason) (pod: \"\(pod.name)_\(pod.namespace)(\(pod.uid))\", container: \(container.name))"
                    : "\(reason) (pod: \"\(pod.name)_\(pod.namespace)(\(pod.uid))\", container: \(container.name))"
            )
        }
        var groups = (shared["supplementalGroups"]?.arrayValue ?? []).compactMap(\.intValue)
        if let fsGroup = shared["fsGroup"]?.intValue { groups.append(fsGroup) }
        if let name, shared["supplementalGroupsPolicy"]?.stringValue != "Strict" {
            groups += accounts.groups.filter { $0.members.contains(name) }.map(\.gid)
        }
        var seen: Set<Int> = []
        return ContainerUser(uid: uid, gid: gid, additionalGids: groups.filter { seen.insert($0).inserted })
    }
}

/// /etc/passwd and /etc/group of an image.
struct Accounts: Sendable {
    var users: [(name: String, uid: Int, gid: Int)] = []
    var groups: [(name: String, gid: Int, members: [String])] = []

    init(layers: [String]) {
        for line in Self.file("/etc/passwd", layers).split(separator: "\n") {
            let fields = line.split(separator: ":", omittingEmptySubsequences: false)
            if fields.count >= 4, let uid = Int(fields[2]), let gid = Int(fields[3]) {
                users.append((String(fields[0]), uid, gid))
            }
        }
        for line in Self.file("/etc/group", layers).split(separator: "\n") {
            let fields = line.split(separator: ":", omittingEmptySubsequences: false)
            if fields.count >= 4, let gid = Int(fields[2]) {
                groups.append((String(fields[0]), gid, fields[3].split(separator: ",").map(String.init)))
            }
        }
    }

    private static func file(_ path: String, _ layers: [String]) -> String {
        for layer in layers {
            if let text = Files.text((layer == "/" ? "" : layer) + path) { return text }
        }
        return ""
    }
}
