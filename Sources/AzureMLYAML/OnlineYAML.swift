internal import Foundation
package import KubeCore

/// A Kubernetes online endpoint's file, checked.
package struct OnlineEndpointYAML: Sendable, Hashable {
    package var name: String
    /// Name or ARM id.
    package var compute: String
    /// `Key` or `AMLToken`.
    package var authMode: String
    package var traffic: [String: Int]?
    package var mirrorTraffic: [String: Int]?
    package var description: String?
    package var tags: [String: String]
    package var properties: [String: String]

    package init(_ document: SpecDocument) throws(SpecError) {
        var reader = SpecReader(document.root)
        reader.allow([
            "$schema", "name", "compute", "auth_mode", "traffic", "mirror_traffic", "identity", "description", "tags",
            "properties", "type",
        ])
        name = reader.requiredString("name")
        OnlineNames.check(name, key: "name", reader: &reader)
        let text = reader.requiredString("compute")
        compute = text.hasPrefix("azureml:") ? String(text.dropFirst(8)) : text
        let mode = reader.choice("auth_mode", among: ["key", "aml_token", "aad_token"]) ?? "key"
        if mode == "aad_token" {
            reader.fail("auth_mode", .notSupported, "Kubernetes endpoints take key or aml_token")
        }
        authMode = mode == "key" ? "Key" : "AMLToken"
        traffic = Self.percentages("traffic", &reader)
        mirrorTraffic = Self.percentages("mirror_traffic", &reader)
        if let traffic, ![0, 100].contains(traffic.values.reduce(0, +)) {
            reader.fail("traffic", .invalid, "the percentages must add up to 0 or 100")
        }
        description = reader.string("description")
        tags = reader.stringMap("tags") ?? [:]
        properties = reader.stringMap("properties") ?? [:]
        guard reader.errors.isEmpty else { throw SpecError(file: document.file, errors: reader.errors) }
    }

    private static func percentages(_ key: String, _ reader: inout SpecReader) -> [String: Int]? {
        guard var nested = reader.nested(key) else { return nil }
        var result: [String: Int] = [:]
        for name in (nested.value.objectValue ?? [:]).keys {
            guard let percent = nested.integer(name) else { continue }
            if percent > 100 { nested.fail(name, .invalid, "must be at most 100") }
            result[name] = percent
        }
        reader.take(nested.errors)
        return result
    }

    /// Body of the PUT.
    package func body(location: String, computeID: String) -> JSON {
        var members: [String: JSON] = [
            "authMode": .string(authMode), "compute": .string(computeID), "properties": JSON(properties),
        ]
        if let traffic { members["traffic"] = .object(traffic.mapValues { JSON($0) }) }
        if let mirrorTraffic { members["mirrorTraffic"] = .object(mirrorTraffic.mapValues { JSON($0) }) }
        if let description { members["description"] = .string(description) }
        return [
            "location": .string(location), "tags": JSON(tags), "identity": ["type": "SystemAssigned"],
            "properties": .object(members),
        ]
    }
}

/// Rules for names of endpoints and deployments.
enum OnlineNames {
    /// Letters, digits and hyphens; a letter first; 3 to 32 characters; no hyphen at the end.
    static func check(_ name: String, key: String, reader: inout SpecReader) {
        guard !name.isEmpty else { return }
        let isValid =
            (3...32).contains(name.count) && name.first?.isLetter == true && name.last != "-"
            && name.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-") }
        if !isValid {
            reader.fail(
                key,
                .invalid,
                "3 to 32 letters, digits and hyphens, starting with a letter and not ending in a hyphen"
            )
        }
    }
}

/// A Kubernetes online deployment's file, checked.
package struct OnlineDeploymentYAML: Sendable, Hashable {
    package var name: String
    package var endpointName: String
    package var model: ModelChoice?
    package var code: AssetReference?
    package var scoringScript: String?
    package var environment: EnvironmentChoice?
    package var environmentVariables: [String: String]
    package var instanceType: String?
    package var instanceCount: Int?
    package var appInsightsEnabled: Bool?
    package var modelMountPath: String?
    package var description: String?
    package var tags: [String: String]
    package var properties: [String: String]
    /// ARM forms; absent when the file says nothing.
    package var sections: [String: JSON]

    package enum ModelChoice: Sendable, Hashable {
        case reference(AssetReference)
        case inline(AssetYAML)
    }

    static let keys = [
        "$schema", "type", "name", "endpoint_name", "model", "code_configuration", "environment",
        "environment_variables",
        "instance_type", "instance_count", "app_insights_enabled", "model_mount_path", "scale_settings",
        "request_settings",
        "liveness_probe", "readiness_probe", "resources", "data_collector", "description", "tags", "properties",
        "egress_public_network_access",
    ]

    package init(_ document: SpecDocument) throws(SpecError) {
        var reader = SpecReader(document.root)
        reader.allow(Self.keys)
        if let type = reader.string("type"), type.lowercased() != "kubernetes" {
            reader.fail("type", .notSupported, "deployments here are type: kubernetes")
        }
        name = reader.requiredString("name")
        endpointName = reader.requiredString("endpoint_name")
        OnlineNames.check(name, key: "name", reader: &reader)
        OnlineNames.check(endpointName, key: "endpoint_name", reader: &reader)
        model = Self.model(&reader, folder: document.folder)
        (code, scoringScript) = Self.code(&reader, folder: document.folder)
        environment = EnvironmentChoice.read(&reader, folder: document.folder, isRequired: true)
        environmentVariables = reader.stringMap("environment_variables") ?? [:]
        instanceType = reader.string("instance_type")
        instanceCount = reader.integer("instance_count", minimum: 0)
        appInsightsEnabled = reader.boolean("app_insights_enabled")
        modelMountPath = reader.string("model_mount_path")
        description = reader.string("description")
        tags = reader.stringMap("tags") ?? [:]
        properties = reader.stringMap("properties") ?? [:]
        sections = OnlineSections.read(&reader)
        guard reader.errors.isEmpty else { throw SpecError(file: document.file, errors: reader.errors) }
    }

    private static func model(_ reader: inout SpecReader, folder: String) -> ModelChoice? {
        guard let value = reader["model"] else { return nil }
        if let text = value.stringValue { return .reference(AssetReference(text, folder: folder)) }
        var nested = SpecReader(value, path: reader.at("model"))
        nested.allow(["name", "version", "type", "path", "description", "tags", "properties"])
        let asset = AssetYAML(
            kind: .model,
            name: nested.string("name") ?? "",
            version: nested.string("version"),
            type: nested.choice("type", among: AssetYAML.types(of: .model)) ?? "custom_model",
            path: AssetReference(nested.requiredString("path"), folder: folder)
        )
        if case .local(let path) = asset.path, !FileManager.default.fileExists(atPath: path) {
            nested.fail("path", .notFound, "there is no file or folder at \(path)")
        }
        reader.take(nested.errors)
        return .inline(asset)
    }

    private static func code(_ reader: inout SpecReader, folder: String) -> (AssetReference?, String?) {
        guard var nested = reader.nested("code_configuration") else { return (nil, nil) }
        nested.allow(["code", "scoring_script"])
        let code = AssetReference(nested.requiredString("code"), folder: folder)
        let script = nested.requiredString("scoring_script")
        if case .local(let path) = code, !script.isEmpty {
            if !FileManager.default.fileExists(atPath: path) {
                nested.fail("code", .notFound, "there is no folder at \(path)")
            } else if !FileManager.default.fileExists(atPath: path + "/" + script) {
                nested.fail("scoring_script", .notFound, "there is no file at \(path)/\(script)")
            }
        }
        reader.take(nested.errors)
        return (code, script)
    }

    /// Body of the PUT.
    package func body(location: String, modelID: String?, codeID: String?, environmentID: String?) -> JSON {
        var members: [String: JSON] = sections
        members["endpointComputeType"] = "Kubernetes"
        members["properties"] = JSON(properties)
        members["environmentVariables"] = JSON(environmentVariables)
        if let modelID { members["model"] = .string(modelID) }
        if let environmentID { members["environmentId"] = .string(environmentID) }
        if let codeID, let scoringScript {
            members["codeConfiguration"] = ["codeId": .string(codeID), "scoringScript": .string(scoringScript)]
        }
        if let instanceType { members["instanceType"] = .string(instanceType) }
        if let appInsightsEnabled { members["appInsightsEnabled"] = .bool(appInsightsEnabled) }
        if let modelMountPath { members["modelMountPath"] = .string(modelMountPath) }
        if let description { members["description"] = .string(description) }
        var body: [String: JSON] = [
            "location": .string(location), "tags": JSON(tags), "properties": .object(members),
        ]
        body["sku"] = ["name": "Default", "capacity": JSON(instanceCount ?? 1)]
        return .object(body)
    }
}

/// Nested sections of a deployment, in ARM form.
enum OnlineSections {
    static func read(_ reader: inout SpecReader) -> [String: JSON] {
        var sections: [String: JSON] = [:]
        if var nested = reader.nested("request_settings") {
            nested.allow(["request_timeout_ms", "max_concurrent_requests_per_instance", "max_queue_wait_ms"])
            var members: [String: JSON] = [:]
            if let value = nested.integer("request_timeout_ms", minimum: 1) {
                members["requestTimeout"] = duration(value)
            }
            if let value = nested.integer("max_queue_wait_ms") { members["maxQueueWait"] = duration(value) }
            if let value = nested.integer("max_concurrent_requests_per_instance", minimum: 1) {
                members["maxConcurrentRequestsPerInstance"] = JSON(value)
            }
            sections["requestSettings"] = .object(members)
            reader.take(nested.errors)
        }
        for (key, name) in [("liveness_probe", "livenessProbe"), ("readiness_probe", "readinessProbe")] {
            guard var nested = reader.nested(key) else { continue }
            nested.allow(["initial_delay", "period", "timeout", "success_threshold", "failure_threshold"])
            var members: [String: JSON] = [:]
            for (field, arm) in [("initial_delay", "initialDelay"), ("period", "period"), ("timeout", "timeout")] {
                if let value = nested.integer(field) { members[arm] = duration(value * 1000) }
            }
            if let value = nested.integer("success_threshold", minimum: 1) { members["successThreshold"] = JSON(value) }
            if let value = nested.integer("failure_threshold", minimum: 1) { members["failureThreshold"] = JSON(value) }
            sections[name] = .object(members)
            reader.take(nested.errors)
        }
        if let scale = scaleSettings(&reader) { sections["scaleSettings"] = scale }
        if let resources = resources(&reader) { sections["containerResourceRequirements"] = resources }
        if let collector = reader["data_collector"] { sections["dataCollector"] = collector }
        return sections
    }

    private static func scaleSettings(_ reader: inout SpecReader) -> JSON? {
        guard var nested = reader.nested("scale_settings") else { return nil }
        nested.allow(["type", "min_instances", "max_instances", "polling_interval", "target_utilization_percentage"])
        let type = nested.choice("type", among: ["default", "target_utilization"]) ?? "target_utilization"
        var members: [String: JSON] = ["scaleType": type == "default" ? "Default" : "TargetUtilization"]
        if let value = nested.integer("min_instances") { members["minInstances"] = JSON(value) }
        if let value = nested.integer("max_instances", minimum: 1) { members["maxInstances"] = JSON(value) }
        if let value = nested.integer("polling_interval", minimum: 1) {
            members["pollingInterval"] = duration(value * 1000)
        }
        if let value = nested.integer("target_utilization_percentage", minimum: 1) {
            members["targetUtilizationPercentage"] = JSON(value)
        }
        reader.take(nested.errors)
        return .object(members)
    }

    private static func resources(_ reader: inout SpecReader) -> JSON? {
        guard var nested = reader.nested("resources") else { return nil }
        nested.allow(["requests", "limits"])
        var members: [String: JSON] = [:]
        for (key, name) in [("requests", "containerResourceRequests"), ("limits", "containerResourceLimits")] {
            guard var quantities = nested.nested(key) else { continue }
            quantities.allow(["cpu", "memory", "nvidia.com/gpu", "gpu"])
            var values: [String: JSON] = [:]
            for field in ["cpu", "memory", "nvidia.com/gpu", "gpu"] {
                guard let text = quantities.string(field) else { continue }
                values[field == "nvidia.com/gpu" ? "gpu" : field] = .string(text)
            }
            members[name] = .object(values)
            nested.take(quantities.errors)
        }
        reader.take(nested.errors)
        return .object(members)
    }

    /// ISO 8601, as the reference client writes it: `PT5S`, `PT0.9S`.
    static func duration(_ milliseconds: Int) -> JSON {
        let seconds = milliseconds / 1000
        let rest = milliseconds % 1000
        guard rest != 0 else { return .string("PT\(seconds)S") }
        var fraction = String(rest)
        fraction = String(repeating: "0", count: 3 - fraction.count) + fraction
        while fraction.hasSuffix("0") { fraction.removeLast() }
        return .string("PT\(seconds).\(fraction)S")
    }
}
