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
    static func finish(_ t: Transaction, id: String, error: ErrorDetail?) throws {
        guard var document = try t.find(key(id)), document.body["status"]?.stringValue == "InProgress" else { return }
        document.body["status"] = error == nil ? "Succeeded" : "Failed"
        document.body["error"] = error?.json
        document.body["endTime"] = .string(rfc3339(nowSeconds()))
        try t.put(&document)
    }

    /// The operation's answer.
    static func body(_ document: Document, id: String) -> JSON {
        var body: [String: JSON] = [
            "id": .string(id), "name": .string(document.name), "status": document.body["status"] ?? "InProgress",
            "startTime": .string(rfc3339(document.createdAt)),
        ]
        if let end = document.body["endTime"] { body["endTime"] = end }
        if let error = document.body["error"] { body["error"] = error }
        if let resource = document.body["resource"] { body["resourceId"] = resource }
        return .object(body)
    }

    /// The operation's answer with the pace to poll at: without one, clients wait 30 seconds.
    static func reply(_ document: Document, id: String) -> Reply {
        let isRunning = document.body["status"]?.stringValue == "InProgress"
        return .json(body(document, id: id), headers: isRunning ? ["Retry-After": "1"] : [:])
    }

    /// Headers that send a client to an operation.
    static func headers(_ url: String) -> [String: String] { ["Azure-AsyncOperation": url, "Retry-After": "1"] }

    /// Forgets operations that ended more than a day ago.
    static func forgetOld(_ t: Transaction) throws {
        let old = nowSeconds() - 86400
        for document in try t.listAll(.operation)
        where document.updatedAt < old && document.body["status"]?.stringValue != "InProgress" {
            try t.remove(document.id)
        }
    }
}
