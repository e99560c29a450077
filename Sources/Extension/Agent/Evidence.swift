internal import ControlPlaneAPI
internal import Foundation
internal import KubeCore
internal import Synchronization

/// Why a component does not become ready, in the cluster's own words: events and last log lines.
struct Evidence: Sendable, Hashable {
    var component: String
    /// `Events`, or `Log pod/container`.
    var title: String
    var text: String

    var entry: ExtensionStatusEntry {
        ExtensionReporter.entry(component, title, .information, text)
    }

    /// As ARM's `additionalInfo`.
    var json: JSON {
        [
            "type": "ComponentEvidence",
            "info": ["component": .string(component), "title": .string(title), "text": .string(text)],
        ]
    }
}

extension Evidence {
    /// One line for each event, newest last.
    static func lines(_ events: [KubeObject], limit: Int) -> [String] {
        func time(_ event: KubeObject) -> String {
            event["lastTimestamp"]?.stringValue ?? event["eventTime"]?.stringValue ?? event.creationTimestamp ?? ""
        }
        return events.sorted { time($0) < time($1) }.suffix(limit).map { event in
            func text(_ path: String...) -> String { event.json[path: path]?.stringValue ?? "" }
            let subject = text("involvedObject", "kind") + "/" + text("involvedObject", "name")
            let count = event["count"]?.intValue ?? 1
            return "\(time(event)) \(text("reason")) \(subject): \(text("message"))\(count > 1 ? " (x\(count))" : "")"
        }
    }

    static func text(_ events: [KubeObject]) -> String {
        String(lines(events, limit: 10).joined(separator: "\n").suffix(EvidenceCollector.characters))
    }
}

/// Collects evidence, within bounds.
struct EvidenceCollector: Sendable {
    let api: any ResourceAPI
    let watch: ClusterWatch
    let podLogs: PodLogReading?
    let redaction: @Sendable (String) -> String

    static let components = 3
    static let lines = 20
    static let characters = 1500

    /// What cannot be had is said in its place.
    ///
    /// - Throws: `CancellationError` only.
    func collect(_ waiting: [ComponentReadiness]) async throws -> [Evidence] {
        var found: [Evidence] = []
        let events = try await events()
        for component in waiting.prefix(Self.components) {
            let name = component.name.replacing("service/", with: "")
            let workload = ClusterWatch.workloadTypes.lazy.compactMap { watch.find($0, name) }.first
            let pods = workload.map { watch.pods(of: $0) } ?? []
            let names = Set([name] + pods.map(\.name))
            let own = events.filter { event in
                let subject = event["involvedObject", "name"]?.stringValue ?? ""
                return names.contains(subject) || subject.hasPrefix(name + "-")
            }
            if !own.isEmpty {
                found.append(Evidence(component: component.name, title: "Events", text: Evidence.text(own)))
            }
            let failing = pods.filter { ComponentReadiness.trouble($0) != nil }.min { $0.name < $1.name }
            if let failing, let log = try await log(failing) {
                found.append(Evidence(component: component.name, title: log.title, text: log.text))
            }
        }
        return found
    }

    private func events() async throws -> [KubeObject] {
        do {
            return try await api.list(
                .events,
                namespace: ExtensionRenderer.namespace,
                options: ListOptions(limit: 500)
            ).items.filter { $0["type"]?.stringValue == "Warning" }
        } catch let error as CancellationError {
            throw error
        } catch {
            return []
        }
    }

    private func log(_ pod: KubeObject) async throws -> (title: String, text: String)? {
        guard let podLogs else { return nil }
        let status = ComponentReadiness.containerStatuses(pod).first { $0["ready"]?.boolValue != true }
        guard let container = status?["name"]?.stringValue else { return nil }
        let wasRestarted = (status?["restartCount"]?.intValue ?? 0) > 0
        let isWaiting = status?[path: "state", "waiting"] != nil
        guard wasRestarted || !isWaiting else { return nil }
        let usesPrevious = wasRestarted && isWaiting
        do {
            let text = try await podLogs(
                ExtensionRenderer.namespace,
                pod.name,
                container,
                Self.lines,
                usesPrevious
            )
            guard !text.isEmpty else { return nil }
            return ("Log \(pod.name)/\(container)", redaction(String(text.suffix(Self.characters))))
        } catch let error as CancellationError {
            throw error
        } catch {
            return ("Log \(pod.name)/\(container)", "cannot be read: \(error)")
        }
    }
}

extension ExtensionReconciler {
    /// Once a minute at most, so that a report changes only when there is news.
    func collect(_ desired: DesiredExtension, _ waiting: [ComponentReadiness]) async throws -> [Evidence] {
        if let known = memory.withLock({ $0[desired.id]?.evidence }), known.generation == desired.generation,
            ContinuousClock.now - known.at < timing.evidence
        {
            return known.found
        }
        let found = try await evidence.collect(waiting)
        remember(desired.id) { $0.evidence = (desired.generation, .now, found) }
        return found
    }
}
