internal import NIOCore

/// Lets a connection close only once everything written to it is with the kernel.
///
/// NIO's `close` fails the writes that still wait, so an answer longer than the socket's buffer would lose its end. A peer that
/// takes nothing for `stallLimit` loses what is left.
final class DrainingCloseHandler: ChannelOutboundHandler {
    typealias OutboundIn = NIOAny
    typealias OutboundOut = NIOAny

    private let stallLimit: TimeAmount
    private var unfinished = 0
    private var lastProgress = NIODeadline.now()
    private var isClosing = false
    private var promise: EventLoopPromise<Void>?
    private var timer: Scheduled<Void>?

    init(stallLimit: TimeAmount = .seconds(60)) { self.stallLimit = stallLimit }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let written = promise ?? context.eventLoop.makePromise()
        unfinished += 1
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        written.futureResult.whenComplete { _ in
            let (handler, context) = bound.value
            handler.unfinished -= 1
            handler.lastProgress = .now()
            if handler.isClosing, handler.unfinished == 0 { handler.closeNow(context) }
        }
        context.write(data, promise: written)
    }

    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        guard mode == .all, unfinished > 0, context.channel.isActive else {
            return context.close(mode: mode, promise: promise)
        }
        if let present = self.promise {
            present.futureResult.cascade(to: promise)
        } else {
            self.promise = promise ?? context.eventLoop.makePromise()
        }
        guard !isClosing else { return }
        isClosing = true
        lastProgress = .now()
        context.flush()
        watch(context)
    }

    private func watch(_ context: ChannelHandlerContext) {
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        timer = context.eventLoop.scheduleTask(deadline: lastProgress + stallLimit) {
            let (handler, context) = bound.value
            if NIODeadline.now() - handler.lastProgress >= handler.stallLimit {
                handler.closeNow(context)
            } else {
                handler.watch(context)
            }
        }
    }

    private func closeNow(_ context: ChannelHandlerContext) {
        timer?.cancel()
        timer = nil
        isClosing = false
        let promise = self.promise
        self.promise = nil
        context.close(mode: .all, promise: promise)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        timer?.cancel()
        timer = nil
        promise?.succeed()
        promise = nil
    }
}
