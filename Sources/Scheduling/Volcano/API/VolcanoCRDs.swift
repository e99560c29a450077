package import KubeCore

/// The custom resource definitions of the part of Volcano's API that is served here.
///
/// Structural schemas; pod templates and other large parts are kept as they come. Source: the field names and defaults of the
/// Volcano API (batch.volcano.sh/v1alpha1, bus.volcano.sh/v1alpha1, scheduling.volcano.sh/v1beta1).
package enum VolcanoCRDs {
    /// In the order in which to create them.
    package static let all: [KubeObject] = [queue, podGroup, job, command]

    package static var job: KubeObject {
        definition(
            of: VolcanoNames.jobs,
            singular: "job",
            listKind: "JobList",
            shortNames: ["vcjob", "vj"],
            schema: jobSchema,
            columns: [
                column("STATUS", "string", ".status.state.phase"),
                column("minAvailable", "integer", ".status.minAvailable"),
                column("RUNNINGS", "integer", ".status.running"),
                column("AGE", "date", ".metadata.creationTimestamp"),
                column("QUEUE", "string", ".spec.queue", priority: 1),
            ]
        )
    }

    package static var command: KubeObject {
        let schema = object([
            "action": string("What to do: AbortJob, ResumeJob, OpenQueue, CloseQueue, …"),
            "target": object(
                [
                    "apiVersion": string(), "kind": string(), "name": string(), "uid": string(),
                    "controller": boolean(), "blockOwnerDeletion": boolean(),
                ],
                "The object that the command is for."
            ),
            "reason": string("A short word for why it was given."), "message": string("A sentence for people."),
        ])
        return definition(
            of: VolcanoNames.commands,
            singular: "command",
            listKind: "CommandList",
            shortNames: [],
            schema: schema,
            columns: [],
            hasStatus: false
        )
    }

    package static var podGroup: KubeObject {
        let spec = object(
            [
                "minMember": integer("Pods that must fit together before any is placed.", minimum: 0),
                "minTaskMember": map(integer(), "The same for each task."),
                "queue": string("The queue; `default` when empty.", defaultValue: "default"),
                "priorityClassName": string("Class whose value orders groups of a queue."),
                "minResources": map(quantity, "What the smallest useful part of the group needs."),
                "networkTopology": open(), "subGroupPolicy": openList(),
            ],
            "What is wanted."
        )
        let status = object([
            "phase": string("Pending, Inqueue, Running, Unknown or Completed."), "conditions": openList(),
            "running": integer(), "succeeded": integer(), "failed": integer(),
        ])
        return definition(
            of: VolcanoNames.podGroups,
            singular: "podgroup",
            listKind: "PodGroupList",
            shortNames: ["pg", "podgroup-v1beta1"],
            schema: object(["spec": spec, "status": status]),
            columns: [
                column("STATUS", "string", ".status.phase"), column("minMember", "integer", ".spec.minMember"),
                column("RUNNINGS", "integer", ".status.running"), column("AGE", "date", ".metadata.creationTimestamp"),
                column("QUEUE", "string", ".spec.queue", priority: 1),
            ]
        )
    }

    package static var queue: KubeObject {
        let spec = object(
            [
                "weight": integer("Share of the cluster against other queues.", minimum: 1, defaultValue: 1),
                "capability": map(quantity, "The most that the queue may hold."),
                "deserved": map(quantity, "What the queue may hold when others want more too."),
                "guarantee": object(["resource": map(quantity)], "What is kept for the queue."),
                "reclaimable": boolean("Others may take what it holds above its share.", defaultValue: true),
                "parent": string("The queue above it."), "priority": integer("Queues with more go first."),
                "type": string(), "affinity": open(), "extendClusters": openList(),
                "dequeueStrategy": string("fifo or traverse.", values: ["fifo", "traverse"], defaultValue: "traverse"),
            ],
            "What is wanted."
        )
        let status = object([
            "state": string("Open, Closed, Closing or Unknown."), "pending": integer(), "running": integer(),
            "inqueue": integer(), "unknown": integer(), "completed": integer(), "allocated": map(quantity),
            "reservation": open(),
        ])
        return definition(
            of: VolcanoNames.queues,
            singular: "queue",
            listKind: "QueueList",
            shortNames: ["q", "queue-v1beta1"],
            schema: object(["spec": spec, "status": status]),
            columns: [
                column("PARENT", "string", ".spec.parent"), column("STATE", "string", ".status.state"),
                column("WEIGHT", "integer", ".spec.weight"), column("AGE", "date", ".metadata.creationTimestamp"),
            ]
        )
    }
}

extension VolcanoCRDs {
    private static var jobSchema: JSON {
        let policy = object([
            "event": string("One event."), "events": list(string(), "Several events."), "action": string("What to do."),
            "exitCode": integer("An exit code instead of an event; never 0."),
            "timeout": string("How long to wait before acting, such as 30s."),
        ])
        let dependsOn = object(["name": list(string(), "Tasks to wait for."), "iteration": string("any or all.")])
        let task = object(
            [
                "name": string("Part of the pods' names."), "replicas": integer("Number of pods.", minimum: 0),
                "minAvailable": integer("Pods of the task that must fit; all when unset.", minimum: 0),
                "template": open("A pod template."), "policies": list(policy, "What to do on events of this task."),
                "maxRetry": integer(minimum: 0), "dependsOn": dependsOn, "topologyPolicy": string(),
                "partitionPolicy": open(),
            ],
            "Pods of one kind."
        )
        let volume = object([
            "mountPath": string("Where all containers see it."), "volumeClaimName": string("An existing claim."),
            "volumeClaim": open("The spec of a claim to make."),
        ])
        let plugins: JSON = [
            "type": "object", "description": "Plugins by name, each with its arguments.",
            "additionalProperties": ["type": "array", "items": ["type": "string"], "nullable": true],
        ]
        let spec = object(
            [
                "schedulerName": string(), "minAvailable": integer("Pods that must fit together.", minimum: 0),
                "volumes": list(volume), "tasks": list(task, "The kinds of pods of the job."),
                "policies": list(policy, "What to do on events of any task."), "plugins": plugins,
                "runningEstimate": string(), "queue": string("The queue; `default` when empty."),
                "maxRetry": integer("How often the job may start over.", minimum: 0),
                "ttlSecondsAfterFinished": integer("When a finished job is deleted.", minimum: 0),
                "priorityClassName": string(), "minSuccess": integer("Pods that must succeed.", minimum: 1),
                "networkTopology": open(),
            ],
            "What is wanted."
        )
        let state = object(["phase": string(), "reason": string(), "message": string(), "lastTransitionTime": string()])
        let counts: [String] = [
            "pending", "running", "succeeded", "failed", "terminating", "unknown", "version", "retryCount",
            "minAvailable",
        ]
        var status: [String: JSON] = [
            "state": state, "taskStatusCount": open(), "runningDuration": string(),
            "controlledResources": map(string()), "conditions": openList(),
        ]
        for name in counts { status[name] = integer() }
        return object(["spec": spec, "status": object(status)])
    }

    private static func definition(
        of type: ResourceType,
        singular: String,
        listKind: String,
        shortNames: [String],
        schema: JSON,
        columns: [JSON],
        hasStatus: Bool = true
    ) -> KubeObject {
        var root = schema
        for name in ["apiVersion", "kind"] { root[path: "properties", name] = string() }
        root[path: "properties", "metadata"] = ["type": "object"]
        var version: [String: JSON] = [
            "name": .string(type.version), "served": true, "storage": true, "schema": ["openAPIV3Schema": root],
        ]
        if !columns.isEmpty { version["additionalPrinterColumns"] = .array(columns) }
        if hasStatus { version["subresources"] = ["status": [:]] }
        var names: [String: JSON] = [
            "plural": .string(type.plural), "singular": .string(singular), "kind": .string(type.kind),
            "listKind": .string(listKind),
        ]
        if !shortNames.isEmpty { names["shortNames"] = JSON(shortNames) }
        let spec: [String: JSON] = [
            "group": .string(type.group), "names": .object(names),
            "scope": .string(type.isNamespaced ? "Namespaced" : "Cluster"), "versions": .array([.object(version)]),
        ]
        return KubeObject(
            .customResourceDefinitions,
            name: type.groupResource,
            body: ["spec": .object(spec)]
        )
    }

    private static func column(_ name: String, _ type: String, _ path: String, priority: Int = 0) -> JSON {
        var members: [String: JSON] = ["name": .string(name), "type": .string(type), "jsonPath": .string(path)]
        if priority > 0 { members["priority"] = JSON(priority) }
        return .object(members)
    }

    private static func object(_ properties: [String: JSON], _ description: String = "") -> JSON {
        described(["type": "object", "properties": .object(properties)], description)
    }

    private static func open(_ description: String = "") -> JSON {
        described(["type": "object", "x-kubernetes-preserve-unknown-fields": true], description)
    }

    private static func openList() -> JSON { list(open()) }

    private static func list(_ items: JSON, _ description: String = "") -> JSON {
        described(["type": "array", "items": items], description)
    }

    private static func map(_ values: JSON, _ description: String = "") -> JSON {
        described(["type": "object", "additionalProperties": values], description)
    }

    private static func string(
        _ description: String = "",
        values: [String] = [],
        defaultValue: String? = nil
    ) -> JSON {
        var members: [String: JSON] = ["type": "string"]
        if !values.isEmpty { members["enum"] = JSON(values) }
        members["default"] = defaultValue.map(JSON.string)
        return described(members, description)
    }

    private static func integer(_ description: String = "", minimum: Int? = nil, defaultValue: Int? = nil) -> JSON {
        var members: [String: JSON] = ["type": "integer", "format": "int32"]
        members["minimum"] = minimum.map { JSON($0) }
        members["default"] = defaultValue.map { JSON($0) }
        return described(members, description)
    }

    private static func boolean(_ description: String = "", defaultValue: Bool? = nil) -> JSON {
        var members: [String: JSON] = ["type": "boolean"]
        members["default"] = defaultValue.map(JSON.bool)
        return described(members, description)
    }

    private static var quantity: JSON {
        ["anyOf": [["type": "integer"], ["type": "string"]], "x-kubernetes-int-or-string": true]
    }

    private static func described(_ members: [String: JSON], _ description: String) -> JSON {
        var members = members
        if !description.isEmpty { members["description"] = .string(description) }
        return .object(members)
    }
}
