package import KubeCore

extension CommandJobYAML {
    /// What the references of a job became once assets were uploaded and looked up.
    package struct Resolved: Sendable, Hashable {
        package var codeID: String?
        package var environmentID: String
        package var computeID: String?
        /// Input name → ARM id or URI.
        package var inputURIs: [String: String]

        package init(codeID: String?, environmentID: String, computeID: String?, inputURIs: [String: String]) {
            self.codeID = codeID
            self.environmentID = environmentID
            self.computeID = computeID
            self.inputURIs = inputURIs
        }
    }

    /// Body of the PUT, as the reference client sends it.
    package func body(name: String, defaultExperiment: String, resolved: Resolved) -> JSON {
        var properties: [String: JSON] = [
            "jobType": "Command", "command": .string(command), "environmentId": .string(resolved.environmentID),
            "displayName": .string(displayName ?? name),
            "experimentName": .string(experimentName ?? defaultExperiment),
            "tags": JSON(tags), "properties": JSON(self.properties),
            "environmentVariables": JSON(environmentVariables),
        ]
        if let codeID = resolved.codeID { properties["codeId"] = .string(codeID) }
        if let computeID = resolved.computeID { properties["computeId"] = .string(computeID) }
        if let description { properties["description"] = .string(description) }
        if let distribution { properties["distribution"] = distribution }
        if let timeoutSeconds {
            properties["limits"] = ["jobLimitsType": "Command", "timeout": .string("PT\(timeoutSeconds)S")]
        }
        properties["inputs"] = .object(
            inputs.reduce(into: [:]) { $0[$1.key] = Self.input($1.value, uri: resolved.inputURIs[$1.key] ?? "") }
        )
        properties["outputs"] = .object(outputs.mapValues(Self.output))
        var resources: [String: JSON] = ["instanceCount": JSON(instanceCount ?? 1)]
        if let instanceType { resources["instanceType"] = .string(instanceType) }
        if let shmSize { resources["shmSize"] = .string(shmSize) }
        properties["resources"] = .object(resources)
        return ["properties": .object(properties)]
    }

    private static func input(_ input: Input, uri: String) -> JSON {
        switch input {
        case .literal(let value): return ["jobInputType": "literal", "value": .string(value)]
        case .data(let type, let mode, _):
            let modes = [
                "ro_mount": "ReadOnlyMount", "download": "Download", "direct": "Direct", "eval_mount": "EvalMount",
                "eval_download": "EvalDownload",
            ]
            return [
                "jobInputType": .string(type), "uri": .string(uri),
                "mode": .string(modes[mode ?? "ro_mount"] ?? "ReadOnlyMount"),
            ]
        }
    }

    private static func output(_ output: Output) -> JSON {
        let modes = ["rw_mount": "ReadWriteMount", "upload": "Upload", "direct": "Direct"]
        var members: [String: JSON] = [
            "jobOutputType": .string(output.type),
            "mode": .string(modes[output.mode ?? "rw_mount"] ?? "ReadWriteMount"),
        ]
        if let path = output.path { members["uri"] = .string(path) }
        if let name = output.name { members["assetName"] = .string(name) }
        if let version = output.version { members["assetVersion"] = .string(version) }
        return .object(members)
    }
}
