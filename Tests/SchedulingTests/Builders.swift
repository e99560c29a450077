import KubeCore

@testable import Scheduling

func testPod(
    _ name: String,
    namespace: String = "default",
    cpu: String? = nil,
    requests: [String: String] = [:],
    node: String? = nil,
    group: String? = nil,
    task: String? = nil,
    labels: [String: String] = [:],
    phase: String? = nil,
    scheduler: String = "default-scheduler",
    priority: Int? = nil,
    spec more: [String: JSON] = [:]
) -> KubeObject {
    var amounts = requests
    if let cpu { amounts["cpu"] = cpu }
    let container: JSON = [
        "name": "main", "image": "busybox", "resources": ["requests": JSON(amounts)],
    ]
    var spec: [String: JSON] = ["containers": [container], "schedulerName": .string(scheduler)]
    spec["nodeName"] = node.map(JSON.string)
    spec["priority"] = priority.map { JSON($0) }
    spec.merge(more) { _, new in new }
    var annotations: [String: String] = [:]
    annotations[VolcanoNames.groupAnnotation] = group
    annotations[VolcanoNames.taskSpec] = task
    var pod = KubeObject(
        .pods,
        namespace: namespace,
        name: name,
        labels: labels,
        annotations: annotations,
        body: ["spec": .object(spec)]
    )
    pod["metadata", "uid"] = .string("uid-\(namespace)-\(name)")
    pod["metadata", "creationTimestamp"] = "2024-05-01T10:00:00Z"
    if let phase { pod["status", "phase"] = .string(phase) }
    return pod
}

func testNode(
    _ name: String,
    cpu: String = "4",
    memory: String = "8Gi",
    extended: [String: String] = [:],
    labels: [String: String] = [:],
    taints: [JSON] = [],
    isUnschedulable: Bool = false
) -> KubeObject {
    var amounts: [String: String] = ["cpu": cpu, "memory": memory, "pods": "110"]
    amounts.merge(extended) { _, new in new }
    var all = labels
    all["kubernetes.io/hostname"] = name
    var spec: [String: JSON] = [:]
    if !taints.isEmpty { spec["taints"] = .array(taints) }
    if isUnschedulable { spec["unschedulable"] = true }
    return KubeObject(
        .nodes,
        name: name,
        labels: all,
        body: ["spec": .object(spec), "status": ["allocatable": JSON(amounts), "capacity": JSON(amounts)]]
    )
}

func testGroup(
    _ name: String,
    minMember: Int,
    namespace: String = "default",
    queue: String = "default",
    phase: String = "Inqueue",
    minResources: [String: String] = [:],
    created: String = "2024-05-01T10:00:00Z"
) -> KubeObject {
    let spec: JSON = [
        "minMember": JSON(minMember), "queue": .string(queue), "minResources": JSON(minResources),
    ]
    var group = KubeObject(
        VolcanoNames.podGroups,
        namespace: namespace,
        name: name,
        body: ["spec": spec, "status": ["phase": .string(phase)]]
    )
    group["metadata", "uid"] = .string("uid-group-\(name)")
    group["metadata", "creationTimestamp"] = .string(created)
    return group
}

func testQueue(
    _ name: String,
    weight: Int = 1,
    capability: [String: String] = [:],
    state: String = "Open"
) -> KubeObject {
    var spec: [String: JSON] = ["weight": JSON(weight)]
    if !capability.isEmpty { spec["capability"] = JSON(capability) }
    return KubeObject(
        VolcanoNames.queues,
        name: name,
        body: ["spec": .object(spec), "status": ["state": .string(state)]]
    )
}

func testJob(
    _ name: String = "train",
    tasks: [JSON],
    minAvailable: Int? = nil,
    policies: [JSON] = [],
    plugins: [String: JSON] = [:],
    status: JSON? = nil,
    more: [String: JSON] = [:]
) -> KubeObject {
    var spec: [String: JSON] = ["tasks": .array(tasks), "schedulerName": "volcano"]
    spec["minAvailable"] = minAvailable.map { JSON($0) }
    if !policies.isEmpty { spec["policies"] = .array(policies) }
    if !plugins.isEmpty { spec["plugins"] = .object(plugins) }
    spec.merge(more) { _, new in new }
    var job = KubeObject(VolcanoNames.jobs, namespace: "default", name: name, body: ["spec": .object(spec)])
    job["metadata", "uid"] = .string("uid-job-\(name)")
    job["metadata", "creationTimestamp"] = "2024-05-01T10:00:00Z"
    if let status { job["status"] = status }
    return job
}

func testTask(_ name: String, _ replicas: Int, cpu: String = "1", more: [String: JSON] = [:]) -> JSON {
    let container: JSON = ["name": "main", "image": "busybox", "resources": ["requests": ["cpu": .string(cpu)]]]
    var task: [String: JSON] = [
        "name": .string(name), "replicas": JSON(replicas), "template": ["spec": ["containers": [container]]],
    ]
    task.merge(more) { _, new in new }
    return .object(task)
}
