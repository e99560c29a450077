package import KubeCore
internal import Crypto

/// Builds the parts of a pod that bring our binary, the user's files and the Python environment into place.
///
/// Pure.
///
/// Every pod of a job or deployment has the same shape on every cluster: an init container of our image that copies the binary
/// and downloads files, an init container of the user's image that prepares the Python environment (only with a conda file;
/// cached on the node), then the user's container.
package struct DeliveryPlan: Sendable {
    /// Settings of the cluster, the same for all pods.
    package struct Cluster: Sendable, Hashable {
        /// Our own image.
        package var image: String
        /// Folder on the node that keeps Python environments.
        package var environmentCachePath: String

        package init(image: String, environmentCachePath: String) {
            self.image = image
            self.environmentCachePath = environmentCachePath
        }
    }

    package var cluster: Cluster
    package var environment: EnvironmentSpec
    package var manifest: DeliveryManifest
    package var caPEM: String
    package var tokenSecret: String
    /// Name of the ConfigMap that holds the manifest.
    package var configMapName: String

    package init(
        cluster: Cluster,
        environment: EnvironmentSpec,
        manifest: DeliveryManifest,
        caPEM: String,
        tokenSecret: String,
        configMapName: String
    ) {
        self.cluster = cluster
        self.environment = environment
        self.manifest = manifest
        self.caPEM = caPEM
        self.tokenSecret = tokenSecret
        self.configMapName = configMapName
    }

    /// Content hash of the environment: 32 hex digits over image and conda file; nil when nothing is to be installed.
    package var environmentHash: String? {
        guard let conda = environment.condaFile, !conda.isEmpty else { return nil }
        let digest = SHA256.hash(data: Array((environment.image + "\n" + conda).utf8))
        let hexadecimal = digest.map { byte -> String in
            let text = String(byte, radix: 16)
            return text.count == 1 ? "0" + text : text
        }
        return String(hexadecimal.joined().prefix(32))
    }

    /// Folder of the Python environment inside the pod; nil when nothing is to be installed.
    package var environmentPath: String? { environmentHash.map { RuntimePaths.environments + "/" + $0 } }

    /// Contents of the ConfigMap; operators add keys of their own.
    package func configMapData() throws -> [String: String] {
        var data = ["delivery.json": try JSON(encoding: manifest).text, "ca.pem": caPEM]
        if let conda = environment.condaFile { data["conda.yml"] = conda }
        return data
    }

    /// `spec.initContainers`.
    package var initContainers: [JSON] {
        let small: JSON = [
            "requests": ["cpu": "10m", "memory": "64Mi"], "limits": ["cpu": "2", "memory": "2Gi"],
        ]
        var containers: [JSON] = [
            [
                "name": "storage-initializer", "image": .string(cluster.image),
                "command": ["/usr/local/bin/outrigger", "component", "storage-initializer"],
                "resources": small, "volumeMounts": .array(baseMounts),
                "terminationMessagePolicy": "FallbackToLogsOnError",
            ]
        ]
        if let hash = environmentHash {
            containers.append([
                "name": "environment-prepare", "image": .string(environment.image),
                "command": .array([
                    .string(RuntimePaths.binary), "component", "environment-prepare", "--hash", .string(hash),
                ]),
                "resources": small, "terminationMessagePolicy": "FallbackToLogsOnError",
                "volumeMounts": .array(baseMounts + [environmentMount(isReadOnly: false)]),
            ])
        }
        return containers
    }

    /// `volumeMounts` of the user's container.
    package var mounts: [JSON] {
        environmentHash == nil ? baseMounts : baseMounts + [environmentMount(isReadOnly: true)]
    }

    /// `spec.volumes`.
    package var volumes: [JSON] {
        var volumes: [JSON] = [
            ["name": "outrigger", "emptyDir": [:]],
            ["name": "outrigger-config", "configMap": ["name": .string(configMapName)]],
            ["name": "outrigger-token", "secret": ["secretName": .string(tokenSecret), "defaultMode": 256]],
        ]
        if environmentHash != nil {
            volumes.append([
                "name": "azureml-envs",
                "hostPath": ["path": .string(cluster.environmentCachePath), "type": "DirectoryOrCreate"],
            ])
        }
        return volumes
    }

    private var baseMounts: [JSON] {
        [
            ["name": "outrigger", "mountPath": .string(RuntimePaths.root)],
            ["name": "outrigger-config", "mountPath": .string(RuntimePaths.configuration), "readOnly": true],
            ["name": "outrigger-token", "mountPath": .string(RuntimePaths.token), "readOnly": true],
        ]
    }

    private func environmentMount(isReadOnly: Bool) -> JSON {
        ["name": "azureml-envs", "mountPath": .string(RuntimePaths.environments), "readOnly": .bool(isReadOnly)]
    }
}
