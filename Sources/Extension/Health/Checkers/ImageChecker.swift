internal import KubeCore

/// Images: the Secret to pull them with, and pods that wait for one.
enum ImageChecker {
    private static let reasons: Set<String> = [
        "ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable",
    ]

    static func run(_ input: HealthInput) throws -> [HealthCheck] {
        var checks: [HealthCheck] = []
        if let name = input.settings.imagePullSecret {
            let checked = "the Secret to pull images with is there (imagePullSecret)"
            if let secret = try input.observation.secrets.get()[name] ?? nil {
                checks.append(pullSecret(secret, checked))
            } else {
                checks.append(
                    .failed(
                        "imagePullSecret",
                        .imagePull,
                        checked: checked,
                        found: "Secret '\(name)' does not exist in namespace \(ExtensionRenderer.namespace)",
                        fix:
                            "Create it with `kubectl create secret docker-registry \(name) -n \(ExtensionRenderer.namespace) …`"
                    )
                )
            }
        }
        let checked = "no pod waits for an image"
        let failing = try input.observation.pods.get().compactMap(problem)
        if let first = failing.first {
            checks.append(
                .warning(
                    "images",
                    .imagePull,
                    checked: checked,
                    found: first + (failing.count > 1 ? ", and \(failing.count - 1) more" : ""),
                    fix: "Make the image available, or set imageRegistry and imagePullSecret"
                )
            )
        } else {
            checks.append(.passed("images", checked: checked, found: "none does"))
        }
        return checks
    }

    private static func pullSecret(_ secret: KubeObject, _ checked: String) -> HealthCheck {
        let type = secret["type"]?.stringValue ?? ""
        guard ["kubernetes.io/dockerconfigjson", "kubernetes.io/dockercfg"].contains(type) else {
            return .failed(
                "imagePullSecret",
                .imagePull,
                checked: checked,
                found: "Secret '\(secret.name)' is of type '\(type)', with which no image is pulled",
                fix: "Create it with `kubectl create secret docker-registry`"
            )
        }
        return .passed("imagePullSecret", checked: checked, found: "it is")
    }

    /// `pod x: image y: ErrImagePull, …`; nil when no image is the matter.
    static func problem(_ pod: KubeObject) -> String? {
        for status in ComponentReadiness.containerStatuses(pod) {
            guard let waiting = status[path: "state", "waiting"], let reason = waiting["reason"]?.stringValue,
                reasons.contains(reason)
            else { continue }
            let message = waiting["message"]?.stringValue ?? ""
            return "pod \(pod.name): image \(status["image"]?.stringValue ?? "?"): \(reason)"
                + (message.isEmpty ? "" : ", " + message.prefix(200))
        }
        return nil
    }
}
