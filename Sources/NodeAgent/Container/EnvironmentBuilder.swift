internal import KubeCore

/// Objects that a pod refers to.
protocol PodObjects: Sendable {
    /// nil when there is none.
    func configMap(namespace: String, name: String) async throws -> KubeObject?
    func secret(namespace: String, name: String) async throws -> KubeObject?
    /// Services of the pod's namespace, and `kubernetes` of `default`.
    func services(namespace: String) async throws -> [KubeObject]
}

/// Makes the variables of one container.
struct EnvironmentBuilder: Sendable {
    let pod: PodModel
    let container: ContainerModel
    let fields: DownwardFields
    let objects: any PodObjects
    /// Address of the API when no `kubernetes` Service is there.
    let kubernetesService: (host: String, port: Int)

    /// Names skipped in `envFrom` because they are no variable names; for an event.
    struct Result: Sendable {
        var variables: VariableList
        var skipped: [(source: String, names: [String])]
    }

    /// - Throws: `.configuration` when a required object or key is missing.
    func build(image: ResolvedImage) async throws -> Result {
        var variables = VariableList()
        variables["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        variables["HOSTNAME"] = pod.hostname
        if container.wantsTerminal { variables["TERM"] = "xterm" }
        for line in image.environment { variables.add(line: line) }

        var own = VariableList()
        var skipped: [(source: String, names: [String])] = []
        for source in container.environmentSources { try await add(source, to: &own, skipped: &skipped) }
        let services = try await serviceVariables()
        for item in container.environment { try await add(item, to: &own, services: services) }
        for name in services.names where own[name] == nil { variables[name] = services[name] }
        for name in own.names { variables[name] = own[name] }
        return Result(variables: variables, skipped: skipped)
    }

    private func serviceVariables() async throws -> VariableList {
        let isLinked = pod.spec["enableServiceLinks"]?.boolValue ?? true
        let all = try await objects.services(namespace: pod.namespace)
        let isMaster: (KubeObject) -> Bool = { $0.namespace == "default" && $0.name == "kubernetes" }
        let chosen = all.filter { isMaster($0) || (isLinked && $0.namespace == pod.namespace) }
        var variables = ServiceVariables.make(chosen)
        if variables["KUBERNETES_SERVICE_HOST"] == nil {
            variables["KUBERNETES_SERVICE_HOST"] = kubernetesService.host
            variables["KUBERNETES_SERVICE_PORT"] = String(kubernetesService.port)
            variables["KUBERNETES_SERVICE_PORT_HTTPS"] = String(kubernetesService.port)
        }
        return variables
    }

    private func add(
        _ source: JSON,
        to variables: inout VariableList,
        skipped: inout [(source: String, names: [String])]
    ) async throws {
        let prefix = source["prefix"]?.stringValue ?? ""
        let values: [String: String]
        let title: String
        if let reference = source["configMapRef"], let name = reference["name"]?.stringValue {
            guard let map = try await objects.configMap(namespace: pod.namespace, name: name) else {
                if reference["optional"]?.boolValue == true { return }
                throw missing("configmap", name)
            }
            values = map["data"]?.stringMap ?? [:]
            title = "configMap " + name
        } else if let reference = source["secretRef"], let name = reference["name"]?.stringValue {
            guard let secret = try await objects.secret(namespace: pod.namespace, name: name) else {
                if reference["optional"]?.boolValue == true { return }
                throw missing("secret", name)
            }
            values = SecretData.strings(secret)
            title = "secret " + name
        } else {
            return
        }
        var invalid: [String] = []
        for key in values.keys.sorted() {
            let name = prefix + key
            if Self.isVariableName(name) { variables[name] = values[key] } else { invalid.append(name) }
        }
        if !invalid.isEmpty { skipped.append((title, invalid)) }
    }

    private func add(_ item: JSON, to variables: inout VariableList, services: VariableList) async throws {
        guard let name = item["name"]?.stringValue else { return }
        guard let from = item["valueFrom"] else {
            let text = item["value"]?.stringValue ?? ""
            let known = variables
            variables[name] = Expansion.expand(text) { known[$0] ?? services[$0] }
            return
        }
        if let path = from[path: "fieldRef", "fieldPath"]?.stringValue {
            variables[name] = try fields.field(path)
        } else if let reference = from["resourceFieldRef"] {
            variables[name] = try fields.resource(reference, container: container)
        } else if let reference = from["configMapKeyRef"] {
            if let value = try await value(reference, isSecret: false) { variables[name] = value }
        } else if let reference = from["secretKeyRef"] {
            if let value = try await value(reference, isSecret: true) { variables[name] = value }
        }
    }

    private func value(_ reference: JSON, isSecret: Bool) async throws -> String? {
        let object = reference["name"]?.stringValue ?? ""
        let key = reference["key"]?.stringValue ?? ""
        let isOptional = reference["optional"]?.boolValue ?? false
        let found =
            isSecret
            ? try await objects.secret(namespace: pod.namespace, name: object)
            : try await objects.configMap(namespace: pod.namespace, name: object)
        guard let found else {
            if isOptional { return nil }
            throw missing(isSecret ? "secret" : "configmap", object)
        }
        let values = isSecret ? SecretData.strings(found) : found["data"]?.stringMap ?? [:]
        if let value = values[key] { return value }
        if isOptional { return nil }
        throw NodeAgentError(
            .configuration,
            "couldn't find key \(key) in \(isSecret ? "Secret" : "ConfigMap") \(pod.namespace)/\(object)"
        )
    }

    private func missing(_ kind: String, _ name: String) -> NodeAgentError {
        NodeAgentError(.configuration, "\(kind) \"\(name)\" not found")
    }

    /// Any printable ASCII without `=`, as the API server allows since 1.32.
    private static func isVariableName(_ name: String) -> Bool {
        !name.isEmpty && name.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7f && $0 != UInt8(ascii: "=") }
    }
}

/// `data` of a Secret.
enum SecretData {
    static func bytes(_ secret: KubeObject) -> [String: [UInt8]] {
        (secret["data"]?.stringMap ?? [:]).compactMapValues(Base64.decode)
    }

    static func strings(_ secret: KubeObject) -> [String: String] {
        bytes(secret).mapValues { String(decoding: $0, as: UTF8.self) }
    }
}

/// Standard base64.
enum Base64 {
    /// nil when the text is no base64; line breaks are skipped.
    static func decode(_ text: String) -> [UInt8]? {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.utf8.count * 3 / 4)
        var bits: UInt32 = 0
        var count = 0
        for character in text.utf8 {
            let value: UInt8
            switch character {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"): value = character - UInt8(ascii: "A")
            case UInt8(ascii: "a")...UInt8(ascii: "z"): value = character - UInt8(ascii: "a") + 26
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = character - UInt8(ascii: "0") + 52
            case UInt8(ascii: "+"): value = 62
            case UInt8(ascii: "/"): value = 63
            case UInt8(ascii: "="), UInt8(ascii: "\n"), UInt8(ascii: "\r"): continue
            default: return nil
            }
            bits = bits << 6 | UInt32(value)
            count += 1
            if count == 4 {
                bytes += [UInt8(bits >> 16 & 0xff), UInt8(bits >> 8 & 0xff), UInt8(bits & 0xff)]
                bits = 0
                count = 0
            }
        }
        switch count {
        case 2: bytes.append(UInt8(bits >> 4 & 0xff))
        case 3: bytes += [UInt8(bits >> 10 & 0xff), UInt8(bits >> 2 & 0xff)]
        case 1: return nil
        default: break
        }
        return bytes
    }
}
