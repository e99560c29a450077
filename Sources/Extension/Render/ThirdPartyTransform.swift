internal import Crypto
internal import Foundation
internal import KubeCore

/// Objects of an upstream release → objects of the extension.
///
/// Pure, and by structure only: each change is of a field that Kubernetes or the release defines; text is never searched.
struct ThirdPartyTransform: Sendable {
    /// When an object is applied.
    enum Stage: Sendable, Hashable {
        case definitions, accounts, services, workloads
        /// What may stop others from being written until its pods run.
        case last
    }

    struct Staged: Sendable {
        var stage: Stage
        var object: RenderedObject
    }

    struct Result: Sendable {
        var objects: [Staged] = []
        var problems: [SettingProblem] = []
    }

    let bundle: ThirdPartyBundle
    let extensionName: String
    let settings: ExtensionSettings
    /// On every object.
    let labels: [String: String]
    let nodeSelector: [String: String]
    let tolerations: JSON
    let usesFixedUsers: Bool

    /// In front of the names of cluster-scoped roles, so that an installation of the cluster's own keeps its.
    static let rolePrefix = "azureml:"

    func transform(_ objects: [KubeObject]) -> Result {
        let flat = objects.flatMap(Self.flattened)
        let kinds = ObjectKinds(flat)
        var result = Result()
        for object in flat where object.kind != "Namespace" {
            guard let type = kinds.type(of: object) else {
                result.problems.append(
                    problem(
                        "\(object.kind) '\(object.name)' is of a kind that is neither built in nor part of the release"
                    )
                )
                continue
            }
            if let text = refusal(object) {
                result.problems.append(problem(text))
                continue
            }
            let changed = change(object, type)
            result.objects.append(Staged(stage: Self.stage(changed.kind), object: RenderedObject(type, changed)))
        }
        return result
    }

    private static func flattened(_ object: KubeObject) -> [KubeObject] {
        guard object.kind.hasSuffix("List"), let items = object["items"]?.arrayValue else { return [object] }
        return items.map(KubeObject.init)
    }

    private func problem(_ text: String) -> SettingProblem {
        SettingProblem(
            .bundleInvalid,
            bundle.reference.component,
            "bundle \(bundle.reference): \(text)",
            remedy: "Run `outrigger bundle pull \(bundle.reference.component)`"
        )
    }

    /// The agent has leave to write the roles of the known release only.
    private func refusal(_ object: KubeObject) -> String? {
        switch object.kind {
        case "ClusterRole" where !bundle.clusterRoles.contains(object.name),
            "Role" where !bundle.roles.contains(object.name):
            "\(object.kind) '\(object.name)' is not one of this release's known roles"
        default: nil
        }
    }

    private static func stage(_ kind: String) -> Stage {
        switch kind {
        case "CustomResourceDefinition": .definitions
        case "ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding", "ConfigMap", "Secret",
            "PriorityClass":
            .accounts
        case "Service": .services
        case "Deployment", "DaemonSet", "StatefulSet", "Job", "CronJob", "PodDisruptionBudget": .workloads
        default: .last
        }
    }

    // MARK: One object

    private func change(_ object: KubeObject, _ type: ResourceType) -> KubeObject {
        var object = object
        object["status"] = nil
        for field in ["creationTimestamp", "managedFields", "resourceVersion", "uid", "generation", "selfLink"] {
            object["metadata", field] = nil
        }
        object.name = newName(object.name, kind: object.kind)
        object.namespace = type.isNamespaced ? ExtensionRenderer.namespace : nil
        // Upstream's own labels stay, for others select by them.
        var merged = labels.merging(object.labels) { $1 }
        for name in [ExtensionRenderer.managedByLabel, ExtensionRenderer.instanceLabel] { merged[name] = labels[name] }
        merged[ExtensionRenderer.bundleLabel] = bundle.reference.component
        object.labels = merged
        switch object.kind {
        case "ClusterRoleBinding", "RoleBinding": changeBinding(&object)
        case "MutatingWebhookConfiguration", "ValidatingWebhookConfiguration": changeWebhooks(&object)
        case "CustomResourceDefinition":
            changeService(&object.json, ["spec", "conversion", "webhook", "clientConfig", "service"])
        case "APIService": changeService(&object.json, ["spec", "service"])
        default: break
        }
        if let path = PodTemplate.path(object.kind) {
            let component = component(named: object.name)
            var template = object.json[path: path] ?? [:]
            changeTemplate(&template, component)
            object.json[path: path] = template
            // One selector for upstream's pods and our stand-ins': it cannot change, and one may replace the other.
            if let component, object.kind != "Job" {
                object["spec", "selector"] = [
                    "matchLabels": [
                        ExtensionRenderer.componentLabel: .string(component.name(extensionName: extensionName))
                    ]
                ]
            }
        }
        if object.kind == "Job" { keepForGood(&object) }
        return object
    }

    /// Names that a program looks up by itself, such as those of webhooks, stay.
    private func newName(_ name: String, kind: String) -> String {
        switch kind {
        case "ClusterRole", "ClusterRoleBinding": Self.rolePrefix + name
        case "ServiceAccount", "Service", "Deployment", "DaemonSet", "StatefulSet", "ServiceMonitor":
            bundle.names[name]?.replacing("{EXT}", with: extensionName) ?? name
        default: name
        }
    }

    private func newNamespace(_ namespace: String) -> String {
        namespace == bundle.namespace ? ExtensionRenderer.namespace : namespace
    }

    private func component(named name: String) -> Component? {
        ComponentCatalogue.all.first { $0.name(extensionName: extensionName) == name }
    }

    private func changeBinding(_ object: inout KubeObject) {
        let subjects = (object["subjects"]?.arrayValue ?? []).map { subject -> JSON in
            guard subject["kind"]?.stringValue == "ServiceAccount" else { return subject }
            var subject = subject
            subject["name"] = .string(newName(subject["name"]?.stringValue ?? "", kind: "ServiceAccount"))
            subject["namespace"] = .string(ExtensionRenderer.namespace)
            return subject
        }
        object["subjects"] = .array(subjects)
        let kind = object["roleRef", "kind"]?.stringValue ?? ""
        // The cluster's own roles keep their names.
        if let role = object["roleRef", "name"]?.stringValue, bundle.clusterRoles.contains(role) {
            object["roleRef", "name"] = .string(newName(role, kind: kind))
        }
    }

    private func changeService(_ value: inout JSON, _ path: [String]) {
        guard let service = value[path: path] else { return }
        if let name = service["name"]?.stringValue {
            value[path: path + ["name"]] = .string(newName(name, kind: "Service"))
        }
        value[path: path + ["namespace"]] = .string(ExtensionRenderer.namespace)
    }

    private func changeWebhooks(_ object: inout KubeObject) {
        let webhooks = (object["webhooks"]?.arrayValue ?? []).map { webhook -> JSON in
            var webhook = webhook
            changeService(&webhook, ["clientConfig", "service"])
            let expressions = webhook[path: "namespaceSelector", "matchExpressions"]?.arrayValue
            if let expressions {
                webhook[path: "namespaceSelector", "matchExpressions"] = .array(
                    expressions.map { expression in
                        var expression = expression
                        if let values = expression["values"]?.stringArray {
                            expression["values"] = JSON(values.map(newNamespace))
                        }
                        return expression
                    }
                )
            }
            return webhook
        }
        object["webhooks"] = .array(webhooks)
    }

    /// A finished Job that vanished would be made again and again; a Job cannot change, so another content is another Job.
    private func keepForGood(_ object: inout KubeObject) {
        object["spec", "ttlSecondsAfterFinished"] = nil
        let digest = SHA256.hash(data: Data((object["spec"] ?? [:]).text.utf8))
        let suffix = digest.prefix(4).map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
        object.name += "-" + suffix
    }

    // MARK: Pods

    private func changeTemplate(_ template: inout JSON, _ component: Component?) {
        template[path: "metadata", "creationTimestamp"] = nil
        var podLabels = template[path: "metadata", "labels"]?.stringMap ?? [:]
        podLabels.merge(ExtensionRenderer.systemLabels) { $1 }
        if let component { podLabels[ExtensionRenderer.componentLabel] = component.name(extensionName: extensionName) }
        template[path: "metadata", "labels"] = JSON(podLabels)
        var spec = template["spec"] ?? [:]
        // The older of the two names for it.
        if let account = spec["serviceAccountName"]?.stringValue ?? spec["serviceAccount"]?.stringValue {
            spec["serviceAccountName"] = .string(newName(account, kind: "ServiceAccount"))
        }
        spec["serviceAccount"] = nil
        // Clusters may keep these classes for their own namespaces.
        if spec["priorityClassName"]?.stringValue?.hasPrefix("system-") == true { spec["priorityClassName"] = nil }
        spec["nodeSelector"] = JSON((spec["nodeSelector"]?.stringMap ?? [:]).merging(nodeSelector) { $1 })
        spec["tolerations"] = .array((spec["tolerations"]?.arrayValue ?? []) + (tolerations.arrayValue ?? []))
        if let secret = settings.imagePullSecret { spec["imagePullSecrets"] = [["name": .string(secret)]] }
        if !usesFixedUsers { Self.dropUsers(&spec, ["securityContext"]) }
        for list in ["initContainers", "containers"] {
            guard let containers = spec[list]?.arrayValue else { continue }
            spec[list] = .array(
                containers.enumerated().map { index, container in
                    changeContainer(container, list == "containers" && index == 0 ? component : nil)
                }
            )
        }
        if let volumes = spec["volumes"]?.arrayValue { spec["volumes"] = .array(volumes.map(changeVolume)) }
        template["spec"] = spec
    }

    private static func dropUsers(_ value: inout JSON, _ path: [String]) {
        // Root is asked for on purpose and needs a security context constraint that allows it.
        guard value[path: path + ["runAsUser"]]?.intValue != 0 else { return }
        for field in ["runAsUser", "runAsGroup", "fsGroup"] where value[path: path + [field]] != nil {
            value[path: path + [field]] = nil
        }
        if value[path: path + ["seLinuxOptions"]] != nil { value[path: path + ["seLinuxOptions"]] = nil }
    }

    private func changeVolume(_ volume: JSON) -> JSON {
        guard let wanted = settings.volcanoSchedulerConfigMap,
            bundle.reference == ThirdPartyBundle.volcano.reference,
            volume[path: "configMap", "name"]?.stringValue == "volcano-scheduler-configmap"
        else { return volume }
        var volume = volume
        volume[path: "configMap", "name"] = .string(wanted)
        return volume
    }

    private func changeContainer(_ container: JSON, _ component: Component?) -> JSON {
        var container = container
        if let image = container["image"]?.stringValue {
            container["image"] = .string(ImageName.rewritten(image, registry: settings.imageRegistry))
            // Pinned: pulling what is there already gives the same.
            let suffix = ImageName(image).suffix
            if !suffix.isEmpty, suffix != ":latest" { container["imagePullPolicy"] = "IfNotPresent" }
        }
        for field in ["args", "command"] {
            if let words = container[field]?.stringArray { container[field] = JSON(changeArguments(words)) }
        }
        if let added = component.flatMap({ bundle.addedArguments[$0.nameTemplate] }) {
            container["args"] = JSON((container["args"]?.stringArray ?? []) + added)
        }
        if let variables = container["env"]?.arrayValue {
            container["env"] = .array(
                variables.map { variable in
                    guard variable["name"]?.stringValue?.uppercased().contains("NAMESPACE") == true,
                        let value = variable["value"]?.stringValue
                    else { return variable }
                    var variable = variable
                    variable["value"] = .string(newNamespace(value))
                    return variable
                }
            )
        }
        if let component {
            let resources = component.upstreamResources ?? component.resources
            container["resources"] = [
                "requests": ExtensionRenderer.quantities(resources.requests),
                "limits": ExtensionRenderer.quantities(resources.limits),
            ]
        }
        if !usesFixedUsers { Self.dropUsers(&container, ["securityContext"]) }
        return container
    }

    /// `--flag=value` or `--flag value`, where the flag says that the value is a namespace or an image.
    private func changeArguments(_ words: [String]) -> [String] {
        var flagBefore: String?
        return words.filter { word in
            !bundle.droppedFlags.contains(String(word.prefix { $0 != "=" }))
        }.map { word in
            defer { flagBefore = word.hasPrefix("--") && !word.contains("=") ? word : nil }
            if word.hasPrefix("--"), let equals = word.firstIndex(of: "=") {
                let flag = String(word[..<equals])
                return flag + "=" + changeValue(of: flag, String(word[word.index(after: equals)...]))
            }
            return flagBefore.map { changeValue(of: $0, word) } ?? word
        }
    }

    private func changeValue(of flag: String, _ value: String) -> String {
        if flag.contains("namespace") { return newNamespace(value) }
        if bundle.imageFlags.contains(flag) { return ImageName.rewritten(value, registry: settings.imageRegistry) }
        return value
    }
}
