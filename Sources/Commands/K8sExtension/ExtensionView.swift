internal import KubeCore

/// How an extension is shown: the ARM resource with its properties at the top, as the reference command line does.
///
/// Pure.
enum ExtensionView {
    static let columns: [Column] = [
        Column("NAME", "name"), Column("TYPE", "extensionType"), Column("VERSION", "currentVersion"),
        Column("TRAIN", "releaseTrain"), Column("STATE", "provisioningState"), Column("NOTE", text: note),
    ]

    /// Shown also when they have no value.
    private static let always = [
        "aksAssignedIdentity", "autoUpgradeMinorVersion", "configurationProtectedSettings", "configurationSettings",
        "currentVersion", "customLocationSettings", "errorInfo", "extensionType", "id", "identity",
        "isSystemExtension", "name", "packageUri", "plan", "provisioningState", "releaseTrain", "resourceGroup",
        "scope", "statuses", "systemData", "type", "version",
    ]

    static func view(_ resource: JSON) -> JSON {
        var members: [String: JSON] = [:]
        for name in always { members[name] = .null }
        for (name, value) in resource["properties"]?.objectValue ?? [:] { members[name] = value }
        for name in ["id", "name", "type", "systemData", "identity", "plan"] {
            if let value = resource[name] { members[name] = value }
        }
        if let group = ResourceID.value(of: "resourceGroups", in: resource["id"]?.stringValue ?? "") {
            members["resourceGroup"] = .string(group)
        }
        return .object(members)
    }

    /// What somebody who looks at the table must know: the error, else the first component that is not ready.
    private static func note(_ value: JSON) -> String {
        if let message = value["errorInfo"]?["message"]?.stringValue { return message }
        let waiting = ComponentLine.all(value["statuses"]).first { !$0.isSettled }
        return waiting.map(\.text) ?? ""
    }
}
