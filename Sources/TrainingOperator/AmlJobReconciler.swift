package import KubeCore
internal import KubeRuntime
package import Logging
package import MLTypes
internal import Foundation
package import ServiceLifecycle

/// The training operator: turns every `AmlJob` into a Volcano Job and reports what becomes of it.
///
/// Level-triggered and without state of its own: each pass reads the job, its Volcano Job and pods, and writes what is missing.
package struct TrainingOperator: Sendable {
    package let services: [any Service]

    package init(
        api: any ResourceAPI,
        cluster: DeliveryPlan.Cluster,
        placement: WorkloadPlacement = WorkloadPlacement(),
        logger: Logger
    ) {
        let jobs = Informer(api: api, type: MLResources.amlJobs, logger: logger)
        let instanceTypes = Informer(api: api, type: MLResources.instanceTypes, logger: logger)
        let volcanoJobs = Informer(
            api: api,
            type: MLResources.volcanoJobs,
            labelSelector: MLLabels.runID,
            logger: logger
        )
        let podGroups = Informer(api: api, type: MLResources.podGroups, logger: logger)
        let pods = Informer(api: api, type: .pods, labelSelector: MLLabels.runID, logger: logger)
        pods.addIndex(AmlJobReconciler.podsByJob) { [AmlJobReconciler.jobIndexValue($0)] }
        podGroups.addIndex(AmlJobReconciler.groupsByOwner) { $0.ownerReferences.map(\.uid) }

        let reconciler = AmlJobReconciler(
            api: api,
            cluster: cluster,
            placement: placement,
            jobs: jobs,
            instanceTypes: instanceTypes,
            volcanoJobs: volcanoJobs,
            podGroups: podGroups,
            pods: pods,
            events: EventRecorder(api: api, component: "aml-operator", logger: logger)
        )
        let controller = Controller(name: "amljob", logger: logger) { try await reconciler.reconcile($0) }
        controller.watch(jobs)
        controller.watch(volcanoJobs, ownedBy: "AmlJob")
        controller.watch(pods) { event in
            guard let name = event.object.labels["volcano.sh/job-name"] else { return [] }
            return [ObjectKey(namespace: event.object.namespace, name: name)]
        }
        controller.watch(podGroups) { event in
            event.object.ownerReferences.filter { $0.kind == "Job" }
                .map { ObjectKey(namespace: event.object.namespace, name: $0.name) }
        }
        services = [
            ControllerManager(
                informers: [jobs, instanceTypes, volcanoJobs, podGroups, pods],
                controllers: [controller]
            )
        ]
    }
}

/// One pass over one `AmlJob`.
struct AmlJobReconciler: Sendable {
    static let podsByJob = "job"
    static let groupsByOwner = "owner"

    let api: any ResourceAPI
    let cluster: DeliveryPlan.Cluster
    let placement: WorkloadPlacement
    let jobs: Informer
    let instanceTypes: Informer
    let volcanoJobs: Informer
    let podGroups: Informer
    let pods: Informer
    let events: EventRecorder

    static func jobIndexValue(_ pod: KubeObject) -> String {
        (pod.namespace ?? "") + "/" + (pod.labels["volcano.sh/job-name"] ?? "")
    }

    func reconcile(_ key: ObjectKey) async throws -> ReconcileOutcome {
        // Children carry an owner reference, so a deleted job needs no work here.
        guard let job = jobs.get(key), !job.isTerminating else { return .settled }
        let present: AmlJobStatus? = try job["status"]?.decode()
        if let present, present.phase.isTerminal { return .settled }
        let spec: AmlJobSpec
        do {
            spec = try (job["spec"] ?? .null).decode()
        } catch {
            return try await fail(job, reason: "InvalidJob", message: "spec cannot be read: \(error)")
        }

        if spec.isCancelRequested == true {
            let wasPresent = try await api.deleteIfPresent(
                MLResources.volcanoJobs,
                key,
                options: DeleteOptions(propagation: .foreground)
            )
            // The informer may not know yet what was made a moment ago; canceled is final, so it waits for the last pod.
            if wasPresent, volcanoJobs.get(key) == nil { return .recheck(after: .seconds(1)) }
        } else if volcanoJobs.get(key) == nil {
            do {
                let plan = try JobPlan(
                    job: job,
                    spec: spec,
                    instanceTypes: instanceTypes.list(),
                    cluster: cluster,
                    placement: placement
                )
                try await api.apply(.configMaps, plan.configMap, fieldManager: JobPlan.fieldManager)
                try await api.apply(MLResources.volcanoJobs, plan.volcanoJob, fieldManager: JobPlan.fieldManager)
            } catch let error as InstanceTypeError {
                return try await fail(job, reason: "InvalidInstanceType", message: error.description)
            } catch let error as ExpressionError {
                return try await fail(job, reason: "InvalidCommand", message: "command: \(error)")
            } catch let error as APIError where error.reason == .invalid {
                return try await fail(job, reason: "InvalidJob", message: error.message)
            } catch let error as APIError where (400..<500).contains(error.code) && !error.isConflict {
                // Tried again, for this may be mended from outside: a CRD, a namespace, a permission or a quota is missing.
                var status = AmlJobStatus(phase: .queued, reason: "SubmitFailed", message: error.message)
                status.observedGeneration = job.generation
                if status != present { try await write(status, on: job, previous: present) }
                throw error
            }
        }

        let volcanoJob = volcanoJobs.get(key)
        let group = volcanoJob.flatMap { podGroups.list(index: Self.groupsByOwner, value: $0.uid).first }
        let status = JobStatusPlan(
            job: job,
            spec: spec,
            volcanoJob: volcanoJob,
            podGroup: group,
            pods: pods.list(index: Self.podsByJob, value: (key.namespace ?? "") + "/" + key.name),
            now: Date.now.formatted(.iso8601)
        ).status(present: present)
        if status != present { try await write(status, on: job, previous: present) }
        return .settled
    }

    private func fail(_ job: KubeObject, reason: String, message: String) async throws -> ReconcileOutcome {
        let status = AmlJobStatus(
            phase: .failed,
            reason: reason,
            message: message,
            endTime: Date.now.formatted(.iso8601),
            observedGeneration: job.generation
        )
        try await write(status, on: job, previous: nil)
        return .settled
    }

    private func write(_ status: AmlJobStatus, on job: KubeObject, previous: AmlJobStatus?) async throws {
        var object = job
        object["status"] = try JSON(encoding: status)
        do {
            try await api.updateStatus(MLResources.amlJobs, object)
        } catch let error as APIError where error.isNotFound {
            return
        }
        guard status.phase != previous?.phase else { return }
        await events.record(
            status.phase == .failed ? .warning : .normal,
            reason: status.reason ?? status.phase.rawValue,
            status.message ?? "the job is \(status.phase.rawValue)",
            about: job
        )
    }
}
