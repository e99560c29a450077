internal import KubeCore
internal import KubeStore
internal import Synchronization

/// The webhooks of all stored configurations, read again with every change of one.
final class WebhookTable: Sendable {
    static let mutating = "mutatingwebhookconfigurations.admissionregistration.k8s.io"
    static let validating = "validatingwebhookconfigurations.admissionregistration.k8s.io"

    private struct State {
        var mutating: [Webhook] = []
        var validating: [Webhook] = []
    }

    private let state = Mutex(State())

    /// In the order of their configurations' names.
    var mutating: [Webhook] { state.withLock { $0.mutating } }
    var validating: [Webhook] { state.withLock { $0.validating } }

    func load(_ store: ObjectStore) {
        // Read under the lock: of two changes at once, the later state stays.
        state.withLock { state in
            state.mutating = Self.read(store, Self.mutating)
            state.validating = Self.read(store, Self.validating)
        }
    }

    private static func read(_ store: ObjectStore, _ storage: String) -> [Webhook] {
        var webhooks: [Webhook] = []
        for configuration in store.list(storage).objects.map(\.object).sorted(by: { $0.name < $1.name }) {
            for (index, json) in (configuration["webhooks"]?.arrayValue ?? []).enumerated() {
                if let webhook = Webhook(json, id: "\(storage)/\(configuration.name)/\(index)") {
                    webhooks.append(webhook)
                }
            }
        }
        return webhooks
    }
}
