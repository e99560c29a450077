internal import KubeCore
internal import MLTypes

/// The processes that one pod of a job starts, with their variables.
///
/// Pure.
struct RankPlan: Sendable, Hashable {
    struct Process: Sendable, Hashable {
        var rank: Int
        var arguments: [String]
        var environment: [String: String]
        /// Below `user_logs/`.
        var logName: String
    }

    static let masterPort = 6105

    /// `instance`: index of this pod, 0 for the first.
    static func processes(_ manifest: JobManifest, instance: Int) -> [Process] {
        let launch = manifest.launch
        let perInstance = launch.type == "PyTorch" ? launch.processCountPerInstance : 1
        let world = launch.instanceCount * perInstance
        return (0..<perInstance).map { local in
            let rank = instance * perInstance + local
            var environment = manifest.environment
            environment["AZUREML_CR_NODE_RANK"] = String(instance)
            environment["AZUREML_PROCESS_NAME"] = world > 1 ? "rank_\(rank)" : "main"
            if let first = launch.hosts.first {
                environment["AZ_BATCHAI_MPI_MASTER_NODE"] = first
                environment["AZ_BATCH_MASTER_NODE"] = "\(first):\(masterPort)"
                environment["AZ_BATCHAI_JOB_MASTER_NODE_IP"] = first
                environment["AZ_BATCH_HOST_LIST"] = launch.hosts.joined(separator: ",")
            }
            switch launch.type {
            case "PyTorch":
                environment["MASTER_ADDR"] = world == perInstance ? "127.0.0.1" : launch.hosts.first ?? "127.0.0.1"
                environment["MASTER_PORT"] = String(masterPort)
                environment["WORLD_SIZE"] = String(world)
                environment["RANK"] = String(rank)
                environment["LOCAL_RANK"] = String(local)
                environment["NODE_RANK"] = String(instance)
                environment["LOCAL_WORLD_SIZE"] = String(perInstance)
            case "TensorFlow": environment["TF_CONFIG"] = tensorFlowConfig(launch, instance: instance)
            default: break
            }
            return Process(
                rank: rank,
                arguments: arguments(manifest),
                environment: environment,
                logName: world > 1 ? "std_log_process_\(rank).txt" : "std_log.txt"
            )
        }
    }

    /// MPI jobs of one instance start their processes by mpirun, as the reference's launcher does.
    private static func arguments(_ manifest: JobManifest) -> [String] {
        let launch = manifest.launch
        guard launch.type == "Mpi", launch.instanceCount == 1, launch.processCountPerInstance > 1 else {
            return ["/bin/bash", "-c", manifest.command]
        }
        return [
            "mpirun", "--allow-run-as-root", "--oversubscribe", "-n", String(launch.processCountPerInstance),
            "/bin/bash",
            "-c", manifest.command,
        ]
    }

    private static func tensorFlowConfig(_ launch: JobManifest.Launch, instance: Int) -> String {
        let workers = launch.hosts.map { JSON.string("\($0):2222") }
        let value: JSON = [
            "cluster": ["worker": .array(workers)], "task": ["type": "worker", "index": JSON(instance)],
            "environment": "cloud",
        ]
        return value.text
    }
}
