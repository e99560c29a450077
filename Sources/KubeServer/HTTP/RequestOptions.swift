internal import KubeCore
internal import NIOHTTP1

/// Query parameters and bodies that say how a request is to be done.
enum RequestOptions {
    static func list(_ query: RequestQuery) throws(APIError) -> ListOptions {
        let limit = try query.integer("limit")
        if let limit, limit < 0 { throw APIError.badRequest("limit must not be negative") }
        return ListOptions(
            labelSelector: query.text("labelSelector"),
            fieldSelector: query.text("fieldSelector"),
            limit: limit,
            continueToken: query.text("continue"),
            resourceVersion: query.text("resourceVersion"),
            resourceVersionMatch: query.text("resourceVersionMatch")
        )
    }

    static func watch(_ query: RequestQuery) throws(APIError) -> WatchOptions {
        WatchOptions(
            labelSelector: query.text("labelSelector"),
            fieldSelector: query.text("fieldSelector"),
            resourceVersion: query.text("resourceVersion"),
            allowBookmarks: query.flag("allowWatchBookmarks") ?? false,
            timeoutSeconds: try query.integer("timeoutSeconds"),
            sendInitialEvents: query.flag("sendInitialEvents"),
            resourceVersionMatch: query.text("resourceVersionMatch")
        )
    }

    static func write(
        _ query: RequestQuery,
        headers: HTTPHeaders,
        kind: String,
        isApply: Bool = false
    ) throws(APIError) -> WriteOptions {
        let isDry = try dryRun(query.all("dryRun").filter { !$0.isEmpty }, kind: kind)
        if let mode = query.text("fieldValidation"), !["Ignore", "Warn", "Strict"].contains(mode) {
            throw invalid(
                kind,
                FieldError(
                    "fieldValidation",
                    .notSupported,
                    #"supported values: "Ignore", "Strict", "Warn""#,
                    badValue: .string(mode)
                )
            )
        }
        let manager = query.text("fieldManager")
        if let manager, manager.utf8.count > 128 {
            throw invalid(kind, FieldError("fieldManager", .tooLong, "may not be more than 128 bytes"))
        }
        return WriteOptions(
            // Apply must name its manager; other writes are recorded under the program's name.
            fieldManager: manager ?? (isApply ? nil : program(headers)),
            dryRun: isDry,
            fieldValidation: query.text("fieldValidation"),
            force: query.flag("force") ?? false
        )
    }

    /// The first word of the User-Agent.
    private static func program(_ headers: HTTPHeaders) -> String? {
        guard let agent = headers.first(name: "User-Agent") else { return nil }
        let name = agent.prefix { $0 != "/" && $0 != " " }.filter { $0.isASCII && !$0.isWhitespace }
        return name.isEmpty ? nil : String(name.prefix(128))
    }

    private static func dryRun(_ values: [String], kind: String) throws(APIError) -> Bool {
        if values.isEmpty { return false }
        if values.allSatisfy({ $0 == "All" }) { return true }
        throw invalid(kind, FieldError("dryRun", .notSupported, #"supported values: "All""#, badValue: JSON(values)))
    }

    private static func invalid(_ kind: String, _ error: FieldError) -> APIError {
        let type = ResourceType(group: "meta.k8s.io", version: "v1", plural: kind.lowercased(), kind: kind)
        return APIError.invalid(type, "", [error])
    }

    /// Options of a deletion: from the body when there is one, else from the query.
    static func delete(_ query: RequestQuery, body: JSON?) throws(APIError) -> DeleteOptions {
        var options = DeleteOptions()
        options.gracePeriodSeconds = try query.integer("gracePeriodSeconds")
        options.dryRun = try dryRun(query.all("dryRun").filter { !$0.isEmpty }, kind: "DeleteOptions")
        var propagation = query.text("propagationPolicy")
        var orphan = query.flag("orphanDependents")
        if let body, !body.isNull {
            guard case .object = body else { throw APIError.badRequest("DeleteOptions must be an object") }
            if let kind = body["kind"]?.stringValue, !kind.isEmpty, kind != "DeleteOptions" {
                throw APIError.badRequest("the body of a deletion must be DeleteOptions, not \(kind)")
            }
            if let seconds = body["gracePeriodSeconds"], !seconds.isNull {
                guard let seconds = seconds.intValue else {
                    throw APIError.badRequest("gracePeriodSeconds must be an integer, not \(seconds.text)")
                }
                options.gracePeriodSeconds = seconds
            }
            propagation = body["propagationPolicy"]?.stringValue ?? propagation
            orphan = body["orphanDependents"]?.boolValue ?? orphan
            options.preconditionUID = body[path: "preconditions", "uid"]?.stringValue
            options.preconditionResourceVersion = body[path: "preconditions", "resourceVersion"]?.stringValue
            if let values = body["dryRun"]?.stringArray, try dryRun(values, kind: "DeleteOptions") {
                options.dryRun = true
            }
        }
        if let propagation, !propagation.isEmpty {
            guard let policy = DeleteOptions.Propagation(rawValue: propagation) else {
                throw invalid(
                    "DeleteOptions",
                    FieldError(
                        "propagationPolicy",
                        .notSupported,
                        #"supported values: "Foreground", "Background", "Orphan", "nil""#,
                        badValue: .string(propagation)
                    )
                )
            }
            options.propagation = policy
        } else if let orphan {
            options.propagation = orphan ? .orphan : .background
        }
        return options
    }
}
