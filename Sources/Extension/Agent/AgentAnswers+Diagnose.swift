internal import ControlPlaneAPI
internal import Foundation
internal import KubeCore

/// Files of a diagnosis, within bounds.
struct DiagnosisFiles: Sendable {
    static let limitBytes = 8 << 20
    static let fileBytes = 512 << 10
    /// For what encoding adds.
    private static let reserve = 1 << 20

    private(set) var files: [String: String] = [:]
    private var size = 0
    private let redaction: Redaction

    init(_ redaction: Redaction) { self.redaction = redaction }

    /// Keeps the end of what is too long, and leaves out what does not fit any more.
    mutating func add(_ path: String, _ text: String) {
        var text = redaction.apply(text)
        if text.utf8.count > Self.fileBytes {
            text = "… (the beginning is left out)\n" + String(decoding: text.utf8.suffix(Self.fileBytes), as: UTF8.self)
        }
        guard size + text.utf8.count + path.utf8.count <= Self.limitBytes - Self.reserve else {
            files["LEFT-OUT.txt", default: "These files did not fit:\n"] += path + "\n"
            return
        }
        size += text.utf8.count + path.utf8.count
        files[path] = text
    }
}

extension AgentAnswers {
    private static let logLines = 500

    /// Texts to look into; what cannot be had is said in its file.
    func diagnose(_ request: AgentRequest) async throws -> JSON {
        let desired = request.desired
        var files = DiagnosisFiles(Redaction(Array(desired.protectedSettings.values) + (try await knownSecrets())))
        files.add("extension.json", describe(desired).prettyText)
        try await files.collect("health.json") { try await report(desired, .test).json.prettyText }
        let inventory = try await inventory(desired)
        try await files.collect("components.json") {
            try await answer(AgentRequest(id: request.id, kind: .components, desired: desired)).prettyText
        }
        try await files.collect("healthcheck.txt") {
            let key = HealthStore.reference.key
            let stored = try await api.find(.configMaps, namespace: key.namespace, name: key.name)
            return (stored?["data"]?.stringMap ?? [:]).sorted { $0.key < $1.key }
                .map { "== \($0.key)\n\($0.value)" }.joined(separator: "\n")
        }
        try await files.collect("nodes.json") { JSON.array(try await planner.nodes().map(Self.clean)).prettyText }
        try await files.collect("events.txt") {
            let events = try await api.list(.events, namespace: ExtensionRenderer.namespace).items
            return Evidence.lines(events, limit: 1000).joined(separator: "\n")
        }
        for reference in inventory.objects {
            let place = reference.key.namespace.map { $0 + "/" } ?? ""
            let path = "objects/\(place)\(reference.type.groupResource)/\(reference.key.name).json"
            // Long, and the same everywhere.
            if reference.type == .customResourceDefinitions { continue }
            try await files.collect(path) {
                let live = try await api.find(
                    reference.type,
                    namespace: reference.key.namespace,
                    name: reference.key.name
                )
                return live.map { Self.clean($0).prettyText } ?? "not there"
            }
        }
        try await addPods(&files)
        return ["files": JSON(files.files)]
    }

    private func addPods(_ files: inout DiagnosisFiles) async throws {
        let pods: [KubeObject]
        do {
            pods = try await api.list(.pods, namespace: ExtensionRenderer.namespace).items
        } catch let error as CancellationError {
            throw error
        } catch {
            return files.add("pods.txt", "cannot be listed: \(error)")
        }
        for pod in pods {
            files.add("pods/\(pod.name).json", Self.clean(pod).prettyText)
            guard let podLogs else { continue }
            for status in ComponentReadiness.containerStatuses(pod) {
                guard let container = status["name"]?.stringValue else { continue }
                let hasRun =
                    status["containerID"]?.stringValue?.isEmpty == false || status["started"]?.boolValue == true
                guard hasRun || status[path: "state", "waiting"] == nil else { continue }
                try await files.collect("logs/\(pod.name)/\(container).log") {
                    try await podLogs(ExtensionRenderer.namespace, pod.name, container, Self.logLines, false)
                }
                guard (status["restartCount"]?.intValue ?? 0) > 0 else { continue }
                try await files.collect("logs/\(pod.name)/\(container).previous.log") {
                    try await podLogs(ExtensionRenderer.namespace, pod.name, container, Self.logLines, true)
                }
            }
        }
    }

    private static func clean(_ object: KubeObject) -> JSON { Redaction.object(object).json }

    private func describe(_ desired: DesiredExtension) -> JSON {
        let members: [String: JSON?] = [
            "name": .string(desired.name), "clusterType": .string(desired.clusterType),
            "resourceGroup": .string(desired.resourceGroup), "clusterName": .string(desired.clusterName),
            "generation": JSON(desired.generation), "targetVersion": desired.targetVersion.map(JSON.string),
            "agentVersion": .string(planner.profile.version), "configurationSettings": JSON(desired.settings),
            "configurationProtectedSettings": JSON(desired.protectedSettings.mapValues { _ in Redaction.mark }),
        ]
        return .object(members.compactMapValues { $0 })
    }

    /// Values of the components' Secrets, so that no log that quotes one gives it away.
    private func knownSecrets() async throws -> [String] {
        do {
            let secrets = try await api.list(.secrets, namespace: ExtensionRenderer.namespace).items
            return secrets.flatMap { secret in
                (secret["data"]?.stringMap ?? [:]).filter {
                    !$0.key.hasSuffix(".crt") && $0.key != "revision" && $0.value.utf8.count >= 24
                }.values
            }
        } catch let error as CancellationError {
            throw error
        } catch {
            return []
        }
    }
}

extension DiagnosisFiles {
    /// Writes why there is nothing, when there is nothing.
    mutating func collect(_ path: String, _ read: () async throws -> String) async throws {
        do {
            add(path, try await read())
        } catch let error as CancellationError {
            throw error
        } catch {
            add(path, "cannot be had: \(error)")
        }
    }
}
