internal import KubeCore

/// Pods and their companions as a Volcano Job wants them; pure.
enum JobPods {
    /// The pod `index` of `task`, with everything that the job's plugins add.
    static func pod(_ job: VolcanoJob, _ task: VolcanoJob.Task, _ index: Int) -> KubeObject {
        let name = job.podName(task, index)
        let namespace = job.object.namespace ?? ""
        let marks: [String: String] = [
            VolcanoNames.jobName: job.object.name, VolcanoNames.jobNamespace: namespace,
            VolcanoNames.queueName: job.queue, VolcanoNames.taskSpec: task.name,
            VolcanoNames.taskIndex: String(index),
        ]
        var annotations = task.template["metadata"]?["annotations"]?.stringMap ?? [:]
        annotations.merge(marks) { _, new in new }
        annotations[VolcanoNames.groupAnnotation] = job.groupName
        annotations[VolcanoNames.jobVersion] = String(job.version)
        annotations[VolcanoNames.jobRetryCount] = String(job.retryCount)
        var labels = task.template["metadata"]?["labels"]?.stringMap ?? [:]
        labels.merge(marks) { _, new in new }
        var pod = KubeObject(.pods, namespace: namespace, name: name, labels: labels, annotations: annotations)
        pod.ownerReferences = [reference(job)]
        var spec = task.template["spec"] ?? .object([:])
        if (spec["schedulerName"]?.stringValue ?? "").isEmpty { spec["schedulerName"] = .string(job.schedulerName) }
        if (spec["priorityClassName"]?.stringValue ?? "").isEmpty, !job.priorityClassName.isEmpty {
            spec["priorityClassName"] = .string(job.priorityClassName)
        }
        if spec["hostNetwork"]?.boolValue == true, (spec["dnsPolicy"]?.stringValue ?? "").isEmpty {
            spec["dnsPolicy"] = "ClusterFirstWithHostNet"
        }
        if (spec["restartPolicy"]?.stringValue ?? "").isEmpty { spec["restartPolicy"] = "OnFailure" }
        addVolumes(job, to: &spec)
        pod["spec"] = spec
        JobPlugins.apply(job, task, index, to: &pod)
        return pod
    }

    /// Volcano's objects carry no `kind` in a decoded list item of some clients: the reference names it itself.
    static func reference(_ job: VolcanoJob) -> OwnerReference {
        OwnerReference(
            apiVersion: VolcanoNames.jobs.apiVersion,
            kind: VolcanoNames.jobs.kind,
            name: job.object.name,
            uid: job.object.uid,
            isController: true,
            blockOwnerDeletion: true
        )
    }

    private static func addVolumes(_ job: VolcanoJob, to spec: inout JSON) {
        guard !job.volumes.isEmpty else { return }
        var volumes = spec["volumes"]?.arrayValue ?? []
        var mounts: [JSON] = []
        for (index, volume) in job.volumes.enumerated() {
            let name = "volcano-volume-\(index)"
            let claim = volume.claimName.isEmpty ? claimName(job, index) : volume.claimName
            volumes.append(["name": .string(name), "persistentVolumeClaim": ["claimName": .string(claim)]])
            mounts.append(["name": .string(name), "mountPath": .string(volume.mountPath)])
        }
        spec["volumes"] = .array(volumes)
        JobPlugins.changeContainers(&spec, initToo: true) { container in
            container["volumeMounts"] = .array((container["volumeMounts"]?.arrayValue ?? []) + mounts)
        }
    }

    static func claimName(_ job: VolcanoJob, _ index: Int) -> String { "\(job.object.name)-volume-\(index)" }

    /// Claims that the job's volumes describe in full.
    static func claims(_ job: VolcanoJob) -> [KubeObject] {
        job.volumes.enumerated().compactMap { index, volume in
            guard volume.claimName.isEmpty, let spec = volume.claim else { return nil }
            var claim = KubeObject(
                .persistentVolumeClaims,
                namespace: job.object.namespace,
                name: claimName(job, index),
                labels: [VolcanoNames.jobName: job.object.name],
                body: ["spec": spec]
            )
            claim.ownerReferences = [reference(job)]
            return claim
        }
    }

    /// The PodGroup; `present` keeps what others wrote to it.
    static func podGroup(_ job: VolcanoJob, over present: KubeObject? = nil) -> KubeObject {
        var group =
            present
            ?? KubeObject(
                VolcanoNames.podGroups,
                namespace: job.object.namespace,
                name: job.groupName,
                labels: job.object.labels.merging([VolcanoNames.jobName: job.object.name]) { _, new in new },
                annotations: job.object.annotations.filter {
                    $0.key != "kubectl.kubernetes.io/last-applied-configuration"
                }
            )
        group.ownerReferences = [reference(job)]
        var minimums: [String: JSON] = [:]
        for task in job.tasks { minimums[task.name] = JSON(task.minAvailable) }
        var spec: [String: JSON] = group["spec"]?.objectValue ?? [:]
        spec["minMember"] = JSON(job.minAvailable)
        spec["minTaskMember"] = .object(minimums)
        spec["queue"] = .string(job.queue)
        spec["minResources"] = job.minResources.json
        spec["priorityClassName"] = job.priorityClassName.isEmpty ? nil : .string(job.priorityClassName)
        spec["networkTopology"] = job.object["spec", "networkTopology"]
        group["spec"] = .object(spec)
        return group
    }
}
