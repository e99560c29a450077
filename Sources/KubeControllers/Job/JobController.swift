internal import KubeCore
internal import KubeRuntime

/// Runs Jobs to completion.
struct JobController: Sendable {
    let context: ControllerContext
    let expectations = Expectations()

    func makeController() -> Controller {
        let controller = Controller(name: "job", workers: 4, logger: context.logger, reconcile: reconcile)
        let informers = context.informers
        controller.watch(informers.jobs)
        controller.watch(informers.pods) { event in
            var keys: [ObjectKey] = []
            if let owner = event.object.controllerReference, owner.kind == "Job", owner.apiVersion == "batch/v1" {
                keys.append(ObjectKey(namespace: event.object.namespace, name: owner.name))
            }
            return keys
        }
        return controller
    }

    @Sendable func reconcile(_ key: ObjectKey) async throws -> ReconcileOutcome {
        let informers = context.informers
        guard let job = informers.jobs.get(key) else {
            expectations.forget(key)
            try await releaseOrphans(of: key)
            return .settled
        }
        let managedBy = job["spec", "managedBy"]?.stringValue ?? "kubernetes.io/job-controller"
        guard managedBy == "kubernetes.io/job-controller" else { return .settled }
        if let rest = try await expire(job) { return rest }
        guard expectations.areMet(for: key, in: informers.pods.store) else {
            return .recheck(after: .milliseconds(500))
        }
        let selector = try LabelSelector(job["spec", "selector"])
        let pods = try await context.claim(
            .pods,
            ownerType: .jobs,
            owner: job,
            selector: selector,
            owned: informers.pods.owned(by: job),
            orphans: informers.pods.orphans(in: key.namespace)
        )
        let plan = JobPlan(job: job, pods: pods, now: context.now())
        try await context.writeStatus(.jobs, of: job, plan.status)
        if let event = plan.event {
            await context.events.record(
                event.isWarning ? .warning : .normal,
                reason: event.reason,
                event.message,
                about: job
            )
        }
        if let error = await carryOut(plan, job) {
            if let error = error as? APIError, error.isNamespaceTerminating { return .settled }
            throw error
        }
        var waits: [Double] = []
        if let recheck = plan.recheck { waits.append(recheck) }
        if JobFacts(KubeObject(["status": plan.status])).finishedCondition != nil, let ttl = JobFacts(job).timeToLive {
            waits.append(Double(ttl))
        }
        return waits.min().map { .recheck(after: .milliseconds(Int($0 * 1000) + 50)) } ?? .settled
    }

    private func carryOut(_ plan: JobPlan, _ job: KubeObject) async -> (any Error)? {
        let release = await slowStart(plan.release.count) { [self] index in
            try await self.release(plan.release[index])
        }
        let deletion = await slowStart(plan.delete.count) { [self] index in
            let pod = plan.delete[index]
            expectations.expectDeletion(of: pod, by: job.key)
            // Without the finalizer first it would count as failed: here the Job itself lets it go.
            try await self.release(pod)
            try await context.api.deleteIfPresent(.pods, pod.key, options: DeleteOptions(preconditionUID: pod.uid))
            await context.events.record(
                .normal,
                reason: "SuccessfulDelete",
                "Deleted pod: \(pod.name)",
                about: job
            )
        }
        let creation = await slowStart(plan.create.count) { [self] index in
            do {
                let created = try await context.api.create(.pods, Self.pod(job, index: plan.create[index]))
                expectations.expectCreation(of: created, by: job.key)
                await context.events.record(
                    .normal,
                    reason: "SuccessfulCreate",
                    "Created pod: \(created.name)",
                    about: job
                )
            } catch {
                await context.events.record(
                    .warning,
                    reason: "FailedCreate",
                    "Error creating: \(error)",
                    about: job
                )
                throw error
            }
        }
        return release.error ?? deletion.error ?? creation.error
    }

    static func pod(_ job: KubeObject, index: Int?) -> KubeObject {
        var labels: [String: String] = [:]
        var annotations: [String: String] = [:]
        if let index {
            labels[JobNames.index] = String(index)
            annotations[JobNames.index] = String(index)
        }
        var pod = PodTemplate.pod(
            from: job["spec", "template"],
            owner: job,
            labels: labels,
            annotations: annotations
        )
        pod.finalizers.append(JobNames.finalizer)
        guard let index else { return pod }
        pod["metadata", "generateName"] = .string(PodTemplate.generateName("\(job.name)-\(index)"))
        if (pod["spec", "hostname"]?.stringValue ?? "").isEmpty {
            pod["spec", "hostname"] = .string("\(job.name)-\(index)")
        }
        let field: JSON = ["fieldRef": ["fieldPath": .string("metadata.annotations['\(JobNames.index)']")]]
        let variable: JSON = ["name": "JOB_COMPLETION_INDEX", "valueFrom": field]
        for list in ["containers", "initContainers"] {
            guard var containers = pod["spec"]?[list]?.arrayValue else { continue }
            for position in containers.indices {
                let env = containers[position]["env"]?.arrayValue ?? []
                guard !env.contains(where: { $0["name"]?.stringValue == "JOB_COMPLETION_INDEX" }) else { continue }
                containers[position]["env"] = .array(env + [variable])
            }
            pod["spec", list] = .array(containers)
        }
        return pod
    }

    private func release(_ pod: KubeObject) async throws {
        guard pod.finalizers.contains(JobNames.finalizer) else { return }
        let metadata: JSON = [
            "uid": .string(pod.uid),
            "$deleteFromPrimitiveList/finalizers": .array([.string(JobNames.finalizer)]),
        ]
        do {
            try await context.api.patch(.pods, pod.key, .strategic(["metadata": metadata]))
        } catch let error as APIError where error.isNotFound {
            return
        }
    }

    /// Pods of a Job that is gone must not be held by its finalizer.
    private func releaseOrphans(of key: ObjectKey) async throws {
        let pods = context.informers.pods.indexed(namespace: key.namespace).filter { pod in
            pod.finalizers.contains(JobNames.finalizer)
                && (pod.labels[JobNames.jobName] ?? pod.labels[JobNames.legacyJobName]) == key.name
        }
        for pod in pods { try await release(pod) }
    }

    /// Deletes a finished Job whose time to live is over; nil when the Job is to be looked at.
    private func expire(_ job: KubeObject) async throws -> ReconcileOutcome? {
        let facts = JobFacts(job)
        guard let ttl = facts.timeToLive, !job.isTerminating, let condition = facts.finishedCondition,
            let end = condition["lastTransitionTime"]?.stringValue.flatMap({ Timestamp.seconds($0) })
        else { return nil }
        guard end + Double(ttl) <= context.now() else { return nil }
        try await context.api.deleteIfPresent(
            .jobs,
            job.key,
            options: DeleteOptions(propagation: .foreground, preconditionUID: job.uid)
        )
        return .settled
    }
}
