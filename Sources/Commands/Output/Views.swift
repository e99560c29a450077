internal import KubeCore

/// How ARM resources are shown: the reference CLI's names, without what nobody reads.
///
/// Pure.
enum Views {
    static func job(_ resource: JSON) -> JSON {
        let properties = resource["properties"] ?? [:]
        var view: [String: JSON?] = [
            "name": resource["name"], "id": resource["id"], "status": properties["status"],
            "type": properties["jobType"]?.stringValue.map { .string($0.lowercased()) },
            "display_name": properties["displayName"], "experiment_name": properties["experimentName"],
            "description": properties["description"], "command": properties["command"],
            "compute": properties["computeId"]?.stringValue.map { .string("azureml:" + lastComponent($0)) },
            "environment": properties["environmentId"]?.stringValue.map { .string("azureml:" + assetName($0)) },
            "code": properties["codeId"], "inputs": properties["inputs"], "outputs": properties["outputs"],
            "environment_variables": properties["environmentVariables"], "resources": properties["resources"],
            "limits": properties["limits"], "tags": properties["tags"], "services": properties["services"],
            "properties": properties["properties"], "creation_context": resource["systemData"],
        ]
        for key in ["statusMessage", "error", "exitCode", "startTime", "endTime", "notes"] {
            view[snake(key)] = properties[key]
        }
        return compact(view)
    }

    static func asset(_ resource: JSON) -> JSON {
        let properties = resource["properties"] ?? [:]
        let id = resource["id"]?.stringValue ?? ""
        let parts = id.split(separator: "/").map(String.init)
        let name: JSON? = parts.count > 2 ? .string(parts[parts.count - 3]) : nil
        let view: [String: JSON?] = [
            "name": name, "version": resource["name"], "id": resource["id"],
            "type": properties["modelType"] ?? properties["dataType"],
            "path": properties["modelUri"] ?? properties["dataUri"] ?? properties["codeUri"],
            "image": properties["image"], "conda_file": properties["condaFile"], "build": properties["build"],
            "inference_config": properties["inferenceConfig"], "description": properties["description"],
            "tags": properties["tags"], "properties": properties["properties"],
            "creation_context": resource["systemData"],
        ]
        return compact(view)
    }

    static func container(_ resource: JSON) -> JSON {
        let properties = resource["properties"] ?? [:]
        return compact([
            "name": resource["name"], "latest_version": properties["latestVersion"],
            "description": properties["description"], "tags": properties["tags"],
        ])
    }

    static func compute(_ resource: JSON) -> JSON {
        let properties = resource["properties"] ?? [:]
        return compact([
            "name": resource["name"], "id": resource["id"], "location": resource["location"],
            "type": properties["computeType"]?.stringValue.map { .string($0.lowercased()) },
            "resource_id": properties["resourceId"], "description": properties["description"],
            "namespace": properties["properties"]?["namespace"],
            "default_instance_type": properties["properties"]?["defaultInstanceType"],
            "instance_types": properties["properties"]?["instanceTypes"],
            "provisioning_state": properties["provisioningState"],
        ])
    }

    static func endpoint(_ resource: JSON) -> JSON {
        let properties = resource["properties"] ?? [:]
        return compact([
            "name": resource["name"], "id": resource["id"], "location": resource["location"], "tags": resource["tags"],
            "auth_mode": properties["authMode"]?.stringValue.map { .string($0 == "Key" ? "key" : "aml_token") },
            "compute": properties["compute"], "traffic": properties["traffic"],
            "mirror_traffic": properties["mirrorTraffic"], "scoring_uri": properties["scoringUri"],
            "openapi_uri": properties["swaggerUri"], "description": properties["description"],
            "provisioning_state": properties["provisioningState"], "error": properties["error"],
            "status_message": properties["statusMessage"],
        ])
    }

    static func deployment(_ resource: JSON) -> JSON {
        let properties = resource["properties"] ?? [:]
        let endpoint = (resource["id"]?.stringValue ?? "").split(separator: "/").dropLast(2).last.map(String.init)
        var view: [String: JSON?] = [
            "name": resource["name"], "id": resource["id"], "tags": resource["tags"],
            "endpoint_name": endpoint.map(JSON.string), "type": "kubernetes",
            "instance_count": resource["sku"]?["capacity"], "code_configuration": properties["codeConfiguration"],
            "environment": properties["environmentId"],
        ]
        for key in [
            "model", "instanceType", "environmentVariables", "requestSettings", "scaleSettings", "livenessProbe",
            "readinessProbe", "provisioningState", "description", "error", "statusMessage", "notes",
        ] {
            view[snake(key)] = properties[key]
        }
        return compact(view)
    }

    static func compact(_ members: [String: JSON?]) -> JSON {
        .object(
            members.compactMapValues { value in
                guard let value = value, !value.isNull else { return nil }
                return value
            }
        )
    }

    static func lastComponent(_ id: String) -> String { id.split(separator: "/").last.map(String.init) ?? id }

    /// `NAME:VERSION` of an asset's ARM id.
    static func assetName(_ id: String) -> String {
        let parts = id.split(separator: "/")
        guard parts.count >= 3, parts[parts.count - 2] == "versions" else { return id }
        return "\(parts[parts.count - 3]):\(parts[parts.count - 1])"
    }

    static func snake(_ name: String) -> String {
        name.reduce(into: "") { text, character in
            if character.isUppercase { text += "_" + character.lowercased() } else { text.append(character) }
        }
    }
}
