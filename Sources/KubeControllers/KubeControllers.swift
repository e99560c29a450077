package import KubeCore
package import KubeRuntime
package import Logging
package import ServiceLifecycle

/// The controllers of the embedded cluster: what kube-controller-manager does on a real one.
package struct KubeControllers: Sendable {
    package struct Configuration: Sendable {
        /// PEM text of the authority that signed the API server's certificate; published as `kube-root-ca.crt`.
        package var rootCAPEM: String
        /// Addresses at which Services of type LoadBalancer are reached; empty leaves their status to somebody else.
        package var loadBalancerAddresses: [String]
        /// Folder below which volumes for claims are made; nil makes none.
        package var volumeFolder: String?
        /// A node whose Lease is older counts as lost.
        package var nodeGracePeriod: Duration

        package init(
            rootCAPEM: String,
            loadBalancerAddresses: [String] = [],
            volumeFolder: String? = nil,
            nodeGracePeriod: Duration = .seconds(40)
        ) {
            self.rootCAPEM = rootCAPEM
            self.loadBalancerAddresses = loadBalancerAddresses
            self.volumeFolder = volumeFolder
            self.nodeGracePeriod = nodeGracePeriod
        }
    }

    /// To run; each returns on graceful shutdown.
    package let services: [any Service]
    /// Informer of all pods, run by `services`; a scheduler in the same process can share it.
    package let pods: Informer
    /// Informer of all nodes, run by `services`.
    package let nodes: Informer

    /// - `kinds`: every kind that is served now and can be listed, watched and deleted, custom ones too. Asked again
    ///   when custom resource definitions change.
    package init(
        api: any ResourceAPI,
        logger: Logger,
        configuration: Configuration,
        kinds: @escaping @Sendable () async throws -> [ResourceType]
    ) {
        let informers = SharedInformers(api: api, logger: logger)
        func context(_ component: String) -> ControllerContext {
            ControllerContext(api: api, informers: informers, component: component, logger: logger)
        }
        let collector = GarbageCollector(context: context("garbage-collector-controller"), discover: kinds)
        var controllers: [Controller] = [
            DeploymentController(context: context("deployment-controller")).makeController(),
            ReplicaSetController(context: context("replicaset-controller")).makeController(),
            StatefulSetController(context: context("statefulset-controller")).makeController(),
            DaemonSetController(context: context("daemonset-controller")).makeController(),
            JobController(context: context("job-controller")).makeController(),
            CronJobController(context: context("cronjob-controller")).makeController(),
            EndpointsController(context: context("endpoint-slice-controller")).makeController(),
            NamespaceController(context: context("namespace-controller"), discover: kinds).makeController(),
            ServiceAccountController(context: context("service-account-controller")).makeController(),
            RootCertificateController(context: context("root-ca-cert-publisher"), pem: configuration.rootCAPEM)
                .makeController(),
            NodeLifecycleController(
                context: context("node-controller"),
                gracePeriod: configuration.nodeGracePeriod
            ).makeController(),
            PodGarbageController(context: context("pod-garbage-collector")).makeController(),
            DisruptionBudgetController(context: context("controllermanager")).makeController(),
            VolumeController(context: context("persistentvolume-controller"), folder: configuration.volumeFolder)
                .makeController(),
        ]
        if !configuration.loadBalancerAddresses.isEmpty {
            controllers.append(
                LoadBalancerController(
                    context: context("service-controller"),
                    addresses: configuration.loadBalancerAddresses
                ).makeController()
            )
        }
        pods = informers.pods
        nodes = informers.nodes
        services = [
            ControllerManager(informers: informers.all, controllers: controllers, extras: [collector])
        ]
    }
}
