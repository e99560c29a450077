internal import Foundation
internal import KubeCore
internal import KubeRuntime
internal import Logging

/// Keeps this node's Node object and its Lease in the API.
struct NodeRegistration: Sendable {
    let configuration: NodeAgentConfiguration
    let paths: NodePaths
    let api: any ResourceAPI
    let images: ImageTable
    let logger: Logger

    /// What pods can have of this node.
    static func capacity(_ configuration: NodeAgentConfiguration) -> [String: Quantity] {
        let share = min(1, max(0.01, configuration.capacityFraction))
        let disk = Machine.disk(configuration.dataDirectory).total
        var capacity: [String: Quantity] = [
            "cpu": Quantity(milli: Int(Double(Machine.processors * 1000) * share)),
            "memory": Quantity(Int(Double(Machine.memory / 1024) * share) * 1024, format: .binarySI),
            "ephemeral-storage": Quantity(disk / 1024 * 1024, format: .binarySI),
            "pods": Quantity(configuration.maxPods),
        ]
        let gpus = HostDevices.gpuIndexes().count
        if gpus > 0 { capacity["nvidia.com/gpu"] = Quantity(gpus) }
        return capacity
    }

    /// Registers, then renews the Lease and reports the node's state until cancelled.
    func run() async {
        var backoff = Backoff(initial: .milliseconds(100), maximum: .seconds(5))
        while !Task.isCancelled {
            do {
                try await register()
                break
            } catch {
                logger.debug(
                    "node not registered",
                    metadata: ["node": "\(configuration.nodeName)", "error": "\(error)"]
                )
                guard await sleepUnlessCancelled(backoff.next()) else { return }
            }
        }
        var beats = 0
        while !Task.isCancelled {
            do {
                try await renewLease()
                // The Lease says that the node lives; the object itself is only refreshed now and then.
                if beats % 30 == 0 { try await register() }
                beats += 1
            } catch {
                logger.warning(
                    "node lease not renewed",
                    metadata: ["node": "\(configuration.nodeName)", "error": "\(error)"]
                )
            }
            guard await sleepUnlessCancelled(configuration.leaseRenewInterval) else { return }
        }
    }

    func register() async throws {
        let name = configuration.nodeName
        var labels = configuration.labels
        labels["kubernetes.io/hostname"] = name
        labels["kubernetes.io/os"] = "linux"
        labels["kubernetes.io/arch"] = Machine.architecture
        let node: KubeObject
        if let present = try await api.find(.nodes, name: name) {
            node = present
            let missing = labels.filter { present.labels[$0.key] != $0.value }
            if !missing.isEmpty {
                try await api.patch(.nodes, ObjectKey(name: name), .merge(["metadata": ["labels": JSON(missing)]]))
            }
        } else {
            var spec: [String: JSON] = [:]
            if !configuration.podCIDR.isEmpty {
                spec["podCIDR"] = .string(configuration.podCIDR)
                spec["podCIDRs"] = [.string(configuration.podCIDR)]
            }
            let object = KubeObject(.nodes, name: name, labels: labels, body: ["spec": .object(spec)])
            do {
                node = try await api.create(.nodes, object)
            } catch let error as APIError where error.isAlreadyExists {
                node = try await api.get(.nodes, name: name)
            }
        }
        let status = status(of: node)
        try await api.patch(.nodes, ObjectKey(name: name), subresource: "status", .merge(["status": status]))
    }

    private func status(of node: KubeObject) -> JSON {
        let now = Timestamp.text(seconds: Date.now.timeIntervalSince1970)
        var conditions = ConditionList(node["status", "conditions"])
        func set(_ type: String, _ status: Bool, _ reason: String, _ message: String) {
            conditions.set(
                type,
                status ? "True" : "False",
                reason: reason,
                message: message,
                now: now,
                extra: ["lastHeartbeatTime": .string(now)]
            )
        }
        let memoryLow = Machine.availableMemory < 100 << 20
        let disk = Machine.disk(configuration.dataDirectory)
        let diskLow = disk.total > 0 && Double(disk.free) / Double(disk.total) < 0.05
        set(
            "MemoryPressure",
            memoryLow,
            memoryLow ? "KubeletHasInsufficientMemory" : "KubeletHasSufficientMemory",
            memoryLow ? "kubelet has insufficient memory available" : "kubelet has sufficient memory available"
        )
        set(
            "DiskPressure",
            diskLow,
            diskLow ? "KubeletHasDiskPressure" : "KubeletHasNoDiskPressure",
            diskLow ? "kubelet has disk pressure" : "kubelet has no disk pressure"
        )
        set("PIDPressure", false, "KubeletHasSufficientPID", "kubelet has sufficient PID available")
        set("Ready", true, "KubeletReady", "kubelet is posting ready status")
        let capacity = JSON.object(Self.capacity(configuration).mapValues { .string($0.description) })
        let information: JSON = [
            "machineID": .string(Machine.machineID), "systemUUID": .string(Machine.systemUUID),
            "bootID": .string(Machine.bootID),
            "kernelVersion": .string(Machine.kernelVersion), "osImage": .string(Machine.osImage),
            "containerRuntimeVersion": .string("outrigger://" + configuration.version),
            "kubeletVersion": .string(configuration.version),
            "kubeProxyVersion": "", "operatingSystem": "linux", "architecture": .string(Machine.architecture),
        ]
        let known = images.entries.map { entry -> JSON in ["names": [.string(entry.pattern)], "sizeBytes": 0] }
        return [
            "capacity": capacity, "allocatable": capacity, "conditions": conditions.json, "nodeInfo": information,
            "addresses": [
                ["type": "InternalIP", "address": .string(configuration.hostIP)],
                ["type": "Hostname", "address": .string(configuration.nodeName)],
            ],
            "images": .array(known), "daemonEndpoints": ["kubeletEndpoint": ["Port": 0]],
        ]
    }

    private func renewLease() async throws {
        let key = ObjectKey(namespace: "kube-node-lease", name: configuration.nodeName)
        let now = Timestamp.microText(seconds: Date.now.timeIntervalSince1970)
        do {
            try await api.patch(.leases, key, .merge(["spec": ["renewTime": .string(now)]]))
            return
        } catch let error as APIError where error.isNotFound {
            // The first beat, or someone removed it.
        }
        let seconds = Int(configuration.leaseRenewInterval.components.seconds) * 4
        let spec: [String: JSON] = [
            "holderIdentity": .string(configuration.nodeName), "leaseDurationSeconds": JSON(max(1, seconds)),
            "renewTime": .string(now),
        ]
        var lease = KubeObject(
            .leases,
            namespace: "kube-node-lease",
            name: configuration.nodeName,
            body: ["spec": .object(spec)]
        )
        if let node = try await api.find(.nodes, name: configuration.nodeName) {
            let owner = OwnerReference(apiVersion: "v1", kind: "Node", name: node.name, uid: node.uid)
            lease.ownerReferences = [owner]
        }
        try await api.create(.leases, lease)
    }
}
