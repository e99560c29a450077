internal import ControlPlaneAPI
internal import Foundation
internal import Hummingbird
internal import KubeCore
internal import NIOCore
internal import ServiceLifecycle
internal import Synchronization

/// The body of an agent's work: a line of JSON for each state, a blank line every ten seconds.
///
/// It ends with the token, with the cluster's registration and with the server; the agent then asks again.
struct AgentWorkStream: Sendable {
    let core: Core
    let link: any ExtensionLink
    let key: String
    let registration: String
    /// When the token ends, seconds since 1970.
    let end: Double
    var interval: Duration = .seconds(10)

    /// The newest state that has not been written yet.
    private final class Newest: Sendable {
        private let work = Mutex<AgentWork?>(nil)

        func set(_ new: AgentWork) { work.withLock { $0 = new } }

        func take() -> AgentWork? {
            work.withLock { work in
                defer { work = nil }
                return work
            }
        }
    }

    func body() -> ResponseBody {
        ResponseBody { writer in
            let newest = Newest()
            let (signals, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
            try await withThrowingTaskGroup(of: Void.self) { group in
                feed(&group, newest, continuation)
                for await _ in signals.cancelOnGracefulShutdown() {
                    var line = try newest.take().map { try JSON(encoding: $0).bytes } ?? []
                    line.append(UInt8(ascii: "\n"))
                    try await writer.write(ByteBuffer(bytes: line))
                }
                group.cancelAll()
            }
            try await writer.finish(nil)
        }
    }

    private func feed(
        _ group: inout ThrowingTaskGroup<Void, any Error>,
        _ newest: Newest,
        _ continuation: AsyncStream<Void>.Continuation
    ) {
        group.addTask {
            for await work in await link.work() {
                newest.set(work)
                continuation.yield()
            }
            continuation.finish()
        }
        group.addTask { await tick(continuation) }
        group.addTask { await watchRegistration(continuation) }
    }

    private func tick(_ continuation: AsyncStream<Void>.Continuation) async {
        while nowSeconds() < end {
            do { try await Task.sleep(for: interval) } catch { return }
            continuation.yield()
        }
        continuation.finish()
    }

    private func watchRegistration(_ continuation: AsyncStream<Void>.Continuation) async {
        for await entries in core.clusters.changes() {
            guard entries.contains(where: { $0.target.key == key && $0.registration == registration }) else { break }
        }
        continuation.finish()
    }
}
