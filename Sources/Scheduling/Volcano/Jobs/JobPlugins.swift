internal import KubeCore

/// What the job plugins add to pods, and the objects they need beside them; pure.
///
/// Source: the behaviour of Volcano's env, svc, pytorch, tensorflow and mpi plugins.
enum JobPlugins {
    static let hostsFolder = "/etc/volcano"

    static func apply(_ job: VolcanoJob, _ task: VolcanoJob.Task, _ index: Int, to pod: inout KubeObject) {
        var spec = pod["spec"] ?? .object([:])
        var variables: [(String, String)] = []
        if job.plugins["env"] != nil { variables += [("VC_TASK_INDEX", "\(index)"), ("VK_TASK_INDEX", "\(index)")] }
        if job.plugins["svc"] != nil {
            addNames(job, task, index, to: &spec)
            variables += hostVariables(job)
        }
        if let arguments = job.plugins["pytorch"] { pytorch(job, task, index, arguments, &spec, &variables) }
        if job.plugins["tensorflow"] != nil { tensorflow(job, task, index, &spec, &variables) }
        if let arguments = job.plugins["mpi"] { mpi(job, task, arguments, &spec, &variables) }
        if !variables.isEmpty {
            changeContainers(&spec, initToo: true) { container in
                var present = container["env"]?.arrayValue ?? []
                let names = Set(present.compactMap { $0["name"]?.stringValue })
                // What the template sets itself wins.
                for (name, value) in variables where !names.contains(name) {
                    present.append(["name": .string(name), "value": .string(value)])
                }
                container["env"] = .array(present)
            }
        }
        pod["spec"] = spec
    }

    static func changeContainers(_ spec: inout JSON, initToo: Bool, _ change: (inout JSON) -> Void) {
        for list in initToo ? ["containers", "initContainers"] : ["containers"] {
            guard var containers = spec[list]?.arrayValue else { continue }
            for index in containers.indices { change(&containers[index]) }
            spec[list] = .array(containers)
        }
    }

    // MARK: svc

    /// The DNS name of a pod, below the job's headless service.
    static func host(_ job: VolcanoJob, _ task: VolcanoJob.Task, _ index: Int) -> String {
        "\(job.podName(task, index)).\(job.object.name)"
    }

    static func hosts(_ job: VolcanoJob, _ task: VolcanoJob.Task) -> [String] {
        (0..<max(task.replicas, 0)).map { host(job, task, $0) }
    }

    private static func addNames(_ job: VolcanoJob, _ task: VolcanoJob.Task, _ index: Int, to spec: inout JSON) {
        if (spec["hostname"]?.stringValue ?? "").isEmpty { spec["hostname"] = .string(job.podName(task, index)) }
        if (spec["subdomain"]?.stringValue ?? "").isEmpty { spec["subdomain"] = .string(job.object.name) }
        let name = hostsName(job)
        let volume: JSON = ["name": .string(name), "configMap": ["name": .string(name), "defaultMode": 420]]
        spec["volumes"] = .array((spec["volumes"]?.arrayValue ?? []) + [volume])
        let mount: JSON = ["name": .string(name), "mountPath": .string(hostsFolder)]
        changeContainers(&spec, initToo: true) { container in
            container["volumeMounts"] = .array((container["volumeMounts"]?.arrayValue ?? []) + [mount])
        }
    }

    private static func variableName(_ task: VolcanoJob.Task) -> String {
        task.name.uppercased().replacing("-", with: "_")
    }

    private static func hostVariables(_ job: VolcanoJob) -> [(String, String)] {
        job.tasks.flatMap { task in
            [
                ("VC_\(variableName(task))_HOSTS", hosts(job, task).joined(separator: ",")),
                ("VC_\(variableName(task))_NUM", "\(task.replicas)"),
            ]
        }
    }

    private static func hostsName(_ job: VolcanoJob) -> String { "\(job.object.name)-svc" }

    /// The ConfigMap and the headless Service of the svc plugin.
    static func companions(_ job: VolcanoJob) -> [(type: ResourceType, object: KubeObject)] {
        guard let arguments = job.plugins["svc"] else { return [] }
        let options = PluginArguments(arguments)
        var data: [String: JSON] = [:]
        for task in job.tasks {
            data["\(task.name).host"] = .string(hosts(job, task).joined(separator: "\n"))
            data["VC_\(variableName(task))_HOSTS"] = .string(hosts(job, task).joined(separator: ","))
            data["VC_\(variableName(task))_NUM"] = .string("\(task.replicas)")
        }
        var map = KubeObject(
            .configMaps,
            namespace: job.object.namespace,
            name: hostsName(job),
            body: ["data": .object(data)]
        )
        let selector: JSON = [
            VolcanoNames.jobName: .string(job.object.name),
            VolcanoNames.jobNamespace: .string(job.object.namespace ?? ""),
        ]
        let publishes = options["publish-not-ready-addresses"] != "false"
        let spec: JSON = [
            "clusterIP": "None", "selector": selector, "publishNotReadyAddresses": .bool(publishes),
            "ports": [["name": "placeholder-volcano", "port": 1, "protocol": "TCP", "targetPort": 1]],
        ]
        var service = KubeObject(
            .services,
            namespace: job.object.namespace,
            name: job.object.name,
            body: ["spec": spec]
        )
        map.ownerReferences = [JobPods.reference(job)]
        service.ownerReferences = [JobPods.reference(job)]
        return [(.configMaps, map), (.services, service)]
    }

    // MARK: distributed training

    private static func pytorch(
        _ job: VolcanoJob,
        _ task: VolcanoJob.Task,
        _ index: Int,
        _ arguments: [String],
        _ spec: inout JSON,
        _ variables: inout [(String, String)]
    ) {
        let options = PluginArguments(arguments)
        let masterName = options["master"] ?? "master"
        let workerName = options["worker"] ?? "worker"
        let port = options["port"].flatMap { Int($0) } ?? 23456
        guard let master = job.task(masterName), task.name == masterName || task.name == workerName else { return }
        let workers = job.task(workerName)?.replicas ?? 0
        // A single pod needs no rendezvous; upstream sets the variables all the same when there are workers.
        guard workers > 0 || master.replicas > 0 else { return }
        openPort(port, named: "pytorchjob-port", in: &spec)
        variables += [
            ("MASTER_ADDR", host(job, master, 0)), ("MASTER_PORT", "\(port)"),
            ("WORLD_SIZE", "\(master.replicas + workers)"),
            ("RANK", "\(task.name == masterName ? index : index + 1)"),
        ]
    }

    private static func tensorflow(
        _ job: VolcanoJob,
        _ task: VolcanoJob.Task,
        _ index: Int,
        _ spec: inout JSON,
        _ variables: inout [(String, String)]
    ) {
        let options = PluginArguments(job.plugins["tensorflow"] ?? [])
        let port = options["port"].flatMap { Int($0) } ?? 2222
        let roles = ["ps", "worker", "chief", "evaluator"]
        var cluster: [String: JSON] = [:]
        var ownRole: String?
        for role in roles {
            let name = options[role] ?? role
            guard let member = job.task(name), member.replicas > 0 else { continue }
            if member.name == task.name { ownRole = role }
            // The evaluator takes no part in the cluster.
            guard role != "evaluator" else { continue }
            cluster[role] = JSON(hosts(job, member).map { "\($0):\(port)" })
        }
        guard job.totalReplicas > 1, let ownRole else { return }
        openPort(port, named: "tensorflow-port", in: &spec)
        let place: JSON = ["type": .string(ownRole), "index": JSON(index)]
        let configuration: JSON = ["cluster": .object(cluster), "task": place]
        variables.append(("TF_CONFIG", configuration.text))
    }

    private static func mpi(
        _ job: VolcanoJob,
        _ task: VolcanoJob.Task,
        _ arguments: [String],
        _ spec: inout JSON,
        _ variables: inout [(String, String)]
    ) {
        let options = PluginArguments(arguments)
        let masterName = options["master"] ?? "master"
        let workerName = options["worker"] ?? "worker"
        guard task.name == masterName || task.name == workerName else { return }
        openPort(options["port"].flatMap { Int($0) } ?? 22, named: "mpijob-port", in: &spec)
        if task.name == masterName, let worker = job.task(workerName) {
            variables.append(("MPI_HOST", hosts(job, worker).joined(separator: ",")))
        }
    }

    private static func openPort(_ port: Int, named name: String, in spec: inout JSON) {
        changeContainers(&spec, initToo: false) { container in
            var ports = container["ports"]?.arrayValue ?? []
            guard !ports.contains(where: { $0["containerPort"]?.intValue == port }) else { return }
            ports.append(["name": .string(name), "containerPort": JSON(port), "protocol": "TCP"])
            container["ports"] = .array(ports)
        }
    }
}
