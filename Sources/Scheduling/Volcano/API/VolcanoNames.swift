package import KubeCore

/// Labels, annotations and kinds of Volcano that other parts rely on.
package enum VolcanoNames {
    package static let schedulerName = "volcano"
    package static let defaultQueue = "default"
    /// Annotation of a pod: its PodGroup.
    package static let groupAnnotation = "scheduling.k8s.io/group-name"
    package static let queueAnnotation = "scheduling.volcano.sh/queue-name"
    package static let jobName = "volcano.sh/job-name"
    package static let jobNamespace = "volcano.sh/job-namespace"
    package static let jobVersion = "volcano.sh/job-version"
    package static let jobRetryCount = "volcano.sh/job-retry-count"
    package static let queueName = "volcano.sh/queue-name"
    package static let taskSpec = "volcano.sh/task-spec"
    package static let taskIndex = "volcano.sh/task-index"
    package static let template = "volcano.sh/template-uid"

    package static let jobs = ResourceType(
        group: "batch.volcano.sh",
        version: "v1alpha1",
        plural: "jobs",
        kind: "Job"
    )
    package static let commands = ResourceType(
        group: "bus.volcano.sh",
        version: "v1alpha1",
        plural: "commands",
        kind: "Command"
    )
    package static let podGroups = ResourceType(
        group: "scheduling.volcano.sh",
        version: "v1beta1",
        plural: "podgroups",
        kind: "PodGroup"
    )
    package static let queues = ResourceType(
        group: "scheduling.volcano.sh",
        version: "v1beta1",
        plural: "queues",
        kind: "Queue",
        isNamespaced: false
    )
}
