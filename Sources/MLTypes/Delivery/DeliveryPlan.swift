package import KubeCore
internal import Crypto

/// Builds the parts of a pod that bring our binary, the user's files and the Python environment into place.
///
/// Pure.
///
/// Every pod of a job or deployment has the same shape on every cluster: an init container of our image that copies the binary
/// and downloads files, an init container of the user's image that prepares the Python environment (only with a conda file;
/// cached where the cluster says), then the user's container.
package struct DeliveryPlan: Sendable {
    /// Settings of the cluster, the same for all pods.
    package struct Cluster: Sendable, Hashable {
        /// Our own image.
        package var image: String
        /// Where Python environments are kept.
        package var environmentCache: EnvironmentCache
        /// Secret of the workload's namespace with credentials of the registry that holds our image; nil when it needs none.
        package var imagePullSecret: String?

        package init(image: String, environmentCache: EnvironmentCache, imagePullSecret: String? = nil) {
            self.image = image
            self.environmentCache = environmentCache
            self.imagePullSecret = imagePullSecret
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

    /// `spec.imagePullSecrets`; nil when none is needed.
    package var imagePullSecrets: JSON? { cluster.imagePullSecret.map { [["name": .string($0)]] } }

    /// `spec.initContainers`.
    package var initContainers: [JSON] {
        let small: JSON = [
            "requests": ["cpu": "10m", "memory": "64Mi"], "limits": ["cpu": "2", "memory": "2Gi"],
        ]
        var containers: [JSON] = [
            [
                "name": "storage-initializer", "image": .string(cluster.image), "imagePullPolicy": "IfNotPresent",
                "command": ["/usr/local/bin/outrigger", "component", "storage-initializer"],
                "resources": small, "volumeMounts": .array(baseMounts),
                "terminationMessagePolicy": "FallbackToLogsOnError",
            ]
        ]
        if let hash = environmentHash {
            containers.append([
                "name": "environment-prepare", "image": .string(environment.image),
                "command": JSON(RuntimePaths.program + ["component", "environment-prepare", "--hash", hash]),
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
            // Readable by whatever user an image runs as; nobody else is in the pod.
            ["name": "outrigger-token", "secret": ["secretName": .string(tokenSecret), "defaultMode": 0o444]],
        ]
        if environmentHash != nil {
            volumes.append(
                .object(cluster.environmentCache.volumeSource.merging(["name": "azureml-envs"]) { $1 })
            )
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
