internal import ControlPlaneAPI
internal import KubeCore

/// Long-running operations, as polled through `Azure-AsyncOperation`.
enum Operations {
    static func key(_ id: String) -> String { "/operations/" + id }

    static func start(_ t: Transaction, id: String, resource: String) throws {
        var document = Document(
            kind: .operation,
            id: key(id),
            parent: "",
            name: id,
            body: ["status": "InProgress", "resource": .string(resource)]
        )
        try t.put(&document)
    }

    /// Ends an operation once; later ends are ignored.
    ///
    /// `result` is what the operation found out, answered as `properties.result`.
    static func finish(_ t: Transaction, id: String, error: ErrorDetail?, result: JSON? = nil) throws {
        try end(t, id: id, status: error == nil ? "Succeeded" : "Failed", error: error, result: result)
    }

    /// Ends an operation whose place another one takes.
    static func cancel(_ t: Transaction, id: String, error: ErrorDetail) throws {
        try end(t, id: id, status: "Canceled", error: error, result: nil)
    }

    private static func end(
        _ t: Transaction,
        id: String,
        status: String,
        error: ErrorDetail?,
        result: JSON?
    ) throws {
        guard var document = try t.find(key(id)), isRunning(document) else { return }
        document.body["status"] = .string(status)
        document.body["error"] = error?.json
        document.body["endTime"] = .string(rfc3339(nowSeconds()))
        if let result { document.body["properties"] = ["result": result] }
        try t.put(&document)
    }

    static func isRunning(_ document: Document) -> Bool { document.body["status"]?.stringValue == "InProgress" }

    /// The operation of this id on this resource.
    ///
    /// - Throws: 404 also for an operation on something else.
    static func require(_ t: Transaction, id: String, resource: String) throws -> Document {
        let document = try t.find(key(id))
        guard let document, document.body["resource"]?.stringValue?.lowercased() == resource.lowercased() else {
            throw ARMError.resourceNotFound(
                "Operation",
                id,
                remedy: "Ended operations are kept for a day; look at the resource itself."
            )
        }
        return document
    }

    /// Operations on what is below `prefix`, newest first.
    static func list(_ t: Transaction, below prefix: String) throws -> [Document] {
        let prefix = prefix.lowercased() + "/"
        return try t.listAll(.operation).reversed().filter {
            $0.body["resource"]?.stringValue?.lowercased().hasPrefix(prefix) == true
        }
    }

    /// The operation's answer.
    static func body(_ document: Document, id: String) -> JSON {
        var body: [String: JSON] = [
            "id": .string(id), "name": .string(document.name), "status": document.body["status"] ?? "InProgress",
            "startTime": .string(rfc3339(document.createdAt)),
        ]
        for key in ["endTime", "error", "properties"] { body[key] = document.body[key] }
        if let resource = document.body["resource"] { body["resourceId"] = resource }
        return .object(body)
    }

    /// The operation's answer with the pace to poll at: without one, clients wait 30 seconds.
    static func reply(_ document: Document, id: String) -> Reply {
        .json(body(document, id: id), headers: isRunning(document) ? ["Retry-After": "1"] : [:])
    }

    /// Headers that send a client to an operation.
    static func headers(_ url: String) -> [String: String] { ["Azure-AsyncOperation": url, "Retry-After": "1"] }

    /// Forgets operations that ended more than a day ago, and those with a result, which may be large, after an hour.
    static func forgetOld(_ t: Transaction) throws {
        let now = nowSeconds()
        for document in try t.listAll(.operation) where !isRunning(document) {
            let age = now - document.updatedAt
            if age > 86400 || age > 3600 && document.body["properties"] != nil { try t.remove(document.id) }
        }
    }
}
