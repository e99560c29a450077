internal import KubeCore
internal import KubeStore
internal import Synchronization

/// Counts requests for `/metrics`.
final class RequestMetrics: Sendable {
    private struct Key: Hashable {
        var verb: String
        var resource: String
        var code: Int
    }

    private struct State {
        var requests: [Key: Int] = [:]
        var running = 0
        var watches = 0
    }

    private let state = Mutex(State())
    /// Label sets are closed: verbs, served resources and codes; this only guards against mistakes.
    private static let limit = 5000

    /// False when `maximum` requests are running already.
    func begin(maximum: Int) -> Bool {
        state.withLock { state in
            guard state.running < maximum else { return false }
            state.running += 1
            return true
        }
    }

    func end() { state.withLock { $0.running -= 1 } }
    func beginWatch() { state.withLock { $0.watches += 1 } }
    func endWatch() { state.withLock { $0.watches -= 1 } }

    func record(verb: String, resource: String, code: Int) {
        state.withLock { state in
            let key = Key(verb: verb, resource: resource, code: code)
            guard state.requests[key] != nil || state.requests.count < Self.limit else { return }
            state.requests[key, default: 0] += 1
        }
    }

    /// Prometheus text.
    func text(_ registry: Registry) -> String {
        let (requests, running, watches) = state.withLock { ($0.requests, $0.running, $0.watches) }
        var text = "# HELP apiserver_request_total Requests answered.\n# TYPE apiserver_request_total counter\n"
        let sorted = requests.sorted {
            ($0.key.verb, $0.key.resource, $0.key.code) < ($1.key.verb, $1.key.resource, $1.key.code)
        }
        for (key, count) in sorted {
            text +=
                "apiserver_request_total{verb=\"\(key.verb)\",resource=\"\(key.resource)\",code=\"\(key.code)\"} \(count)\n"
        }
        text += "# HELP apiserver_current_inflight_requests Requests running now.\n"
        text += "# TYPE apiserver_current_inflight_requests gauge\napiserver_current_inflight_requests \(running)\n"
        text += "# HELP apiserver_longrunning_requests Watches and streams open now.\n"
        text += "# TYPE apiserver_longrunning_requests gauge\napiserver_longrunning_requests \(watches)\n"
        text += "# HELP apiserver_storage_objects Objects kept, by resource.\n# TYPE apiserver_storage_objects gauge\n"
        var seen: Set<String> = []
        for kind in registry.kinds where kind.isStored && seen.insert(kind.type.groupResource).inserted {
            let name = kind.type.groupResource
            text += "apiserver_storage_objects{resource=\"\(name)\"} \(registry.store.count(name))\n"
        }
        return text
    }
}
