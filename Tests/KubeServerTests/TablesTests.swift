import KubeCore
import Testing

@testable import KubeServer

struct TablesTests {
    private let now = Timestamp.seconds("2024-05-01T10:10:00Z") ?? 0

    private func cells(_ plural: String, _ object: JSON) throws -> [JSON] {
        let kind = try #require(BuiltInKinds.all.first { $0.type.plural == plural })
        var object = object
        object["metadata"] = ["name": "x", "creationTimestamp": "2024-05-01T10:00:00Z"]
        let result = table(for: kind, items: [KubeObject(object)], now: now)
        let row = try #require(result["rows"]?[0]?["cells"]?.arrayValue)
        #expect(row.count == kind.columns.count)
        return row
    }

    @Test("Every built-in kind fills all of its columns")
    func complete() throws {
        for kind in BuiltInKinds.all {
            let row = table(for: kind, items: [KubeObject(kind.type, name: "a")], now: now)["rows"]?[0]
            #expect(row?["cells"]?.arrayValue?.count == kind.columns.count, "\(kind.type)")
        }
    }

    struct PodCase: CustomTestStringConvertible {
        var name: String
        var pod: JSON
        var want: [JSON]
        var testDescription: String { name }
    }

    static let pods: [PodCase] = [
        PodCase(
            name: "running",
            pod: [
                "spec": ["containers": [["name": "a"], ["name": "b"]], "nodeName": "n"],
                "status": [
                    "phase": "Running", "podIP": "10.0.0.1",
                    "containerStatuses": [
                        ["name": "a", "ready": true, "restartCount": 0, "state": ["running": [:]]],
                        [
                            "name": "b", "ready": false, "restartCount": 2,
                            "state": ["waiting": ["reason": "CrashLoopBackOff"]],
                            "lastState": ["terminated": ["finishedAt": "2024-05-01T10:09:00Z"]],
                        ],
                    ],
                ],
            ],
            want: ["x", "1/2", "CrashLoopBackOff", "2 (60s ago)", "10m", "10.0.0.1", "n", "<none>", "<none>"]
        ),
        PodCase(
            name: "completed",
            pod: [
                "spec": ["containers": [["name": "a"]]],
                "status": [
                    "phase": "Succeeded",
                    "containerStatuses": [["state": ["terminated": ["reason": "Completed", "exitCode": 0]]]],
                ],
            ],
            want: ["x", "0/1", "Completed", "0", "10m", "<none>", "<none>", "<none>", "<none>"]
        ),
        PodCase(
            name: "initializing",
            pod: [
                "spec": ["containers": [["name": "a"]], "initContainers": [["name": "i"], ["name": "j"]]],
                "status": [
                    "phase": "Pending",
                    "initContainerStatuses": [
                        ["name": "i", "state": ["terminated": ["exitCode": 0]]],
                        ["name": "j", "state": ["running": [:]]],
                    ],
                ],
            ],
            want: ["x", "0/1", "Init:1/2", "0", "10m", "<none>", "<none>", "<none>", "<none>"]
        ),
        PodCase(
            name: "a failed init container",
            pod: [
                "spec": ["containers": [["name": "a"]], "initContainers": [["name": "i"]]],
                "status": [
                    "phase": "Failed",
                    "initContainerStatuses": [["name": "i", "state": ["terminated": ["exitCode": 3]]]],
                ],
            ],
            want: ["x", "0/1", "Init:ExitCode:3", "0", "10m", "<none>", "<none>", "<none>", "<none>"]
        ),
    ]

    @Test("Pods read as kubectl users know them", arguments: pods)
    func pod(_ example: PodCase) throws {
        #expect(try cells("pods", example.pod) == example.want)
    }

    @Test("Workloads, services and nodes")
    func others() throws {
        let template: JSON = ["spec": ["containers": [["name": "c", "image": "i"]]]]
        #expect(
            try cells(
                "deployments",
                [
                    "spec": ["replicas": 3, "template": template, "selector": ["matchLabels": ["a": "b"]]],
                    "status": ["readyReplicas": 2, "updatedReplicas": 3, "availableReplicas": 2],
                ]
            ) == ["x", "2/3", 3, 2, "10m", "c", "i", "a=b"]
        )
        #expect(
            try cells(
                "services",
                [
                    "spec": [
                        "type": "NodePort", "clusterIP": "10.1.1.1", "selector": ["a": "b"],
                        "ports": [["port": 80, "nodePort": 30080, "protocol": "TCP"]],
                    ]
                ]
            ) == ["x", "NodePort", "10.1.1.1", "<none>", "80:30080/TCP", "10m", "a=b"]
        )
        #expect(
            try cells(
                "nodes",
                [
                    "spec": ["unschedulable": true],
                    "status": [
                        "conditions": [["type": "Ready", "status": "True"]], "nodeInfo": ["kubeletVersion": "v1.36.0"],
                        "addresses": [["type": "InternalIP", "address": "10.0.0.2"]],
                    ],
                ]
            ).prefix(6) == ["x", "Ready,SchedulingDisabled", "<none>", "10m", "v1.36.0", "10.0.0.2"]
        )
        #expect(
            try cells(
                "jobs",
                [
                    "spec": ["completions": 2, "template": template],
                    "status": [
                        "succeeded": 2, "startTime": "2024-05-01T10:00:00Z", "completionTime": "2024-05-01T10:00:30Z",
                        "conditions": [["type": "Complete", "status": "True"]],
                    ],
                ]
            ).prefix(5) == ["x", "Complete", "2/2", "30s", "10m"]
        )
    }

    @Test("Custom columns by JSONPath, with filters and ages")
    func custom() throws {
        var kind = Kind(
            type: ResourceType(group: "e.com", version: "v1", plural: "es", kind: "E"),
            verbs: ["list"],
            schema: Schema.preservingAll(hasSeparateStatus: false)
        )
        kind.isCustom = true
        kind.columns = [
            Kind.Column(name: "Name"), Kind.Column(name: "N", type: "integer", jsonPath: ".spec.n"),
            Kind.Column(name: "Ready", jsonPath: #".status.conditions[?(@.type=="Ready")].status"#),
            Kind.Column(name: "All", jsonPath: ".spec.list[*].v"),
            Kind.Column(name: "Key", jsonPath: #".spec.map['a.b/c']"#),
            Kind.Column(name: "Escaped", jsonPath: #".spec.map.a\.b/c"#),
            Kind.Column(name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp"),
            Kind.Column(name: "None", jsonPath: ".spec.absent"),
        ]
        let object = KubeObject([
            "metadata": ["name": "e", "creationTimestamp": "2024-05-01T10:00:00Z"],
            "spec": ["n": 3, "list": [["v": 1], ["v": 2]], "map": ["a.b/c": "key"]],
            "status": ["conditions": [["type": "Other", "status": "x"], ["type": "Ready", "status": "True"]]],
        ])
        let result = table(for: kind, items: [object], resourceVersion: "7", includeObject: .none, now: now)
        #expect(result["rows"] == [["cells": ["e", 3, "True", "1 2", "key", "key", "10m", .null]]])
        #expect(result["metadata"] == ["resourceVersion": "7"])
        let later = table(for: kind, items: [object], includeColumns: false, now: now)
        #expect(later["columnDefinitions"] == [])
        #expect(later["rows"]?[0]?["object"]?["kind"] == "PartialObjectMetadata")
    }
}
