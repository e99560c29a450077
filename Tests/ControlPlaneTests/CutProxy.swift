import Foundation
import NIOCore
import NIOPosix
import Synchronization

/// A TCP relay between an agent and the control plane whose connections a test cuts or freezes.
final class CutProxy: Sendable {
    private struct State {
        var channels: [any Channel] = []
        var isFrozen = false
        var accepted = 0
    }

    private let state = Mutex(State())
    private let listener: any Channel

    private init(_ listener: any Channel) { self.listener = listener }

    /// Listens on a port of its own and passes everything on to `port`.
    static func start(to port: Int) async throws -> CutProxy {
        let box = Box()
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { inner in
                ClientBootstrap(group: inner.eventLoop)
                    .connect(host: "127.0.0.1", port: port)
                    .flatMap { outer in
                        inner.eventLoop.makeCompletedFuture {
                            let proxy = box.value
                            try inner.pipeline.syncOperations.addHandler(PassOn(to: outer, proxy))
                            try outer.pipeline.syncOperations.addHandler(PassOn(to: inner, proxy))
                            proxy?.add(inner, outer)
                        }
                    }
            }
            .bind(host: "127.0.0.1", port: 0)
            .get()
        let proxy = CutProxy(channel)
        box.value = proxy
        return proxy
    }

    var port: Int { listener.localAddress?.port ?? 0 }
    var url: String { "https://127.0.0.1:\(port)" }
    var accepted: Int { state.withLock { $0.accepted } }
    var isFrozen: Bool { state.withLock { $0.isFrozen } }

    private func add(_ inner: any Channel, _ outer: any Channel) {
        state.withLock { state in
            state.channels += [inner, outer]
            state.accepted += 1
        }
    }

    /// Closes all connections; new ones work.
    func cut() {
        let channels = state.withLock { state in
            defer { state.channels = [] }
            return state.channels
        }
        for channel in channels { channel.close(promise: nil) }
    }

    /// Keeps all connections open but passes nothing on any more, as when packets are dropped.
    func freeze() { state.withLock { $0.isFrozen = true } }
    func thaw() { state.withLock { $0.isFrozen = false } }

    func stop() async throws {
        cut()
        try await listener.close()
    }

    private final class Box: Sendable {
        private let held = Mutex<CutProxy?>(nil)
        var value: CutProxy? {
            get { held.withLock { $0 } }
            set { held.withLock { $0 = newValue } }
        }
    }

    private final class PassOn: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer

        private let peer: any Channel
        private let proxy: CutProxy?

        init(to peer: any Channel, _ proxy: CutProxy?) {
            self.peer = peer
            self.proxy = proxy
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            if proxy?.isFrozen == true { return }
            peer.writeAndFlush(unwrapInboundIn(data), promise: nil)
        }

        func channelInactive(context: ChannelHandlerContext) { peer.close(promise: nil) }

        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
    }
}
