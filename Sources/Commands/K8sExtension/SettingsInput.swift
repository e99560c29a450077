internal import Foundation
internal import KubeCore

/// Settings as a user gives them: `KEY=VALUE` pairs or a JSON file.
///
/// Every error is one of usage.
enum SettingsInput {
    /// Pairs split at the first `=`, or the file's JSON object of scalars; the last of equal keys wins.
    static func read(_ pairs: [String], file: String?, option: String) throws(CommandError) -> [String: String] {
        guard let file else { return try Self.pairs(pairs, option: option) }
        guard pairs.isEmpty else {
            throw CommandError(
                "\(option) and its file \(file) exclude each other",
                remedy: "give one of them",
                exitStatus: 2
            )
        }
        guard let data = FileManager.default.contents(atPath: (file as NSString).expandingTildeInPath) else {
            throw CommandError("settings file \(file) cannot be read", remedy: "name an existing file", exitStatus: 2)
        }
        return try settings(json: Array(data), file: file)
    }

    static func pairs(_ pairs: [String], option: String) throws(CommandError) -> [String: String] {
        var settings: [String: String] = [:]
        for pair in pairs {
            guard let equals = pair.firstIndex(of: "="), equals != pair.startIndex else {
                throw CommandError(
                    "\(option) \(pair): not KEY=VALUE",
                    remedy: "write for example enableTraining=True",
                    exitStatus: 2
                )
            }
            settings[String(pair[..<equals])] = String(pair[pair.index(after: equals)...])
        }
        return settings
    }

    static func settings(json bytes: [UInt8], file: String) throws(CommandError) -> [String: String] {
        let json: JSON
        do {
            json = try JSON(parsing: bytes)
        } catch {
            throw CommandError(
                "settings file \(file) is not JSON",
                cause: error.description,
                remedy: "write an object such as {\"enableTraining\": \"True\"}",
                exitStatus: 2
            )
        }
        guard let members = json.objectValue, !members.isEmpty else {
            throw CommandError(
                "settings file \(file) holds no JSON object with settings",
                remedy: "write an object such as {\"enableTraining\": \"True\"}",
                exitStatus: 2
            )
        }
        var settings: [String: String] = [:]
        for (key, value) in members {
            switch value {
            case .string(let text): settings[key] = text
            case .bool(let flag): settings[key] = flag ? "True" : "False"
            case .int, .double: settings[key] = value.text
            case .null, .array, .object:
                throw CommandError(
                    "settings file \(file): the value of '\(key)' is \(kind(value))",
                    remedy: "give text, a number or a boolean",
                    exitStatus: 2
                )
            }
        }
        return settings
    }

    private static func kind(_ value: JSON) -> String {
        switch value {
        case .array: "a list"
        case .object: "an object"
        default: "null"
        }
    }
}
