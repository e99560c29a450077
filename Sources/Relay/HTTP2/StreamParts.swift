internal import NIOCore
internal import NIOHTTP1

/// Collects the parts of one message and hands them out one by one.
///
/// The channel reads only while somebody waits, so that HTTP/2 flow control slows the other side down; at most one window of
/// bytes waits here. Lives on the channel's event loop.
final class StreamParts<Head: Sendable & Equatable>: ChannelInboundHandler {
    typealias InboundIn = HTTPPart<Head, ByteBuffer>
    typealias Part = HTTPPart<Head, ByteBuffer>

    private var parts = CircularBuffer<Part>()
    private var waiter: EventLoopPromise<Part?>?
    private var timer: Scheduled<Void>?
    private var deadline: Scheduled<Void>?
    private var context: ChannelHandlerContext?
    private var isEnded = false
    private var failure: (any Error)?

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) {
        deadline?.cancel()
        finish(RelayError.cut("the stream was closed"))
        self.context = nil
    }

    /// The next part; nil after the last.
    func next(within limit: TimeAmount?, on eventLoop: any EventLoop) -> EventLoopFuture<Part?> {
        if let part = parts.popFirst() { return eventLoop.makeSucceededFuture(part) }
        if let failure { return eventLoop.makeFailedFuture(failure) }
        if isEnded { return eventLoop.makeSucceededFuture(nil) }
        guard waiter == nil else {
            return eventLoop.makeFailedFuture(
                RelayError(.invalidPeer, "two readers wait for the same stream", remedy: nil)
            )
        }
        let promise = eventLoop.makePromise(of: Part?.self)
        waiter = promise
        if let limit {
            timer = eventLoop.assumeIsolated().scheduleTask(in: limit) {
                self.expire("nothing came for \(limit.nanoseconds / 1_000_000) ms")
            }
        }
        context?.read()
        return promise.futureResult
    }

    /// Ends the exchange after `limit`, whatever is going on.
    func setDeadline(_ limit: TimeAmount, on eventLoop: any EventLoop) {
        deadline = eventLoop.assumeIsolated().scheduleTask(in: limit) {
            self.expire("the exchange took longer than \(limit.nanoseconds / 1_000_000) ms")
        }
    }

    private func expire(_ detail: String) {
        guard !isEnded, failure == nil else { return }
        finish(RelayError(.timeout, "the cluster did not answer in time: \(detail)", remedy: nil))
        context?.close(promise: nil)
    }

    private func finish(_ error: any Error) {
        if failure == nil, !isEnded { failure = error }
        timer?.cancel()
        timer = nil
        guard let waiter else { return }
        self.waiter = nil
        waiter.fail(error)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let part = unwrapInboundIn(data)
        if case .end = part {
            isEnded = true
            deadline?.cancel()
        }
        guard let waiter else { return parts.append(part) }
        self.waiter = nil
        timer?.cancel()
        timer = nil
        waiter.succeed(part)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        // Frames without a part, such as those that widen the window, use up a read as well.
        if waiter != nil { context.read() }
        context.fireChannelReadComplete()
    }

    func channelInactive(context: ChannelHandlerContext) {
        finish(RelayError.cut("the stream was closed"))
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        finish(RelayError.cut("\(error)"))
        context.close(promise: nil)
    }
}
