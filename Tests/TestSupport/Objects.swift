package import KubeCore

/// Small objects with sensible defaults.
extension KubeObject {
    package static func namespace(_ name: String, labels: [String: String] = [:]) -> KubeObject {
        KubeObject(.namespaces, name: name, labels: labels)
    }

    package static func configMap(
        _ name: String,
        namespace: String = "default",
        labels: [String: String] = [:],
        data: [String: String] = [:]
    ) -> KubeObject {
        KubeObject(.configMaps, namespace: namespace, name: name, labels: labels, body: ["data": JSON(data)])
    }

    package static func secret(
        _ name: String,
        namespace: String = "default",
        type: String = "Opaque",
        strings: [String: String] = [:]
    ) -> KubeObject {
        KubeObject(
            .secrets,
            namespace: namespace,
            name: name,
            body: ["type": .string(type), "stringData": JSON(strings)]
        )
    }

    package static func pod(
        _ name: String,
        namespace: String = "default",
        labels: [String: String] = [:],
        image: String = "busybox",
        command: [String] = [],
        node: String? = nil,
        requests: [String: String] = [:]
    ) -> KubeObject {
        var spec: [String: JSON] = [
            "containers": [container(image: image, command: command, requests: requests)], "restartPolicy": "Always",
        ]
        if let node { spec["nodeName"] = .string(node) }
        return KubeObject(.pods, namespace: namespace, name: name, labels: labels, body: ["spec": .object(spec)])
    }

    package static func deployment(
        _ name: String,
        namespace: String = "default",
        replicas: Int = 1,
        image: String = "busybox",
        command: [String] = []
    ) -> KubeObject {
        let labels = ["app": name]
        let template: JSON = [
            "metadata": ["labels": JSON(labels)], "spec": ["containers": [container(image: image, command: command)]],
        ]
        let spec: JSON = [
            "replicas": JSON(replicas), "selector": ["matchLabels": JSON(labels)], "template": template,
        ]
        return KubeObject(.deployments, namespace: namespace, name: name, labels: labels, body: ["spec": spec])
    }

    package static func service(
        _ name: String,
        namespace: String = "default",
        selector: [String: String],
        port: Int = 80
    ) -> KubeObject {
        let spec: JSON = ["selector": JSON(selector), "ports": [["port": JSON(port), "protocol": "TCP"]]]
        return KubeObject(.services, namespace: namespace, name: name, body: ["spec": spec])
    }

    package static func node(
        _ name: String,
        cpu: String = "4",
        memory: String = "8Gi",
        pods: String = "110"
    ) -> KubeObject {
        let capacity: JSON = ["cpu": .string(cpu), "memory": .string(memory), "pods": .string(pods)]
        let status: JSON = [
            "capacity": capacity, "allocatable": capacity, "conditions": [["type": "Ready", "status": "True"]],
        ]
        return KubeObject(
            .nodes,
            name: name,
            labels: ["kubernetes.io/hostname": name],
            body: ["spec": [:], "status": status]
        )
    }

    package static func serviceAccount(_ name: String, namespace: String = "default") -> KubeObject {
        KubeObject(.serviceAccounts, namespace: namespace, name: name)
    }

    private static func container(
        image: String,
        command: [String],
        requests: [String: String] = [:]
    ) -> JSON {
        var container: [String: JSON] = ["name": "main", "image": .string(image)]
        if !command.isEmpty { container["command"] = JSON(command) }
        if !requests.isEmpty { container["resources"] = ["requests": JSON(requests)] }
        return .object(container)
    }
}
