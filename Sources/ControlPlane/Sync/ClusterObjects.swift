internal import ControlPlaneAPI
internal import Foundation
internal import KubeCore
internal import MLTypes

/// The custom resource and the Secret of one job, endpoint or deployment, as they are to be on the cluster.
struct ClusterObjects: Sendable {
    static let generationAnnotation = "outrigger.ml/generation"

    var object: JSON
    var secret: (name: String, body: JSON)

    /// What the store knows, read in one go; the token is made afterwards.
    struct Source: Sendable {
        enum Secret: Sendable {
            case runToken(workspace: String, job: String, timeout: Int?)
            case deploymentToken(id: String)
            case keys(primary: String, secondary: String)
        }
        var document: Document
        var spec: JSON
        var labels: [String: String]
        var secretName: String
        var secret: Secret
    }

    /// nil when the document is gone or needs nothing on the cluster any more.
    static func source(_ item: OutboxItem, _ core: Core, _ t: Transaction) throws -> Source? {
        guard let document = try t.find(item.key) else { return nil }
        switch document.kind {
        case .job: return try job(document, core, t)
        case .onlineEndpoint: return try endpoint(document, t)
        case .onlineDeployment: return try deployment(document, core, t)
        default: return nil
        }
    }

    private static func scope(_ document: Document, _ t: Transaction) throws -> Scope {
        guard let range = document.id.lowercased().ranges(of: "/workspaces/").first else {
            throw ARMError.resourceNotFound("Workspace", document.id)
        }
        let name = document.id[range.upperBound...].prefix { $0 != "/" }
        return try Core.scope(String(document.id[..<range.upperBound]) + name, t)
    }

    private static func labels(_ scope: Scope, compute: String) -> [String: String] {
        [
            MLLabels.workspace: ObjectNames.labelValue(scope.name), MLLabels.compute: ObjectNames.labelValue(compute),
            MLLabels.managedBy: "outrigger",
            MLLabels.resourceGroup: ObjectNames.labelValue(scope.resourceGroup),
            MLLabels.subscription: ObjectNames.labelValue(scope.subscription),
        ]
    }

    private static func job(_ job: Document, _ core: Core, _ t: Transaction) throws -> Source? {
        guard !JobState.isEnded(job) else { return nil }
        let scope = try scope(job, t)
        let plan = try JobPlan.make(job, scope, core, t)
        var labels = labels(scope, compute: plan.compute.name)
        labels[MLLabels.runID] = ObjectNames.labelValue(job.name)
        return Source(
            document: job,
            spec: try JSON(encoding: plan.spec),
            labels: labels,
            secretName: JobPlan.tokenSecret(job.name),
            secret: .runToken(workspace: scope.key, job: job.name, timeout: plan.spec.timeoutSeconds)
        )
    }

    private static func endpoint(_ endpoint: Document, _ t: Transaction) throws -> Source? {
        let scope = try scope(endpoint, t)
        let compute = endpoint.hidden["computeName"]?.stringValue ?? ""
        func percents(_ key: String) -> [String: Int]? {
            guard let map = endpoint[property: key]?.objectValue, !map.isEmpty else { return nil }
            return map.compactMapValues(\.intValue)
        }
        let spec = OnlineEndpointSpec(
            workspace: WorkspaceReference(
                subscriptionId: scope.subscription,
                resourceGroup: scope.resourceGroup,
                name: scope.name
            ),
            compute: compute,
            authMode: endpoint[property: "authMode"]?.stringValue?.lowercased() == "amltoken" ? "AMLToken" : "Key",
            keysSecret: EndpointService.keysSecret(endpoint.name),
            traffic: percents("traffic"),
            mirrorTraffic: percents("mirrorTraffic"),
            description: endpoint[property: "description"]?.stringValue
        )
        var labels = labels(scope, compute: compute)
        labels[MLLabels.endpoint] = endpoint.name
        return Source(
            document: endpoint,
            spec: try JSON(encoding: spec),
            labels: labels,
            secretName: spec.keysSecret,
            secret: .keys(
                primary: endpoint.hidden["primaryKey"]?.stringValue ?? "",
                secondary: endpoint.hidden["secondaryKey"]?.stringValue ?? ""
            )
        )
    }

    private static func deployment(_ deployment: Document, _ core: Core, _ t: Transaction) throws -> Source? {
        let scope = try scope(deployment, t)
        let plan = try DeploymentPlan.make(deployment, scope, core, t)
        let endpoint = try t.find(deployment.parent)
        var labels = labels(scope, compute: endpoint?.hidden["computeName"]?.stringValue ?? "")
        labels[MLLabels.endpoint] = plan.spec.endpointName
        labels[MLLabels.deployment] = plan.spec.deploymentName
        return Source(
            document: deployment,
            spec: try JSON(encoding: plan.spec),
            labels: labels,
            secretName: plan.spec.controlPlane.tokenSecret,
            secret: .deploymentToken(id: deployment.id)
        )
    }

    static func make(_ source: Source, _ item: OutboxItem, _ core: Core) async throws -> ClusterObjects {
        let type: ResourceType =
            switch source.document.kind {
            case .onlineEndpoint: MLResources.onlineEndpoints
            case .onlineDeployment: MLResources.onlineDeployments
            default: MLResources.amlJobs
            }
        let generation = source.document.hidden["generation"]?.intValue ?? 0
        let object = KubeObject(
            type,
            namespace: item.namespace,
            name: item.name,
            labels: source.labels,
            annotations: [generationAnnotation: String(generation)],
            body: ["spec": source.spec]
        )
        var data: [String: String] = [:]
        switch source.secret {
        case .runToken(let workspace, let job, let timeout):
            data["token"] = try await core.tokens.runToken(
                workspace: workspace,
                name: job,
                audience: core.publicURL,
                lifetime: RunTokens.lifetime(timeout: timeout)
            )
        case .deploymentToken(let id):
            data["token"] = try await core.tokens.deploymentToken(
                id: id,
                audience: core.publicURL,
                lifetime: 30 * 86400
            )
        case .keys(let primary, let secondary):
            data = ["primaryKey": primary, "secondaryKey": secondary]
        }
        let secret = KubeObject(
            .secrets,
            namespace: item.namespace,
            name: source.secretName,
            labels: source.labels,
            body: ["type": "Opaque", "data": JSON(data.mapValues { Data($0.utf8).base64EncodedString() })]
        )
        return ClusterObjects(object: object.json, secret: (source.secretName, secret.json))
    }

    /// Plural and name of a document's object.
    static func place(_ document: Document) -> (resource: String, name: String) {
        switch document.kind {
        case .onlineEndpoint: return (MLResources.onlineEndpoints.plural, document.name)
        case .onlineDeployment:
            let endpoint = document.hidden["endpoint"]?.stringValue ?? ""
            return (
                MLResources.onlineDeployments.plural,
                OnlineDeploymentSpec.objectName(endpoint: endpoint, deployment: document.name)
            )
        default: return (MLResources.amlJobs.plural, JobPlan.objectName(document.name))
        }
    }

    /// Queues the object of a document.
    static func enqueue(_ t: Transaction, _ document: Document, action: OutboxItem.Action = .apply) throws {
        let (resource, name) = place(document)
        try t.enqueue(
            document.key,
            cluster: document.hidden["cluster"]?.stringValue ?? "",
            resource: resource,
            namespace: document.hidden["namespace"]?.stringValue ?? "default",
            name: name,
            action: action
        )
    }

    /// Name of the Secret that belongs to an object, for its deletion.
    static func secretName(_ item: OutboxItem) -> String {
        item.resource == MLResources.onlineEndpoints.plural
            ? EndpointService.keysSecret(item.name) : item.name + "-token"
    }
}
