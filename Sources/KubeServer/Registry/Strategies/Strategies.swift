internal import KubeCore

/// Which strategy a built-in kind has.
enum Strategies {
    static func strategy(for type: ResourceType) -> any Strategy {
        switch type.groupResource {
        case "pods": PodStrategy()
        case "namespaces": NamespaceStrategy()
        case "services": ServiceStrategy()
        case "secrets": SecretStrategy()
        case "configmaps": ConfigMapStrategy()
        case "nodes": PlainStrategy(keepsStatusOnCreate: true)
        case "persistentvolumes": VolumeStrategy()
        case "persistentvolumeclaims": ClaimStrategy()
        case "deployments.apps", "replicasets.apps", "statefulsets.apps", "daemonsets.apps":
            WorkloadStrategy(type: type)
        case "replicationcontrollers": ReplicationControllerStrategy()
        case "jobs.batch": JobStrategy()
        case "cronjobs.batch": CronJobStrategy()
        case "customresourcedefinitions.apiextensions.k8s.io": DefinitionStrategy()
        case "roles.rbac.authorization.k8s.io", "clusterroles.rbac.authorization.k8s.io",
            "rolebindings.rbac.authorization.k8s.io", "clusterrolebindings.rbac.authorization.k8s.io":
            RoleStrategy(isBinding: type.kind.hasSuffix("Binding"))
        case WebhookTable.mutating: WebhookStrategy(isMutating: true)
        case WebhookTable.validating: WebhookStrategy(isMutating: false)
        case "priorityclasses.scheduling.k8s.io": PriorityClassStrategy()
        case "poddisruptionbudgets.policy": DisruptionBudgetStrategy()
        case "ingresses.networking.k8s.io": IngressStrategy()
        case "networkpolicies.networking.k8s.io": NetworkPolicyStrategy()
        case "horizontalpodautoscalers.autoscaling": AutoscalerStrategy()
        case "endpointslices.discovery.k8s.io": EndpointSliceStrategy()
        case "endpoints": EndpointsStrategy()
        case "leases.coordination.k8s.io": LeaseStrategy()
        case "events": EventStrategy()
        case "storageclasses.storage.k8s.io": StorageClassStrategy()
        case "resourcequotas": QuotaStrategy()
        case "limitranges": LimitRangeStrategy()
        case "flowschemas.flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io":
            PlainStrategy(tracksGeneration: true)
        default: PlainStrategy()
        }
    }
}
