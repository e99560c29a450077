package import KubeCore

/// Our own resources, group `amlarc.azureml.com`.
package enum MLResources {
    package static let group = "amlarc.azureml.com"

    package static let amlJobs = ResourceType(group: group, version: "v1alpha1", plural: "amljobs", kind: "AmlJob")
    package static let instanceTypes = ResourceType(
        group: group,
        version: "v1alpha1",
        plural: "instancetypes",
        kind: "InstanceType",
        isNamespaced: false
    )
    package static let onlineEndpoints = ResourceType(
        group: group,
        version: "v1alpha1",
        plural: "onlineendpoints",
        kind: "OnlineEndpoint"
    )
    package static let onlineDeployments = ResourceType(
        group: group,
        version: "v1alpha1",
        plural: "onlinedeployments",
        kind: "OnlineDeployment"
    )

    /// `batch.volcano.sh/v1alpha1` Job, which the training operator writes.
    package static let volcanoJobs = ResourceType(
        group: "batch.volcano.sh",
        version: "v1alpha1",
        plural: "jobs",
        kind: "Job"
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

/// Labels and annotations that the parts of the system agree on.
package enum MLLabels {
    package static let compute = "ml.azure.com/compute"
    package static let deployment = "ml.azure.com/deployment"
    package static let endpoint = "ml.azure.com/endpoint"
    package static let resourceGroup = "ml.azure.com/resource-group"
    package static let runID = "ml.azure.com/run-id"
    package static let subscription = "ml.azure.com/subscription-id"
    package static let workspace = "ml.azure.com/workspace"
    package static let managedBy = "ml.azure.com/managed-by"
    package static let system = "ml.azure.com/amlarc-system"
    /// Pod annotation of the node agent: which image was really used, when it is not the one asked for.
    package static let imageSubstitution = "outrigger.ml/mapped-images"
    package static let unmanaged = "outrigger.ml/unmanaged"
}

extension MLLabels {
    /// One sentence for every image that a node replaced in these pods.
    package static func imageNotes(_ pods: [KubeObject]) -> [String] {
        let images = Set(
            pods.flatMap { ($0.annotations[imageSubstitution] ?? "").split(separator: ",").map(String.init) }
        )
        return images.sorted().map {
            "image \($0) is not on the node: the node's own root file system stood in for it"
        }
    }
}
