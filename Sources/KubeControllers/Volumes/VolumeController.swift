internal import KubeCore
internal import KubeRuntime

/// Binds claims to volumes and makes volumes as folders of this machine for claims that no volume fits.
struct VolumeController: Sendable {
    static let provisioner = "outrigger.ml/local-path"

    let context: ControllerContext
    /// Folder below which volumes are made; nil makes none.
    let folder: String?

    func makeController() -> Controller {
        let controller = Controller(name: "volume", workers: 1, logger: context.logger, reconcile: reconcile)
        let informers = context.informers
        controller.watch(informers.claims)
        controller.watch(informers.volumes) { event in
            if let claim = event.object["spec", "claimRef"], let name = claim["name"]?.stringValue {
                return [
                    ObjectKey(namespace: claim["namespace"]?.stringValue, name: name),
                    ObjectKey(name: event.object.name),
                ]
            }
            // A free volume may be what a waiting claim needs.
            return informers.claims.list().filter { $0["spec", "volumeName"] == nil }.map(\.key)
        }
        controller.watch(informers.claims) { event in
            guard case .deleted(let claim) = event, let volume = claim["spec", "volumeName"]?.stringValue else {
                return []
            }
            return [ObjectKey(name: volume)]
        }
        return controller
    }

    /// Keys without namespace are volumes.
    @Sendable func reconcile(_ key: ObjectKey) async throws -> ReconcileOutcome {
        if key.namespace == nil { return try await reclaim(key) }
        guard let claim = context.informers.claims.get(key), !claim.isTerminating else { return .settled }
        if let name = claim["spec", "volumeName"]?.stringValue, !name.isEmpty {
            guard let volume = context.informers.volumes.get(ObjectKey(name: name)) else {
                let live = try await context.api.find(StorageTypes.persistentVolumes, name: name)
                if live == nil { try await setPhase(claim, "Lost", nil) }
                return live == nil ? .settled : .recheck(after: .milliseconds(200))
            }
            return try await bind(claim, volume)
        }
        if let volume = VolumePlan.match(claim, among: context.informers.volumes.list()) {
            return try await bind(claim, volume)
        }
        let storageClass = claim["spec", "storageClassName"]?.stringValue
        guard let folder, storageClass != "" else {
            try await setPhase(claim, "Pending", nil)
            return .settled
        }
        if let storageClass {
            let found = try await context.api.find(StorageTypes.storageClasses, name: storageClass)
            guard found?["provisioner"]?.stringValue == Self.provisioner else {
                try await setPhase(claim, "Pending", nil)
                return .settled
            }
        }
        let volume = VolumePlan.provision(for: claim, folder: folder)
        do {
            let created = try await context.api.create(StorageTypes.persistentVolumes, volume)
            await context.events.record(
                .normal,
                reason: "ProvisioningSucceeded",
                "Successfully provisioned volume \(created.name)",
                about: claim
            )
            return try await bind(claim, created)
        } catch let error as APIError where error.isAlreadyExists {
            return .recheck(after: .milliseconds(200))
        }
    }

    private func bind(_ claim: KubeObject, _ volume: KubeObject) async throws -> ReconcileOutcome {
        var volume = volume
        if volume["spec", "claimRef", "uid"]?.stringValue != claim.uid {
            guard volume["spec", "claimRef", "uid"] == nil else {
                // Bound to somebody else.
                try await setPhase(claim, "Pending", nil)
                return .settled
            }
            volume["spec", "claimRef"] = VolumePlan.reference(to: claim)
            volume = try await context.api.update(StorageTypes.persistentVolumes, volume)
        }
        if volume["status", "phase"]?.stringValue != "Bound" {
            volume["status", "phase"] = "Bound"
            try await context.api.updateStatus(StorageTypes.persistentVolumes, volume)
        }
        var claim = claim
        if claim["spec", "volumeName"]?.stringValue != volume.name {
            claim["spec", "volumeName"] = .string(volume.name)
            claim.annotations["pv.kubernetes.io/bind-completed"] = "yes"
            claim = try await context.api.update(.persistentVolumeClaims, claim)
        }
        try await setPhase(claim, "Bound", volume)
        return .settled
    }

    private func setPhase(_ claim: KubeObject, _ phase: String, _ volume: KubeObject?) async throws {
        var status = claim["status"]?.objectValue ?? [:]
        status["phase"] = .string(phase)
        if let volume {
            status["capacity"] = volume["spec", "capacity"]
            status["accessModes"] = volume["spec", "accessModes"]
        }
        try await context.writeStatus(.persistentVolumeClaims, of: claim, .object(status))
    }

    /// A volume whose claim is gone is deleted or kept, as its policy says.
    private func reclaim(_ key: ObjectKey) async throws -> ReconcileOutcome {
        guard let volume = context.informers.volumes.get(key), let reference = volume["spec", "claimRef"],
            let uid = reference["uid"]?.stringValue
        else { return .settled }
        let claim = try await context.api.find(
            .persistentVolumeClaims,
            namespace: reference["namespace"]?.stringValue,
            name: reference["name"]?.stringValue ?? ""
        )
        guard claim?.uid != uid else { return .settled }
        if volume["spec", "persistentVolumeReclaimPolicy"]?.stringValue == "Delete" {
            try await context.api.deleteIfPresent(StorageTypes.persistentVolumes, key)
            return .settled
        }
        var status = volume["status"]?.objectValue ?? [:]
        status["phase"] = "Released"
        try await context.writeStatus(StorageTypes.persistentVolumes, of: volume, .object(status))
        return .settled
    }
}

/// Which volume a claim gets; pure.
enum VolumePlan {
    /// The smallest free volume that is large enough and of the claim's class, access modes and labels.
    static func match(_ claim: KubeObject, among volumes: [KubeObject]) -> KubeObject? {
        let wanted = size(claim["spec", "resources", "requests", "storage"])
        let modes = Set(claim["spec", "accessModes"]?.stringArray ?? [])
        let selector = claim["spec", "selector"]
        let fitting = volumes.filter { volume in
            if volume["spec", "claimRef", "uid"]?.stringValue == claim.uid { return true }
            guard isFreeFor(claim, volume), !volume.isTerminating else { return false }
            guard
                volume["spec", "storageClassName"]?.stringValue ?? "" == claim["spec", "storageClassName"]?.stringValue
                    ?? ""
            else { return false }
            guard modes.isSubset(of: volume["spec", "accessModes"]?.stringArray ?? []) else { return false }
            if let selector, let labels = try? LabelSelector(selector), !labels.matches(volume.labels) { return false }
            return size(volume["spec", "capacity", "storage"]) >= wanted
        }
        return fitting.min { left, right in
            let (leftSize, rightSize) = (
                size(left["spec", "capacity", "storage"]), size(right["spec", "capacity", "storage"])
            )
            return (leftSize, left.name) < (rightSize, right.name)
        }
    }

    /// Free, or set aside by name for this claim.
    private static func isFreeFor(_ claim: KubeObject, _ volume: KubeObject) -> Bool {
        guard let reference = volume["spec", "claimRef"], !reference.isNull else { return true }
        return reference["uid"] == nil && reference["name"]?.stringValue == claim.name
            && reference["namespace"]?.stringValue == claim.namespace
    }

    private static func size(_ json: JSON?) -> Quantity { json.flatMap { try? Quantity($0) } ?? .zero }

    static func reference(to claim: KubeObject) -> JSON {
        var members: [String: JSON] = [
            "apiVersion": "v1", "kind": "PersistentVolumeClaim", "name": .string(claim.name), "uid": .string(claim.uid),
        ]
        members["namespace"] = claim.namespace.map(JSON.string)
        return .object(members)
    }

    static func provision(for claim: KubeObject, folder: String) -> KubeObject {
        let name = "pvc-\(claim.uid)"
        var spec: [String: JSON] = [
            "capacity": ["storage": claim["spec", "resources", "requests", "storage"] ?? "1Gi"],
            "accessModes": claim["spec", "accessModes"] ?? ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Delete", "claimRef": reference(to: claim),
            "hostPath": ["path": .string("\(folder)/\(name)"), "type": "DirectoryOrCreate"], "volumeMode": "Filesystem",
        ]
        spec["storageClassName"] = claim["spec", "storageClassName"]
        return KubeObject(
            StorageTypes.persistentVolumes,
            name: name,
            annotations: ["pv.kubernetes.io/provisioned-by": VolumeController.provisioner],
            body: ["spec": .object(spec)]
        )
    }
}
