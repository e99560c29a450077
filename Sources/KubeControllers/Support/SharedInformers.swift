internal import KubeCore
internal import KubeRuntime
internal import Logging

/// One informer for each kind that controllers read, shared by all of them.
final class SharedInformers: Sendable {
    /// Index of pods by the uid of their controller; orphans are listed under `orphanIndexValue(namespace)`.
    static let controllerIndex = "controller"
    static let nodeIndex = "node"
    static let namespaceIndex = "namespace"

    let pods: Informer
    let nodes: Informer
    let nodeLeases: Informer
    let services: Informer
    let endpoints: Informer
    let endpointSlices: Informer
    let namespaces: Informer
    let serviceAccounts: Informer
    let rootCertificates: Informer
    let deployments: Informer
    let replicaSets: Informer
    let statefulSets: Informer
    let daemonSets: Informer
    let controllerRevisions: Informer
    let jobs: Informer
    let cronJobs: Informer
    let claims: Informer
    let volumes: Informer
    let disruptionBudgets: Informer
    let definitions: Informer

    var all: [Informer] {
        [
            pods, nodes, nodeLeases, services, endpoints, endpointSlices, namespaces, serviceAccounts, rootCertificates,
            deployments, replicaSets, statefulSets, daemonSets, controllerRevisions, jobs, cronJobs, claims, volumes,
            disruptionBudgets, definitions,
        ]
    }

    init(api: any ResourceAPI, logger: Logger) {
        func informer(_ type: ResourceType, namespace: String? = nil, fields: String? = nil) -> Informer {
            Informer(api: api, type: type, namespace: namespace, fieldSelector: fields, logger: logger)
        }
        pods = informer(.pods)
        nodes = informer(.nodes)
        nodeLeases = informer(.leases, namespace: "kube-node-lease")
        services = informer(.services)
        endpoints = informer(.endpoints)
        endpointSlices = informer(.endpointSlices)
        namespaces = informer(.namespaces)
        serviceAccounts = informer(.serviceAccounts)
        rootCertificates = informer(.configMaps, fields: "metadata.name=\(RootCertificatePlan.name)")
        deployments = informer(.deployments)
        replicaSets = informer(.replicaSets)
        statefulSets = informer(.statefulSets)
        daemonSets = informer(.daemonSets)
        controllerRevisions = informer(.controllerRevisions)
        jobs = informer(.jobs)
        cronJobs = informer(.cronJobs)
        claims = informer(.persistentVolumeClaims)
        volumes = informer(StorageTypes.persistentVolumes)
        disruptionBudgets = informer(.podDisruptionBudgets)
        definitions = informer(.customResourceDefinitions)
        for owned in [pods, replicaSets, jobs, controllerRevisions] {
            owned.addIndex(Self.controllerIndex) { [Self.controllerIndexValue($0)] }
        }
        pods.addIndex(Self.nodeIndex) { PodFacts($0).nodeName.map { [$0] } ?? [] }
        for namespaced in [
            pods, services, endpointSlices, deployments, statefulSets, daemonSets, disruptionBudgets, replicaSets,
        ] {
            namespaced.addIndex(Self.namespaceIndex) { [$0.namespace ?? ""] }
        }
        endpointSlices.addIndex(EndpointSlicePlan.serviceIndex) { slice in
            guard let service = slice.labels[EndpointSlicePlan.serviceLabel] else { return [] }
            return ["\(slice.namespace ?? "")/\(service)"]
        }
    }

    static func controllerIndexValue(_ object: KubeObject) -> String {
        object.controllerReference?.uid ?? orphanIndexValue(object.namespace)
    }

    static func orphanIndexValue(_ namespace: String?) -> String { "orphans in " + (namespace ?? "") }
}

extension Informer {
    /// Objects whose controller is `owner`.
    func owned(by owner: KubeObject) -> [KubeObject] { list(index: SharedInformers.controllerIndex, value: owner.uid) }

    /// Objects of the namespace that no controller manages.
    func orphans(in namespace: String?) -> [KubeObject] {
        list(index: SharedInformers.controllerIndex, value: SharedInformers.orphanIndexValue(namespace))
    }

    /// Objects of one namespace, by index.
    func indexed(namespace: String?) -> [KubeObject] {
        list(index: SharedInformers.namespaceIndex, value: namespace ?? "")
    }
}

enum StorageTypes {
    static let persistentVolumes = ResourceType(
        group: "",
        version: "v1",
        plural: "persistentvolumes",
        kind: "PersistentVolume",
        isNamespaced: false
    )
    static let storageClasses = ResourceType(
        group: "storage.k8s.io",
        version: "v1",
        plural: "storageclasses",
        kind: "StorageClass",
        isNamespaced: false
    )
}
