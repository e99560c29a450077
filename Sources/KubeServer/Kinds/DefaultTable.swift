// swift-format-ignore-file: a table, one row a line.

internal import KubeCore

/// Defaults that depend on nothing else: message, then `field=JSON` words.
enum DefaultTable {
    /// By message and field.
    static let values: [String: [String: JSON]] = {
        var result: [String: [String: JSON]] = [:]
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            for word in words.dropFirst() {
                let parts = word.split(separator: "=", maxSplits: 1)
                guard parts.count == 2, let value = try? JSON(parsing: String(parts[1])) else { continue }
                result[String(words[0]), default: [:]][String(parts[0])] = value
            }
        }
        return result
    }()

    private static let text = #"""
        core.v1.PodSpec restartPolicy="Always" dnsPolicy="ClusterFirst" terminationGracePeriodSeconds=30 securityContext={} schedulerName="default-scheduler"
        core.v1.Container terminationMessagePath="/dev/termination-log" terminationMessagePolicy="File"
        core.v1.EphemeralContainer terminationMessagePath="/dev/termination-log" terminationMessagePolicy="File"
        core.v1.Probe timeoutSeconds=1 periodSeconds=10 successThreshold=1 failureThreshold=3
        core.v1.HTTPGetAction path="/" scheme="HTTP"
        core.v1.SecretVolumeSource defaultMode=420
        core.v1.ConfigMapVolumeSource defaultMode=420
        core.v1.DownwardAPIVolumeSource defaultMode=420
        core.v1.ProjectedVolumeSource defaultMode=420
        core.v1.ServiceAccountTokenProjection expirationSeconds=3600
        core.v1.HostPathVolumeSource type=""
        core.v1.AzureDiskVolumeSource kind="Shared" cachingMode="ReadWrite"
        core.v1.ObjectFieldSelector apiVersion="v1"
        core.v1.PersistentVolumeSpec persistentVolumeReclaimPolicy="Retain" volumeMode="Filesystem"
        core.v1.PersistentVolumeClaimSpec volumeMode="Filesystem"
        core.v1.EndpointPort protocol="TCP"
        core.v1.Secret type="Opaque"
        core.v1.ServiceSpec sessionAffinity="None" type="ClusterIP"
        core.v1.ReplicationControllerSpec replicas=1
        apps.v1.DeploymentSpec replicas=1 strategy={} revisionHistoryLimit=10 progressDeadlineSeconds=600
        apps.v1.DeploymentStrategy type="RollingUpdate"
        apps.v1.RollingUpdateDeployment maxUnavailable="25%" maxSurge="25%"
        apps.v1.ReplicaSetSpec replicas=1
        apps.v1.DaemonSetSpec updateStrategy={} revisionHistoryLimit=10
        apps.v1.DaemonSetUpdateStrategy type="RollingUpdate"
        apps.v1.RollingUpdateDaemonSet maxUnavailable=1 maxSurge=0
        apps.v1.StatefulSetSpec replicas=1 podManagementPolicy="OrderedReady" updateStrategy={} revisionHistoryLimit=10 persistentVolumeClaimRetentionPolicy={}
        apps.v1.StatefulSetUpdateStrategy type="RollingUpdate"
        apps.v1.RollingUpdateStatefulSetStrategy partition=0
        apps.v1.StatefulSetPersistentVolumeClaimRetentionPolicy whenDeleted="Retain" whenScaled="Retain"
        batch.v1.CronJobSpec concurrencyPolicy="Allow" suspend=false successfulJobsHistoryLimit=3 failedJobsHistoryLimit=1
        batch.v1.PodFailurePolicyOnPodConditionsPattern status="True"
        autoscaling.v1.HorizontalPodAutoscalerSpec minReplicas=1
        autoscaling.v2.HorizontalPodAutoscalerSpec minReplicas=1
        networking.v1.NetworkPolicyPort protocol="TCP"
        networking.v1.IngressClassParametersReference scope="Cluster"
        storage.v1.StorageClass reclaimPolicy="Delete" volumeBindingMode="Immediate"
        storage.v1.CSIDriverSpec attachRequired=true podInfoOnMount=false storageCapacity=false fsGroupPolicy="ReadWriteOnceWithFSType" volumeLifecycleModes=["Persistent"] requiresRepublish=false seLinuxMount=false
        scheduling.v1.PriorityClass preemptionPolicy="PreemptLowerPriority"
        discovery.v1.EndpointPort name="" protocol="TCP"
        authentication.v1.TokenRequestSpec expirationSeconds=3600
        admissionregistration.v1.MutatingWebhook failurePolicy="Fail" matchPolicy="Equivalent" namespaceSelector={} objectSelector={} timeoutSeconds=10 reinvocationPolicy="Never"
        admissionregistration.v1.ValidatingWebhook failurePolicy="Fail" matchPolicy="Equivalent" namespaceSelector={} objectSelector={} timeoutSeconds=10
        admissionregistration.v1.RuleWithOperations scope="*"
        admissionregistration.v1.ServiceReference port=443
        apiextensions.v1.ServiceReference port=443
        apiextensions.v1.CustomResourceDefinitionSpec conversion={}
        apiextensions.v1.CustomResourceConversion strategy="None"
        apiregistration.v1.ServiceReference port=443
        """#
}
