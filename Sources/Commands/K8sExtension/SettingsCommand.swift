internal import ArgumentParser
internal import Extension
internal import KubeCore

extension K8sExtension {
    /// The extension's settings, from the table that the parser of settings uses.
    struct Settings: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "settings",
            abstract: "Lists the settings of the extension; needs no instance.",
            discussion: """
                EXAMPLES
                  outrigger k8s-extension settings -o table
                """
        )
        @OptionGroup var output: OutputOptions

        func run() throws {
            try output.output.write(
                .array(SettingKey.all.map(Self.view)),
                columns: [
                    Column("NAME", "name"), Column("TYPE", "type"), Column("DEFAULT", "default"),
                    Column("STANDING", "standing"), Column("EFFECT", "effect"),
                ]
            )
        }

        static func view(_ key: SettingKey) -> JSON {
            var members: [String: JSON] = [
                "name": .string(key.name), "aliases": JSON(key.aliases), "type": .string(typeName(key.value)),
                "protected": .bool(key.isProtected), "standing": .string(key.standing.rawValue),
                "effect": .string(key.effect),
            ]
            if let value = key.defaultValue { members["default"] = .string(value) }
            if case .choice(let choices) = key.value { members["allowed"] = JSON(choices) }
            if key.value == .boolean { members["allowed"] = JSON(["True", "False"]) }
            return .object(members)
        }

        private static func typeName(_ value: SettingKey.Value) -> String {
            switch value {
            case .boolean: "boolean"
            case .text: "text"
            case .choice: "choice"
            case .quantity: "quantity"
            case .pem: "PEM"
            }
        }
    }
}
