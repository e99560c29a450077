internal import Foundation
package import KubeCore

/// Answers the API server's questions about Volcano jobs and queues before they are stored.
///
/// Pure but for the look at a job's queue. Source: Volcano's admission webhooks; what its CRD schemas check is left to them.
package enum VolcanoAdmission {
    /// Paths of the webhooks, as the API server calls them.
    package static let mutatePath = "/jobs/mutate"
    package static let validatePath = "/validate"

    /// An `AdmissionReview` with its answer.
    ///
    /// - Throws: what `queue` throws; a review without a request is a bad request.
    package static func answer(
        _ review: JSON,
        isMutating: Bool,
        queue: (String) async throws -> KubeObject?
    ) async throws -> JSON {
        guard let request = review["request"], let uid = request["uid"]?.stringValue else {
            throw APIError.badRequest("the body is no AdmissionReview with a request")
        }
        var response: JSON = ["uid": .string(uid), "allowed": true]
        if isMutating {
            let patch = JobDefaults.patch(request["object"] ?? .null)
            if !patch.isEmpty, request["operation"] == "CREATE" {
                response["patchType"] = "JSONPatch"
                response["patch"] = .string(Data(JSON.array(patch).bytes).base64EncodedString())
            }
        } else if let refusal = try await refusal(request, queue) {
            response["allowed"] = false
            response["status"] = ["message": .string(refusal), "code": 422, "reason": "Invalid"]
        }
        return [
            "apiVersion": review["apiVersion"] ?? "admission.k8s.io/v1", "kind": "AdmissionReview",
            "response": response,
        ]
    }

    private static func refusal(
        _ request: JSON,
        _ queue: (String) async throws -> KubeObject?
    ) async throws -> String? {
        let object = KubeObject(request["object"] ?? .null)
        let old = KubeObject(request["oldObject"] ?? .null)
        switch (request["kind"]?["kind"]?.stringValue, request["operation"]?.stringValue) {
        case ("Job", "CREATE"):
            let job = VolcanoJob(object)
            return text(VolcanoJobValidation.validate(job, queue: try await queue(job.queue)))
        case ("Job", "UPDATE"): return changeRefusal(old, object)
        case ("Queue", "DELETE"): return queueRefusal(old)
        default: return nil
        }
    }

    private static func text(_ errors: [FieldError]) -> String? {
        errors.isEmpty ? nil : errors.map(\.description).joined(separator: "; ")
    }

    /// Of a job's spec only numbers of pods and the priority may change.
    private static func changeRefusal(_ old: KubeObject, _ new: KubeObject) -> String? {
        guard fixed(old["spec"] ?? .null) != fixed(new["spec"] ?? .null) else { return nil }
        return
            "spec: only minAvailable, tasks[*].replicas, tasks[*].minAvailable and priorityClassName may change; delete the job and create it anew"
    }

    private static func fixed(_ spec: JSON) -> JSON {
        var spec = spec
        spec["minAvailable"] = nil
        spec["priorityClassName"] = nil
        spec["tasks"] = .array(
            (spec["tasks"]?.arrayValue ?? []).map { task in
                var task = task
                task["replicas"] = nil
                task["minAvailable"] = nil
                return task
            }
        )
        return spec
    }

    private static func queueRefusal(_ queue: KubeObject) -> String? {
        if ["default", "root"].contains(queue.name) {
            return "queue \(queue.name) is needed by the scheduler and stays"
        }
        let pods = queue["status", "allocated", "pods"].flatMap { Quantity.canonical($0) }
        guard let pods, pods != "0" else { return nil }
        return "queue \(queue.name) has \(pods) running pods; end their jobs first"
    }
}

/// What a job gets that leaves it out, as a patch.
enum JobDefaults {
    static func patch(_ object: JSON) -> [JSON] {
        guard let spec = object["spec"], let tasks = spec["tasks"]?.arrayValue else { return [] }
        var patch: [JSON] = []
        func add(_ path: String, _ value: JSON) {
            patch.append(["op": "add", "path": .string("/spec/" + path), "value": value])
        }
        let job = VolcanoJob(KubeObject(object))
        if spec["queue"]?.stringValue?.isEmpty ?? true { add("queue", .string(VolcanoNames.defaultQueue)) }
        if spec["schedulerName"]?.stringValue?.isEmpty ?? true {
            add("schedulerName", .string(VolcanoNames.schedulerName))
        }
        if spec["maxRetry"] == nil { add("maxRetry", 3) }
        if spec["minAvailable"] == nil { add("minAvailable", JSON(job.tasks.reduce(0) { $0 + $1.minAvailable })) }
        for (index, (task, read)) in zip(tasks, job.tasks).enumerated() {
            if task["name"]?.stringValue?.isEmpty ?? true { add("tasks/\(index)/name", .string(read.name)) }
            if task["maxRetry"] == nil { add("tasks/\(index)/maxRetry", 3) }
            if task["minAvailable"] == nil { add("tasks/\(index)/minAvailable", JSON(read.minAvailable)) }
        }
        return patch
    }
}
