internal import ControlPlaneAPI
internal import KubeCore

/// The parts of a PUT's body that are no wish about the software: type, scope, identity, plan.
enum ExtensionBody {
    /// - Throws: 400 for a body that no extension of ours can have.
    static func check(_ body: JSON, name: String) throws(ARMError) {
        guard body.objectValue != nil else {
            throw ARMError(400, "InvalidRequestContent", "The body of extension '\(name)' is no JSON object.")
        }
        let properties = body["properties"] ?? .object([:])
        guard let type = properties["extensionType"]?.stringValue, !type.isEmpty else {
            throw ARMError.invalid(
                "properties.extensionType",
                "Extension '\(name)' names no extensionType; set \(ExtensionRecord.type)."
            )
        }
        guard type.lowercased() == ExtensionRecord.type.lowercased() else {
            throw ARMError.invalid(
                "properties.extensionType",
                "Extension '\(name)': type '\(type)' is not offered; the only one is \(ExtensionRecord.type)."
            )
        }
        if let scope = properties["scope"]?["namespace"], !scope.isNull {
            throw ARMError(
                400,
                "InvalidArgumentValue",
                "Extension '\(name)': scope 'namespace' is not offered, as \(ExtensionRecord.type) serves a whole cluster; use scope.cluster.",
                target: "properties.scope"
            )
        }
        try checkIdentity(body["identity"], kinds: ["SystemAssigned"], target: "identity.type")
        try checkIdentity(
            properties["aksAssignedIdentity"],
            kinds: ["SystemAssigned", "UserAssigned", "Workload"],
            target: "properties.aksAssignedIdentity.type"
        )
        try checkPlan(body["plan"])
    }

    private static func checkIdentity(_ identity: JSON?, kinds: [String], target: String) throws(ARMError) {
        guard let identity, !identity.isNull, let type = identity["type"], !type.isNull else { return }
        guard kinds.contains(where: { $0.lowercased() == type.stringValue?.lowercased() }) else {
            throw ARMError.invalid(
                target,
                "\(target) is \(type.text); use \(kinds.joined(separator: " or "))."
            )
        }
    }

    private static func checkPlan(_ plan: JSON?) throws(ARMError) {
        guard let plan, !plan.isNull else { return }
        for key in ["name", "publisher", "product"] where (plan[key]?.stringValue ?? "").isEmpty {
            throw ARMError.invalid("plan.\(key)", "plan has no \(key); a plan is name, publisher and product together.")
        }
    }

    /// Names become parts of names of Kubernetes objects, and of a label.
    static func checkName(_ name: String) throws(ARMError) {
        let isAllowed = name.allSatisfy { character in
            character.isASCII
                && (character.isLowercase || character.isNumber || character == "-" || character == ".")
        }
        let ends = [name.first, name.last].allSatisfy { $0?.isLetter == true || $0?.isNumber == true }
        guard isAllowed, ends, (1...53).contains(name.count) else {
            throw ARMError.invalid(
                "name",
                "Extension name '\(name)' is not allowed; use lower-case letters, digits, '-' and '.', beginning and ending with a letter or digit, at most 53."
            )
        }
    }

    /// Stores identity and plan.
    static func apply(_ body: JSON, clusterType: String, to record: inout ExtensionRecord) {
        let identity = body["identity"].flatMap { $0.isNull || $0["type"]?.isNull != false ? nil : $0 }
        let isManaged = clusterType.lowercased() == "managedclusters"
        // On managed clusters the identity is the cluster's to assign, unless one is asked for.
        let hasIdentity = identity != nil || !isManaged
        record.document.body["identity"] = hasIdentity ? ["type": "SystemAssigned"] : nil
        if let plan = body["plan"] { record.document.body["plan"] = plan.isNull ? nil : plan }
        let assigned = body[path: "properties", "aksAssignedIdentity"]
        if let assigned, !assigned.isNull {
            var kept: [String: JSON] = [:]
            for key in ["type", "objectId", "clientId", "resourceId"] { kept[key] = assigned[key] }
            record.document.hidden["aksIdentity"] = .object(kept)
        } else if isManaged, record.document.hidden["aksIdentity"] == nil {
            record.document.hidden["aksIdentity"] = ["type": "SystemAssigned"]
        }
    }
}

/// The resource as answered, for every api-version: members that one does not know are passed over by its clients.
enum ExtensionAnswer {
    static func resource(_ record: ExtensionRecord, tenant: String) -> JSON {
        let document = record.document
        let principal: JSON = document.hidden["principalId"] ?? .null
        var resource = document.resource
        if document.body["identity"]?.isNull == false {
            resource["identity"] = [
                "type": "SystemAssigned", "principalId": principal, "tenantId": .string(tenant),
            ]
        } else {
            resource["identity"] = .null
        }
        resource["plan"] = document.body["plan"] ?? .null
        resource["managedBy"] = .null
        var properties = resource["properties"] ?? .object([:])
        let wish = record.wish
        properties["autoUpgradeMode"] = .string(wish.mode.rawValue)
        properties["configurationProtectedSettings"] = JSON(wish.protectedSettings.mapValues { _ in "" })
        properties["installedVersion"] = properties["currentVersion"] ?? .null
        properties["isSystemExtension"] = false
        if var identity = document.hidden["aksIdentity"] {
            identity["principalId"] = principal
            identity["tenantId"] = .string(tenant)
            properties["aksAssignedIdentity"] = identity
        }
        properties["extensionState"] = .string(state(record))
        let statuses = properties["statuses"]?.arrayValue ?? []
        // The agent may say the same in its own words.
        let remarks = (document.hidden["remarks"]?.arrayValue ?? []).filter { remark in
            !statuses.contains { $0["code"] == remark["code"] }
        }
        properties["statuses"] = .array(statuses + remarks)
        for key in absent where properties[key] == nil { properties[key] = .null }
        resource["properties"] = properties
        return resource
    }

    /// As `resource`, and while something is to be done says when the agent that should do it is not there.
    static func resource(_ t: Transaction, _ record: ExtensionRecord, tenant: String, now: Double) throws -> JSON {
        var resource = resource(record, tenant: tenant)
        guard record.isBusy, try !ExtensionService.isAgentHeard(t, cluster: record.document.parent, now: now) else {
            return resource
        }
        let silence = try AgentRequests.silence(t, cluster: record.document.parent, now: now)
        let entry = ExtensionStatusEntry(
            code: "AgentOffline",
            displayStatus: "Agent is offline",
            level: "Warning",
            message:
                "Waiting for the agent of cluster '\(record.cluster)'; \(silence). The change is held until \(rfc3339(record.wantedAt + ExtensionUpkeep.patience)).",
            time: rfc3339(now)
        )
        let statuses = resource[path: "properties", "statuses"]?.arrayValue ?? []
        resource[path: "properties", "statuses"] = .array(statuses + [try JSON(encoding: entry)])
        return resource
    }

    private static let absent = [
        "version", "currentVersion", "errorInfo", "customLocationSettings", "packageUri", "aksAssignedIdentity",
        "managementDetails", "additionalDetails",
    ]

    /// In words, as newer api-versions have it beside `provisioningState`.
    private static func state(_ record: ExtensionRecord) -> String {
        switch record.state {
        case "Succeeded": "Installed"
        case "Creating": "Installing"
        case "Updating": "Updating"
        case "Failed" where record.isDeleting: "DeleteFailed"
        case "Failed" where record.succeededGeneration > 0: "UpdateFailed"
        case "Failed": "InstallFailed"
        default: record.state
        }
    }
}
