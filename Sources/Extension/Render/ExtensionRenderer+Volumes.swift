internal import KubeCore

extension ExtensionRenderer {
    /// A Secret that a component reads as files.
    private struct SecretVolume {
        var name: String
        var secret: String
        var path: String
        /// All when empty.
        var items: [String] = []
        /// The pod starts before the Secret exists, and sees it when it does.
        var isOptional = false
    }

    func mounts(_ component: Component) -> [JSON] {
        var mounts: [JSON] = [
            ["name": "tmp", "mountPath": "/tmp"],
            ["name": "control-plane", "mountPath": "/etc/outrigger/control-plane", "readOnly": true],
        ]
        // Whole folders: a file mounted alone would never be renewed.
        for secret in secretVolumes(component) {
            mounts.append(["name": .string(secret.name), "mountPath": .string(secret.path), "readOnly": true])
        }
        return mounts
    }

    func volumes(_ component: Component) -> [JSON] {
        var volumes: [JSON] = [
            ["name": "tmp", "emptyDir": [:]],
            [
                "name": "control-plane",
                "configMap": [
                    "name": .string(Self.controlPlaneConfigMap), "defaultMode": 0o444,
                    "items": [["key": "ca.pem", "path": "ca.pem"], ["key": "url", "path": "url"]],
                ],
            ],
        ]
        for secret in secretVolumes(component) {
            var source: [String: JSON] = [
                "secretName": .string(secret.secret),
                // Readable by the pod's group only.
                "defaultMode": JSON(input.profile.runAsUser == nil ? 0o400 : 0o440),
            ]
            if !secret.items.isEmpty {
                source["items"] = .array(secret.items.map { ["key": .string($0), "path": .string($0)] })
            }
            if secret.isOptional { source["optional"] = true }
            volumes.append(["name": .string(secret.name), "secret": .object(source)])
        }
        return volumes
    }

    private func secretVolumes(_ component: Component) -> [SecretVolume] {
        let token = SecretVolume(
            name: "gateway-token",
            secret: Self.gatewayTokenSecret,
            path: ComponentEnvironment.gatewayTokenFolder
        )
        switch component.nameTemplate {
        case ComponentCatalogue.gateway.nameTemplate:
            return [
                SecretVolume(
                    name: "gateway-tls",
                    secret: Self.gatewayTLSSecret,
                    path: ComponentEnvironment.gatewayTLSFolder
                ), token,
            ]
        case ComponentCatalogue.relayServer.nameTemplate:
            return [
                SecretVolume(
                    name: "gateway-tls",
                    secret: Self.gatewayTLSSecret,
                    path: ComponentEnvironment.gatewayTLSFolder,
                    // It is a client of the gateway: the key is none of its business.
                    items: ["ca.crt"]
                ), token,
                SecretVolume(
                    name: "relay-token",
                    secret: Self.relayTokenSecret,
                    path: ComponentEnvironment.relayTokenFolder,
                    isOptional: true
                ),
            ]
        case ComponentCatalogue.volcanoAdmission.nameTemplate:
            return [
                SecretVolume(
                    name: "admission-tls",
                    secret: Self.admissionTLSSecret,
                    path: ComponentEnvironment.admissionTLSFolder
                )
            ]
        case ComponentCatalogue.router.nameTemplate:
            let secret = input.settings.certificatePair != nil ? Self.routerTLSSecret : input.settings.sslSecret
            return secret.map {
                [SecretVolume(name: "tls", secret: $0, path: ComponentEnvironment.routerTLSFolder)]
            } ?? []
        default: return []
        }
    }
}
