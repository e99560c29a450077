import Foundation
import KubeCore
import Testing

@testable import Scheduling

@Suite struct VolcanoAdmissionTests {
    private static let queue = KubeObject([
        "apiVersion": "scheduling.volcano.sh/v1beta1", "kind": "Queue", "metadata": ["name": "default"],
        "status": ["state": "Open"],
    ])

    private static func job(_ spec: JSON) -> JSON {
        [
            "apiVersion": "batch.volcano.sh/v1alpha1", "kind": "Job",
            "metadata": ["name": "j", "namespace": "default"],
            "spec": spec,
        ]
    }

    private static let task: JSON = [
        "replicas": 2, "template": ["spec": ["containers": [["name": "main", "image": "busybox"]]]],
    ]

    private static func answer(
        _ kind: String,
        _ operation: String,
        object: JSON = .null,
        old: JSON = .null,
        isMutating: Bool = false
    ) async throws -> JSON {
        let review: JSON = [
            "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
            "request": [
                "uid": "u-1", "kind": ["group": "", "version": "", "kind": .string(kind)],
                "operation": .string(operation), "object": object, "oldObject": old,
            ],
        ]
        let answer = try await VolcanoAdmission.answer(review, isMutating: isMutating) {
            $0 == "default" ? queue : nil
        }
        #expect(answer["response"]?["uid"] == "u-1")
        return answer["response"] ?? .null
    }

    @Test func `A job gets what it leaves out`() async throws {
        let response = try await Self.answer(
            "Job",
            "CREATE",
            object: Self.job(["tasks": [Self.task]]),
            isMutating: true
        )
        let encoded = try #require(response["patch"]?.stringValue)
        let patch = try JSON(parsing: try #require(Data(base64Encoded: encoded)))
        let values = Dictionary(
            uniqueKeysWithValues: (patch.arrayValue ?? []).map { ($0["path"]?.stringValue ?? "", $0["value"] ?? .null) }
        )
        #expect(
            values == [
                "/spec/queue": "default", "/spec/schedulerName": "volcano", "/spec/maxRetry": 3,
                "/spec/minAvailable": 2, "/spec/tasks/0/name": "default0", "/spec/tasks/0/maxRetry": 3,
                "/spec/tasks/0/minAvailable": 2,
            ]
        )
    }

    @Test func `A good job passes and a bad one is refused with the field`() async throws {
        var response = try await Self.answer("Job", "CREATE", object: Self.job(["tasks": [Self.task]]))
        #expect(response["allowed"] == true)
        response = try await Self.answer(
            "Job",
            "CREATE",
            object: Self.job(["tasks": [Self.task], "minAvailable": 3, "queue": "nowhere"])
        )
        #expect(response["allowed"] == false)
        let message = response["status"]?["message"]?.stringValue ?? ""
        #expect(message.contains("spec.minAvailable"))
        #expect(message.contains("nowhere"))
    }

    @Test func `Of a job only numbers of pods may change`() async throws {
        let old = Self.job(["tasks": [Self.task], "minAvailable": 1])
        var task = Self.task
        task["replicas"] = 3
        let scaled = Self.job(["tasks": [task], "minAvailable": 3])
        #expect(try await Self.answer("Job", "UPDATE", object: scaled, old: old)["allowed"] == true)
        let moved = Self.job(["tasks": [Self.task], "minAvailable": 1, "queue": "other"])
        #expect(try await Self.answer("Job", "UPDATE", object: moved, old: old)["allowed"] == false)
    }

    @Test(arguments: [("default", "0", false), ("busy", "2", false), ("idle", "0", true)])
    func `A queue goes only when nobody needs it`(_ name: String, _ pods: String, _ wantAllowed: Bool) async throws {
        let queue: JSON = [
            "kind": "Queue", "metadata": ["name": .string(name)], "status": ["allocated": ["pods": .string(pods)]],
        ]
        #expect(try await Self.answer("Queue", "DELETE", old: queue)["allowed"] == .bool(wantAllowed))
    }
}
