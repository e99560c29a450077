package import KubeCore
internal import KubeRuntime
package import Logging
package import ServiceLifecycle

/// Volcano's job and queue controllers, through the API only.
package struct VolcanoControllers: Sendable {
    package let services: [any Service]

    package init(api: any ResourceAPI, logger: Logger) {
        func informer(_ type: ResourceType, labels: String? = nil) -> Informer {
            Informer(api: api, type: type, labelSelector: labels, logger: logger)
        }
        let jobs = informer(VolcanoNames.jobs)
        let pods = informer(.pods, labels: VolcanoNames.jobName)
        let groups = informer(VolcanoNames.podGroups)
        let queues = informer(VolcanoNames.queues)
        let commands = informer(VolcanoNames.commands)
        let jobController = VolcanoJobController(
            api: api,
            logger: logger,
            jobs: jobs,
            pods: pods,
            groups: groups,
            queues: queues,
            commands: commands
        )
        let queueController = VolcanoQueueController(
            api: api,
            logger: logger,
            queues: queues,
            groups: groups,
            commands: commands
        )
        let queueLoop = queueController.makeController()
        // Jobs without a queue need it, so it is looked at once also when no event names it.
        queueLoop.queue.add(ObjectKey(name: VolcanoNames.defaultQueue))
        services = [
            ControllerManager(
                informers: [jobs, pods, groups, queues, commands],
                controllers: [jobController.makeController(), queueLoop]
            )
        ]
    }
}
