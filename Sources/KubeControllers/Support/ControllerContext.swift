internal import Foundation
internal import KubeCore
internal import KubeRuntime
internal import Logging

/// What every controller works with: the API, the shared informers, a clock and a log.
struct ControllerContext: Sendable {
    let api: any ResourceAPI
    let informers: SharedInformers
    let events: EventRecorder
    let logger: Logger
    /// Seconds since 1970.
    let now: @Sendable () -> Double

    init(
        api: any ResourceAPI,
        informers: SharedInformers,
        component: String,
        logger: Logger,
        now: @escaping @Sendable () -> Double = { Date.now.timeIntervalSince1970 }
    ) {
        self.api = api
        self.informers = informers
        events = EventRecorder(api: api, component: component, logger: logger)
        self.logger = logger
        self.now = now
    }

    /// RFC 3339 text of now.
    var timestamp: String { Timestamp.text(seconds: now()) }

    /// Writes `status` if it differs from what the object has; the write fails with a conflict when `object` is stale.
    func writeStatus(_ type: ResourceType, of object: KubeObject, _ status: JSON) async throws {
        guard object["status"] != status else { return }
        var changed = object
        changed["status"] = status
        try await api.updateStatus(type, changed)
    }
}
