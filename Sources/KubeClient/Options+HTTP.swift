internal import KubeCore

extension ListOptions {
    var query: [(String, String)] {
        var query: [(String, String)] = []
        if let labelSelector { query.append(("labelSelector", labelSelector)) }
        if let fieldSelector { query.append(("fieldSelector", fieldSelector)) }
        if let limit { query.append(("limit", String(limit))) }
        if let continueToken { query.append(("continue", continueToken)) }
        if let resourceVersion { query.append(("resourceVersion", resourceVersion)) }
        if let resourceVersionMatch { query.append(("resourceVersionMatch", resourceVersionMatch)) }
        return query
    }
}

extension WatchOptions {
    var query: [(String, String)] {
        var query: [(String, String)] = [("watch", "true")]
        if let labelSelector { query.append(("labelSelector", labelSelector)) }
        if let fieldSelector { query.append(("fieldSelector", fieldSelector)) }
        if let resourceVersion { query.append(("resourceVersion", resourceVersion)) }
        if allowBookmarks { query.append(("allowWatchBookmarks", "true")) }
        if let timeoutSeconds { query.append(("timeoutSeconds", String(timeoutSeconds))) }
        if let sendInitialEvents { query.append(("sendInitialEvents", String(sendInitialEvents))) }
        if let resourceVersionMatch {
            query.append(("resourceVersionMatch", resourceVersionMatch))
        } else if sendInitialEvents != nil {
            query.append(("resourceVersionMatch", "NotOlderThan"))
        }
        return query
    }
}

extension WriteOptions {
    func query(isApply: Bool) -> [(String, String)] {
        var query: [(String, String)] = []
        if let fieldManager { query.append(("fieldManager", fieldManager)) }
        if dryRun { query.append(("dryRun", "All")) }
        if let fieldValidation { query.append(("fieldValidation", fieldValidation)) }
        if isApply, force { query.append(("force", "true")) }
        return query
    }
}

extension DeleteOptions {
    var json: JSON {
        var members: [String: JSON] = ["apiVersion": "v1", "kind": "DeleteOptions"]
        if let gracePeriodSeconds { members["gracePeriodSeconds"] = JSON(gracePeriodSeconds) }
        if let propagation { members["propagationPolicy"] = .string(propagation.rawValue) }
        var preconditions: [String: JSON] = [:]
        if let preconditionUID { preconditions["uid"] = .string(preconditionUID) }
        if let preconditionResourceVersion { preconditions["resourceVersion"] = .string(preconditionResourceVersion) }
        if !preconditions.isEmpty { members["preconditions"] = .object(preconditions) }
        if dryRun { members["dryRun"] = ["All"] }
        return .object(members)
    }
}

extension Patch {
    var contentType: String {
        switch self {
        case .json: "application/json-patch+json"
        case .merge: "application/merge-patch+json"
        case .strategic: "application/strategic-merge-patch+json"
        case .apply: "application/apply-patch+yaml"
        }
    }

    var body: JSON {
        switch self {
        case .json(let body), .merge(let body), .strategic(let body), .apply(let body): body
        }
    }

    var isApply: Bool { if case .apply = self { true } else { false } }
}

extension KubeList {
    /// Reads a list answer.
    ///
    /// Items of built-in kinds come without apiVersion and kind, which every reader here expects.
    init(listJSON json: JSON, type: ResourceType) {
        let metadata = json["metadata"]
        let items = (json["items"]?.arrayValue ?? []).map { item in
            var item = item
            if item["kind"] == nil {
                item["apiVersion"] = .string(type.apiVersion)
                item["kind"] = .string(type.kind)
            }
            return KubeObject(item)
        }
        self.init(
            items: items,
            resourceVersion: metadata?["resourceVersion"]?.stringValue ?? "",
            continueToken: metadata?["continue"]?.stringValue.flatMap { $0.isEmpty ? nil : $0 },
            remainingItemCount: metadata?["remainingItemCount"]?.intValue
        )
    }
}
