internal import NIOCore
internal import Telemetry

/// What all event loops of a router share; immutable.
final class RouterShared: Sendable {
    let configuration: RouterConfiguration
    let metrics: RouterMetrics
    let headTimeout: UInt64
    let idleTimeout: UInt64
    let stallTimeout: UInt64
    let connectTimeout: TimeAmount
    private let loops: [any EventLoop]
    private let records: AsyncStream<[AccessRecord]>.Continuation?

    init(
        configuration: RouterConfiguration,
        metrics: RouterMetrics,
        loops: [any EventLoop],
        records: AsyncStream<[AccessRecord]>.Continuation?
    ) {
        self.configuration = configuration
        self.metrics = metrics
        self.loops = loops
        self.records = records
        headTimeout = configuration.headTimeout.wholeNanoseconds
        idleTimeout = configuration.idleTimeout.wholeNanoseconds
        stallTimeout = configuration.stallTimeout.wholeNanoseconds
        connectTimeout = .nanoseconds(Int64(configuration.connectTimeout.wholeNanoseconds))
    }

    func index(of loop: any EventLoop) -> UInt64 { UInt64(loops.firstIndex { $0 === loop } ?? 0) }

    var logs: Bool { records != nil }

    /// Hands finished requests to the writer; drops them when it is too far behind.
    func write(_ batch: [AccessRecord]) {
        guard let records else { return }
        if case .dropped(let lost) = records.yield(batch) { metrics.droppedLogLines.add(lost.count) }
    }
}

extension Duration {
    var wholeNanoseconds: UInt64 {
        let (seconds, attoseconds) = components
        return UInt64(max(0, seconds)) * 1_000_000_000 + UInt64(max(0, attoseconds / 1_000_000_000))
    }
}
