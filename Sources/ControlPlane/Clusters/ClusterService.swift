internal import ControlPlaneAPI
internal import Crypto
internal import Foundation
internal import GRDB
internal import KubeCore
internal import Logging
internal import Relay

/// Registers clusters and forgets them.
struct ClusterService: Sendable {
    let core: Core

    /// What a request names, checked.
    struct Place: Sendable {
        var id: String
        var type: String
        var group: String
        var name: String
    }

    /// - Throws: 409 for a cluster of the configuration, 400 for names that are not allowed.
    func place(_ call: Call, _ type: String) throws -> Place {
        let connection = core.connection
        guard call["s"].lowercased() == connection.subscriptionId.lowercased() else {
            throw ARMError(
                404,
                "SubscriptionNotFound",
                "The subscription '\(call["s"])' could not be found; this instance has '\(connection.subscriptionId)'."
            )
        }
        let (group, name) = (call["g"], call["c"])
        try ClusterRules.checkGroup(group)
        try ClusterRules.checkName(name)
        let id = connection.clusterID(clusterType: type, resourceGroup: group, clusterName: name)
        if let entry = core.clusters.entry(resourceID: id), entry.isEmbedded {
            throw ARMError.conflict(
                "ClusterIsEmbedded",
                "Cluster '\(entry.target.name)' is this instance's own; it cannot be replaced, changed or deleted."
            )
        }
        return Place(id: id, type: type, group: group, name: name)
    }

    // MARK: Registering

    /// Stores a connected cluster with its agent's key; returns the document and whether it is new.
    func putConnected(_ place: Place, body: JSON) async throws -> (document: Document, isNew: Bool) {
        let properties = body["properties"] ?? .object([:])
        let key = try ClusterRules.agentKey(
            properties["agentPublicKeyCertificate"]?.stringValue,
            cluster: place.name
        )
        let url = try ClusterRules.controlPlaneURL(properties["controlPlaneUrl"]?.stringValue, cluster: place.name)
        let tags = try ClusterRules.tags(body["tags"], cluster: place.name)
        let keyText = key.derRepresentation.base64EncodedString()
        let location = body["location"]?.stringValue ?? core.configuration.location
        let before = core.clusters.entry(resourceID: place.id)
        let result = try await core.store.write { t in
            let old = try t.find(place.id)
            var document = old ?? ClusterService.blank(place)
            document.body["location"] = .string(location)
            document.body["tags"] = tags
            document.body["identity"] = ["type": "SystemAssigned"]
            if old?[property: "agentPublicKeyCertificate"]?.stringValue != keyText {
                document.hidden["registration"] = .string(RandomText.uuid())
            }
            document[property: "agentPublicKeyCertificate"] = .string(keyText)
            for name in ["distribution", "infrastructure"] {
                document[property: name] = .string(
                    properties[name]?.stringValue ?? old?[property: name]?.stringValue ?? "generic"
                )
            }
            document[property: "controlPlaneUrl"] = url.map(JSON.string)
            try t.put(&document)
            return (document, old == nil)
        }
        try await core.clusters.reload(core.store)
        // A tunnel that was opened under an earlier key ends with it.
        if let before, before.registration != result.0.hidden["registration"]?.stringValue {
            core.relay.disconnect(before.target.key)
        }
        return result
    }

    /// Stores a cluster that is reached with a kubeconfig; that is tried before it is kept.
    func putManaged(_ place: Place, body: JSON) async throws -> (document: Document, isNew: Bool) {
        let properties = body["properties"] ?? .object([:])
        let tags = try ClusterRules.tags(body["tags"], cluster: place.name)
        let url = try ClusterRules.controlPlaneURL(properties["controlPlaneUrl"]?.stringValue, cluster: place.name)
        let location = body["location"]?.stringValue ?? core.configuration.location
        let text = properties["kubeconfig"]?.stringValue ?? ""
        let isKnown = try await core.store.read { t in try t.find(place.id) != nil }
        guard isKnown || !text.isEmpty else {
            throw ARMError.invalid(
                "properties.kubeconfig",
                "Cluster '\(place.name)' has no properties.kubeconfig; give the text of a kubeconfig with everything inlined ('kubectl config view --minify --flatten --raw')."
            )
        }
        var facts: ClusterInspection.Facts?
        var sealed: String?
        if !text.isEmpty {
            facts = try await inspect(place, text)
            sealed = try core.secrets.seal(text, purpose: place.id.lowercased())
        }
        let (found, kubeconfig) = (facts, sealed)
        let result = try await core.store.write { t in
            let old = try t.find(place.id)
            guard old != nil || kubeconfig != nil else {
                throw ARMError.conflict("ClusterDeleted", "Cluster '\(place.name)' was deleted meanwhile; try again.")
            }
            var document = old ?? ClusterService.blank(place)
            document.body["location"] = .string(location)
            document.body["tags"] = tags
            document.body["identity"] = ["type": "SystemAssigned"]
            document[property: "controlPlaneUrl"] = url.map(JSON.string)
            if let kubeconfig, let found {
                document.hidden["kubeconfig"] = .string(kubeconfig)
                document.hidden["registration"] = .string(RandomText.uuid())
                document.hidden["kubernetesVersion"] = .string(found.kubernetesVersion)
                document.hidden["nodeCount"] = JSON(found.nodeCount)
            }
            try t.put(&document)
            return (document, old == nil)
        }
        try await core.clusters.reload(core.store)
        return result
    }

    private func inspect(_ place: Place, _ kubeconfig: String) async throws -> ClusterInspection.Facts {
        let api: any ClusterAPI
        do {
            api = try core.configuration.openCluster(kubeconfig)
        } catch {
            throw ARMError(
                400,
                "KubeconfigInvalid",
                "Cluster '\(place.name)': the kubeconfig cannot be used: \(error).",
                target: "properties.kubeconfig"
            )
        }
        do {
            let inspection = ClusterInspection(
                cluster: place.name,
                api: api,
                rights: core.configuration.requiredRights
            )
            let facts = try await inspection.run()
            await api.close()
            return facts
        } catch {
            await api.close()
            throw error
        }
    }

    private static func blank(_ place: Place) -> Document {
        Document(kind: .cluster, id: place.id, parent: "", name: place.name, body: .object([:]))
    }

    /// PATCH: the tags.
    func patch(_ place: Place, body: JSON) async throws -> Document {
        let tags = try ClusterRules.tags(body["tags"], cluster: place.name)
        return try await core.store.write { t in
            var document = try t.require(place.id, "Cluster")
            document.body["tags"] = tags
            try t.put(&document)
            return document
        }
    }

    // MARK: Forgetting

    /// Forgets a cluster; false when there was none.
    ///
    /// `force` leaves what is on the cluster as it is; without it, something that is still there is refused with 409.
    func delete(_ place: Place, force: Bool) async throws -> Bool {
        guard let entry = core.clusters.entry(resourceID: place.id) else { return false }
        let isGone = try await core.store.write { t in
            guard let document = try t.find(place.id) else { return false }
            let uses = try ClusterService.uses(t, entry.target)
            guard force || uses.isEmpty else {
                throw ARMError.conflict(
                    "ClusterInUse",
                    "Cluster '\(document.name)' has \(uses.joined(separator: ", ")). Delete or detach those first, or delete the cluster with force=true, which leaves what is installed on it as it is."
                )
            }
            try ClusterService.forget(t, document, entry.target)
            return true
        }
        try await core.clusters.reload(core.store)
        core.relay.disconnect(entry.target.key)
        return isGone
    }

    /// What hangs on a cluster, in words.
    private static func uses(_ t: Transaction, _ target: ClusterTarget) throws -> [String] {
        let extensions = try t.listAll(.extension).filter { target.holds($0.id) }.map { "the extension '\($0.name)'" }
        let computes = try t.listAll(.compute).filter { $0.computeCluster == target.key }.map { compute in
            "the compute '\(compute.name)' of workspace '\(ARMPath.value(of: "workspaces", in: compute.id) ?? "")'"
        }
        return extensions + computes
    }

    private static func forget(_ t: Transaction, _ document: Document, _ target: ClusterTarget) throws {
        try ExtensionService.clusterGone(t, cluster: document.id)
        try t.forgetOutbox(cluster: target.key)
        let error = ErrorDetail(
            code: "ClusterDeleted",
            message: "Cluster '\(document.name)' was deleted; what ran there is no longer watched."
        )
        for kind in [DocumentKind.job, .onlineDeployment, .onlineEndpoint] {
            for item in try t.listAll(kind) where item.hidden["cluster"]?.stringValue == target.key {
                if kind != .job, item.hidden["isDeleting"] == true {
                    try StatusIntake.deleted(t, item)
                } else {
                    try StatusIntake.refused(t, item, error)
                }
            }
        }
        for var compute in try t.listAll(.compute) where compute.computeCluster == target.key {
            compute[property: "provisioningState"] = "Failed"
            compute[property: "provisioningErrors"] = .array([["error": error.json]])
            try t.put(&compute)
        }
        try t.remove(ClusterHeartbeats.stateID(document.id))
        try t.remove(document.id)
    }
}

extension Transaction {
    /// Keys of the clusters that something is still to be done for.
    func outboxClusters() throws -> [String] {
        try String.fetchAll(db, sql: "SELECT DISTINCT cluster FROM outbox")
    }

    /// Work for a cluster that is not there any more is never done.
    func forgetOutbox(cluster: String) throws {
        try db.execute(sql: "DELETE FROM outbox WHERE cluster = ?", arguments: [cluster])
        touched.insert(Transaction.outboxTopic)
    }
}
