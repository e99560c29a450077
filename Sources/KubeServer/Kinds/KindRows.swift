// swift-format-ignore-file: a table, one row a line.

/// The built-in kinds, one row each:
/// `groupVersion Kind plural namespaced|cluster message [short=a,b] [cat=all] [sub=status,scale] [fields=a,b] [flag…]`.
///
/// Flags: `create` (answered, not kept), `upsert` (PUT makes absent objects), `conditional` (PUT needs a resourceVersion).
enum KindRows {
    /// Messages of the kinds with a status subresource.
    static var statusRoots: Set<String> {
        Set(
            text.split(separator: "\n").filter { $0.contains(" sub=status") }
                .compactMap { $0.split(separator: " ").dropFirst(4).first.map(String.init) }
        )
    }

    static let text = """
        v1 Binding bindings namespaced core.v1.Binding create
        v1 ConfigMap configmaps namespaced core.v1.ConfigMap short=cm
        v1 Endpoints endpoints namespaced core.v1.Endpoints short=ep
        v1 Event events namespaced core.v1.Event short=ev upsert fields=involvedObject.kind,involvedObject.namespace,involvedObject.name,involvedObject.uid,involvedObject.apiVersion,involvedObject.resourceVersion,involvedObject.fieldPath,reason,reportingComponent,source,type
        v1 LimitRange limitranges namespaced core.v1.LimitRange short=limits
        v1 Namespace namespaces cluster core.v1.Namespace short=ns sub=status,finalize fields=status.phase
        v1 Node nodes cluster core.v1.Node short=no sub=status,proxy fields=spec.unschedulable
        v1 PersistentVolume persistentvolumes cluster core.v1.PersistentVolume short=pv sub=status
        v1 PersistentVolumeClaim persistentvolumeclaims namespaced core.v1.PersistentVolumeClaim short=pvc sub=status
        v1 Pod pods namespaced core.v1.Pod short=po cat=all sub=status,attach,binding,ephemeralcontainers,eviction,exec,log,portforward,proxy fields=spec.nodeName,spec.restartPolicy,spec.schedulerName,spec.serviceAccountName,spec.hostNetwork,status.phase,status.podIP,status.podIPs,status.nominatedNodeName
        v1 PodTemplate podtemplates namespaced core.v1.PodTemplate
        v1 ReplicationController replicationcontrollers namespaced core.v1.ReplicationController short=rc cat=all sub=status,scale fields=status.replicas
        v1 ResourceQuota resourcequotas namespaced core.v1.ResourceQuota short=quota sub=status
        v1 Secret secrets namespaced core.v1.Secret fields=type
        v1 Service services namespaced core.v1.Service short=svc cat=all sub=status,proxy fields=spec.clusterIP,spec.type
        v1 ServiceAccount serviceaccounts namespaced core.v1.ServiceAccount short=sa sub=token
        apiregistration.k8s.io/v1 APIService apiservices cluster apiregistration.v1.APIService cat=api-extensions sub=status
        apps/v1 ControllerRevision controllerrevisions namespaced apps.v1.ControllerRevision
        apps/v1 DaemonSet daemonsets namespaced apps.v1.DaemonSet short=ds cat=all sub=status
        apps/v1 Deployment deployments namespaced apps.v1.Deployment short=deploy cat=all sub=status,scale
        apps/v1 ReplicaSet replicasets namespaced apps.v1.ReplicaSet short=rs cat=all sub=status,scale fields=status.replicas
        apps/v1 StatefulSet statefulsets namespaced apps.v1.StatefulSet short=sts cat=all sub=status,scale
        events.k8s.io/v1 Event events namespaced events.v1.Event short=ev upsert fields=regarding.kind,regarding.namespace,regarding.name,regarding.uid,regarding.apiVersion,regarding.resourceVersion,regarding.fieldPath,reason,reportingController,type
        authentication.k8s.io/v1 SelfSubjectReview selfsubjectreviews cluster authentication.v1.SelfSubjectReview create
        authentication.k8s.io/v1 TokenReview tokenreviews cluster authentication.v1.TokenReview create
        authorization.k8s.io/v1 LocalSubjectAccessReview localsubjectaccessreviews namespaced authorization.v1.LocalSubjectAccessReview create
        authorization.k8s.io/v1 SelfSubjectAccessReview selfsubjectaccessreviews cluster authorization.v1.SelfSubjectAccessReview create
        authorization.k8s.io/v1 SelfSubjectRulesReview selfsubjectrulesreviews cluster authorization.v1.SelfSubjectRulesReview create
        authorization.k8s.io/v1 SubjectAccessReview subjectaccessreviews cluster authorization.v1.SubjectAccessReview create
        autoscaling/v2 HorizontalPodAutoscaler horizontalpodautoscalers namespaced autoscaling.v2.HorizontalPodAutoscaler short=hpa cat=all sub=status
        batch/v1 CronJob cronjobs namespaced batch.v1.CronJob short=cj cat=all sub=status
        batch/v1 Job jobs namespaced batch.v1.Job cat=all sub=status fields=status.successful
        networking.k8s.io/v1 Ingress ingresses namespaced networking.v1.Ingress short=ing sub=status
        networking.k8s.io/v1 IngressClass ingressclasses cluster networking.v1.IngressClass
        networking.k8s.io/v1 NetworkPolicy networkpolicies namespaced networking.v1.NetworkPolicy short=netpol
        policy/v1 PodDisruptionBudget poddisruptionbudgets namespaced policy.v1.PodDisruptionBudget short=pdb sub=status
        rbac.authorization.k8s.io/v1 ClusterRole clusterroles cluster rbac.v1.ClusterRole
        rbac.authorization.k8s.io/v1 ClusterRoleBinding clusterrolebindings cluster rbac.v1.ClusterRoleBinding
        rbac.authorization.k8s.io/v1 Role roles namespaced rbac.v1.Role
        rbac.authorization.k8s.io/v1 RoleBinding rolebindings namespaced rbac.v1.RoleBinding
        storage.k8s.io/v1 CSIDriver csidrivers cluster storage.v1.CSIDriver
        storage.k8s.io/v1 CSINode csinodes cluster storage.v1.CSINode
        storage.k8s.io/v1 CSIStorageCapacity csistoragecapacities namespaced storage.v1.CSIStorageCapacity
        storage.k8s.io/v1 StorageClass storageclasses cluster storage.v1.StorageClass short=sc
        storage.k8s.io/v1 VolumeAttachment volumeattachments cluster storage.v1.VolumeAttachment sub=status
        admissionregistration.k8s.io/v1 MutatingWebhookConfiguration mutatingwebhookconfigurations cluster admissionregistration.v1.MutatingWebhookConfiguration cat=api-extensions
        admissionregistration.k8s.io/v1 ValidatingWebhookConfiguration validatingwebhookconfigurations cluster admissionregistration.v1.ValidatingWebhookConfiguration cat=api-extensions
        apiextensions.k8s.io/v1 CustomResourceDefinition customresourcedefinitions cluster apiextensions.v1.CustomResourceDefinition short=crd,crds cat=api-extensions sub=status
        scheduling.k8s.io/v1 PriorityClass priorityclasses cluster scheduling.v1.PriorityClass short=pc
        coordination.k8s.io/v1 Lease leases namespaced coordination.v1.Lease upsert
        node.k8s.io/v1 RuntimeClass runtimeclasses cluster node.v1.RuntimeClass
        discovery.k8s.io/v1 EndpointSlice endpointslices namespaced discovery.v1.EndpointSlice
        """
}
