internal import NIOCore
internal import Telemetry

/// What the connections of one event loop share.
///
/// Touched on that loop only.
final class LoopState {
    let eventLoop: any EventLoop
    let shared: RouterShared
    var table = CompiledTable.empty
    var isDraining = false
    var ids = RequestIDGenerator()
    private(set) var connections: [ObjectIdentifier: DownstreamHandler] = [:]
    private var pools: [UInt64: ContiguousArray<UpstreamHandler>] = [:]
    private var buffers: ContiguousArray<ByteBuffer> = []
    private var wheel: DeadlineWheel<DownstreamHandler>
    private var wakeTick: UInt64 = 0
    private var wake: Scheduled<Void>?
    private var records: [AccessRecord] = []
    private var isFlushScheduled = false
    private var nextTicket: UInt64 = 0
    private let index: UInt64

    static let logBatch = 256

    init(eventLoop: any EventLoop, shared: RouterShared) {
        self.eventLoop = eventLoop
        self.shared = shared
        index = shared.index(of: eventLoop)
        wheel = DeadlineWheel(now: NIODeadline.now().uptimeNanoseconds)
    }

    /// Nanoseconds of the monotonic clock.
    var now: UInt64 { NIODeadline.now().uptimeNanoseconds }

    func ticket() -> UInt64 {
        nextTicket += 1
        return nextTicket << 8 | index
    }

    // MARK: Connections

    func add(_ connection: DownstreamHandler) {
        connections[ObjectIdentifier(connection)] = connection
        shared.metrics.connections.add(1)
    }

    func remove(_ connection: DownstreamHandler) {
        if connections.removeValue(forKey: ObjectIdentifier(connection)) != nil {
            shared.metrics.connections.add(-1)
        }
    }

    // MARK: Buffers

    func takeBuffer() -> ByteBuffer {
        guard var buffer = buffers.popLast() else { return ByteBufferAllocator().buffer(capacity: 2048) }
        buffer.clear()
        return buffer
    }

    /// Takes a buffer back; whoever still reads it keeps the memory, and the next user gets a new one.
    func giveBack(_ buffer: ByteBuffer) {
        if buffers.count < 64 && buffer.capacity <= 64 * 1024 { buffers.append(buffer) }
    }

    // MARK: Upstream pool

    /// The most recently used idle connection to a backend: its peer is the least likely to have given it up.
    func popIdle(_ key: UInt64) -> UpstreamHandler? { pools[key]?.popLast() }

    func pushIdle(_ connection: UpstreamHandler) {
        if pools[connection.key, default: []].count >= shared.configuration.maxIdlePerBackend {
            connection.close()
            return
        }
        pools[connection.key, default: []].append(connection)
    }

    func removeIdle(_ connection: UpstreamHandler) {
        pools[connection.key]?.removeAll { $0 === connection }
    }

    /// Closes idle connections to backends that take nothing any more, before the pod does.
    func closeIdle(except open: Set<UInt64>) {
        for (key, pool) in pools where !open.contains(key) {
            pools[key] = nil
            for connection in pool { connection.close() }
        }
    }

    // MARK: Deadlines

    /// Call after the deadline of a connection was set.
    func deadlineChanged(_ connection: DownstreamHandler) {
        guard let tick = wheel.schedule(connection) else { return }
        if wake == nil || tick < wakeTick { scheduleWake(tick) }
    }

    private func scheduleWake(_ tick: UInt64) {
        wake?.cancel()
        wakeTick = tick
        let deadline = NIODeadline.uptimeNanoseconds(tick * DeadlineWheel<DownstreamHandler>.tickNanoseconds)
        wake = eventLoop.assumeIsolated().scheduleTask(deadline: deadline) { [weak self] in self?.tick() }
    }

    private func tick() {
        wake = nil
        let now = self.now
        for connection in wheel.advance(now: now) { connection.deadlineReached(now: now) }
        if wake == nil, let next = wheel.nextTick { scheduleWake(next) }
    }

    // MARK: Access log

    func log(_ record: AccessRecord) {
        records.append(record)
        if records.count >= LoopState.logBatch {
            flushLog()
        } else if !isFlushScheduled {
            isFlushScheduled = true
            eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(200)) { [weak self] in
                self?.isFlushScheduled = false
                self?.flushLog()
            }
        }
    }

    func flushLog() {
        guard !records.isEmpty else { return }
        shared.write(records)
        records = []
        records.reserveCapacity(LoopState.logBatch)
    }
}
