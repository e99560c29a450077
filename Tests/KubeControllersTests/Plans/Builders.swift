import KubeCore

@testable import KubeControllers

let testNow = 1_714_557_700.0

func owned(_ object: KubeObject, uid: String? = nil, created: String = "2024-05-01T10:00:00Z") -> KubeObject {
    var object = object
    object["metadata", "uid"] = .string(uid ?? "uid-\(object.name)")
    object["metadata", "creationTimestamp"] = .string(created)
    object["metadata", "generation"] = 1
    return object
}

func workload(
    _ type: ResourceType,
    _ name: String,
    replicas: Int? = nil,
    image: String = "v1",
    labels: [String: String] = ["app": "a"],
    more: [String: JSON] = [:]
) -> KubeObject {
    let template: JSON = [
        "metadata": ["labels": JSON(labels)], "spec": ["containers": [["name": "main", "image": .string(image)]]],
    ]
    var spec: [String: JSON] = ["selector": ["matchLabels": JSON(labels)], "template": template]
    spec["replicas"] = replicas.map { JSON($0) }
    spec.merge(more) { _, new in new }
    return owned(KubeObject(type, namespace: "default", name: name, body: ["spec": .object(spec)]))
}

func runningPod(
    _ name: String,
    labels: [String: String] = ["app": "a"],
    node: String? = "n1",
    phase: String = "Running",
    isReady: Bool = true,
    isTerminating: Bool = false,
    created: String = "2024-05-01T10:00:00Z",
    ip: String? = "10.0.0.1"
) -> KubeObject {
    var spec: [String: JSON] = ["containers": [["name": "main", "image": "v1"]]]
    spec["nodeName"] = node.map(JSON.string)
    var status: [String: JSON] = ["phase": .string(phase)]
    status["podIP"] = ip.map(JSON.string)
    status["conditions"] = [
        ["type": "Ready", "status": isReady ? "True" : "False", "lastTransitionTime": "2024-05-01T10:00:00Z"]
    ]
    var pod = owned(
        KubeObject(
            .pods,
            namespace: "default",
            name: name,
            labels: labels,
            body: ["spec": .object(spec), "status": .object(status)]
        ),
        created: created
    )
    if isTerminating { pod["metadata", "deletionTimestamp"] = "2024-05-01T10:05:00Z" }
    return pod
}
