/// Names of the environment variables and files by which components learn their configuration.
///
/// `outrigger component NAME` reads them; the renderer writes them.
package enum ComponentEnvironment {
    /// Port of /healthz, /readyz and /metrics.
    package static let healthPort = "OUTRIGGER_HEALTH_PORT"
    /// Name, namespace, address of the pod, and node.
    package static let podName = "OUTRIGGER_POD_NAME"
    package static let podNamespace = "OUTRIGGER_POD_NAMESPACE"
    package static let podIP = "OUTRIGGER_POD_IP"
    package static let nodeName = "OUTRIGGER_NODE_NAME"
    /// Image of first-party containers, for init containers and sidecars.
    package static let image = "OUTRIGGER_IMAGE"
    package static let controlPlaneURL = "OUTRIGGER_CONTROL_PLANE_URL"
    /// Text form of an `EnvironmentCache`.
    package static let environmentCache = "OUTRIGGER_ENVIRONMENT_CACHE"
    /// Name of the Secret with which images are pulled; workloads need one of that name in their own namespace.
    package static let imagePullSecret = "OUTRIGGER_IMAGE_PULL_SECRET"
    /// `managedClusters` or `connectedClusters`.
    package static let clusterType = "OUTRIGGER_CLUSTER_TYPE"
    /// JSON object of labels that user workloads must be placed on.
    package static let workloadNodeSelector = "OUTRIGGER_WORKLOAD_NODE_SELECTOR"
    /// JSON array of tolerations of user workloads.
    package static let workloadTolerations = "OUTRIGGER_WORKLOAD_TOLERATIONS"
    /// `True`: jobs that no node can hold now are accepted.
    package static let skipResourceValidation = "OUTRIGGER_SKIP_RESOURCE_VALIDATION"
    /// ConfigMap with the gang scheduler's configuration, in the pod's namespace.
    package static let schedulerConfigMap = "OUTRIGGER_SCHEDULER_CONFIG_MAP"
    /// `http` or `https`: the scheme of scoring addresses.
    package static let scoringScheme = "OUTRIGGER_SCORING_SCHEME"
    /// Host of scoring addresses; absent = the router's service address.
    package static let scoringHost = "OUTRIGGER_SCORING_HOST"
    /// The router's service, `namespace/name`.
    package static let routerService = "OUTRIGGER_ROUTER_SERVICE"
    /// Ports the router listens on: HTTP only with `allowInsecureConnections`, HTTPS only with a certificate.
    package static let routerHTTPPort = "OUTRIGGER_ROUTER_HTTP_PORT"
    package static let routerHTTPSPort = "OUTRIGGER_ROUTER_HTTPS_PORT"
    /// `True`: scoring requests over HTTP are served.
    package static let allowInsecureConnections = "OUTRIGGER_ALLOW_INSECURE_CONNECTIONS"
    /// How many routers run.
    package static let routerReplicas = "OUTRIGGER_ROUTER_REPLICAS"
    /// Port of the gateway.
    package static let gatewayPort = "OUTRIGGER_GATEWAY_PORT"
    /// Port of Volcano's webhooks.
    package static let admissionPort = "OUTRIGGER_ADMISSION_PORT"

    /// CA of the control plane, PEM; every component has it.
    package static let controlPlaneCAFile = "/etc/outrigger/control-plane/ca.pem"
    /// Folder with `cert.pem`/`key.pem` or `tls.crt`/`tls.key`; only the router has it.
    package static let routerTLSFolder = "/etc/outrigger/tls"
    /// Files `tls.crt`, `tls.key` and `ca.crt` for the gateway; `ca.crt` alone for the relay.
    package static let gatewayTLSFolder = "/etc/outrigger/gateway-tls"
    static let gatewayTokenFolder = "/etc/outrigger/gateway-token"
    /// File with the gateway's bearer token; the gateway and the relay have it.
    package static let gatewayTokenFile = gatewayTokenFolder + "/token"
    /// Files `tls.crt` and `tls.key` of Volcano's webhooks.
    package static let admissionTLSFolder = "/etc/outrigger/admission-tls"
    static let relayTokenFolder = "/etc/outrigger/relay-token"
    /// File with the token that opens the relay's tunnel; absent until the agent has fetched one, and renewed by it.
    package static let relayTokenFile = relayTokenFolder + "/token"
}
