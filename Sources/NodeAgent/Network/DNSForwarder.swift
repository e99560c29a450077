internal import NIOCore
internal import NIOPosix
internal import Synchronization

/// Asks the host's resolvers, one after the other, and keeps answers for a short time.
final class DNSForwarder: Sendable {
    /// The servers to ask; read from resolv.conf again when it changes.
    private let upstreams: @Sendable () -> [IPv4Address]
    private let upstreamPort: Int
    private let group: any EventLoopGroup
    private let state = Mutex(State())

    private struct CacheKey: Hashable {
        var name: DNSName
        var type: DNSType
        var questionClass: UInt16
        var hasEDNS: Bool
        var udpSize: Int
        var overTCP: Bool
    }

    private struct State {
        var cache: [CacheKey: (answer: [UInt8], expiry: ContinuousClock.Instant)] = [:]
        var inFlight = 0
    }

    private static let maximumInFlight = 512
    private static let maximumCached = 2048
    private static let timeout = TimeAmount.seconds(2)

    init(group: any EventLoopGroup, port: Int = 53, upstreams: @escaping @Sendable () -> [IPv4Address]) {
        self.group = group
        self.upstreams = upstreams
        upstreamPort = port
    }

    var anyLoop: any EventLoop { group.next() }

    /// The answer's bytes, with the asker's id and question; an answer with code SERVFAIL when nobody answers.
    func ask(_ query: DNSQuery, message: [UInt8], overTCP: Bool) -> EventLoopFuture<[UInt8]> {
        let loop = group.next()
        let key = CacheKey(
            name: query.name,
            type: query.type,
            questionClass: query.questionClass,
            hasEDNS: query.hasEDNS,
            udpSize: query.udpSize,
            overTCP: overTCP
        )
        let now = ContinuousClock.now
        let (cached, isBusy) = state.withLock { state -> ([UInt8]?, Bool) in
            if let entry = state.cache[key], entry.expiry > now { return (entry.answer, false) }
            guard state.inFlight < Self.maximumInFlight else { return (nil, true) }
            state.inFlight += 1
            return (nil, false)
        }
        if let cached { return loop.makeSucceededFuture(Self.readdress(cached, to: query)) }
        let failure = DNSAnswer(code: .serverFailure, isAuthoritative: false).encode(for: query, limit: 512)
        if isBusy { return loop.makeSucceededFuture(failure) }
        return tryUpstreams(upstreams()[...], message: message, overTCP: overTCP, loop: loop).map { answer in
            self.remember(key, answer, now: now)
            return Self.readdress(answer, to: query)
        }.flatMapErrorThrowing { _ in failure }.always { _ in
            self.state.withLock { $0.inFlight -= 1 }
        }
    }

    private func remember(_ key: CacheKey, _ answer: [UInt8], now: ContinuousClock.Instant) {
        guard let response = DNSResponse(answer), !response.isTruncated,
            response.code == DNSCode.noError.rawValue || response.code == DNSCode.nameError.rawValue
        else { return }
        let seconds = min(response.minimumTTL ?? 5, 30)
        guard seconds > 0 else { return }
        state.withLock { state in
            if state.cache.count >= Self.maximumCached {
                state.cache = state.cache.filter { $0.value.expiry > now }
                if state.cache.count >= Self.maximumCached { state.cache.removeAll() }
            }
            state.cache[key] = (answer, now.advanced(by: .seconds(Int(seconds))))
        }
    }

    private static func readdress(_ answer: [UInt8], to query: DNSQuery) -> [UInt8] {
        guard answer.count >= 12 + query.question.count else { return answer }
        var bytes = answer
        bytes[0] = UInt8(query.id >> 8)
        bytes[1] = UInt8(query.id & 0xff)
        bytes.replaceSubrange(12..<12 + query.question.count, with: query.question)
        return bytes
    }

    private func tryUpstreams(
        _ servers: ArraySlice<IPv4Address>,
        message: [UInt8],
        overTCP: Bool,
        loop: any EventLoop
    ) -> EventLoopFuture<[UInt8]> {
        guard let server = servers.first else { return loop.makeFailedFuture(DNSForwardError.noAnswer) }
        var message = message
        let id = UInt16.random(in: 0...UInt16.max)
        message[0] = UInt8(id >> 8)
        message[1] = UInt8(id & 0xff)
        let asked = message
        let attempt = overTCP ? askStream(server, asked, loop) : askDatagram(server, asked, loop)
        return attempt.flatMapError { _ in
            self.tryUpstreams(servers.dropFirst(), message: asked, overTCP: overTCP, loop: loop)
        }
    }

    private func askDatagram(
        _ server: IPv4Address,
        _ message: [UInt8],
        _ loop: any EventLoop
    ) -> EventLoopFuture<[UInt8]> {
        let promise = loop.makePromise(of: [UInt8].self)
        let deadline = loop.scheduleTask(in: Self.timeout) { promise.fail(DNSForwardError.noAnswer) }
        DatagramBootstrap(group: loop)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        DatagramAnswerHandler(asked: message, promise: promise)
                    )
                }
            }
            .connect(host: server.description, port: upstreamPort)
            .whenComplete { result in
                switch result {
                case .failure(let error): promise.fail(error)
                case .success(let channel):
                    promise.futureResult.whenComplete { _ in channel.close(promise: nil) }
                    channel.writeAndFlush(ByteBuffer(bytes: message), promise: nil)
                }
            }
        promise.futureResult.whenComplete { _ in deadline.cancel() }
        return promise.futureResult
    }

    private func askStream(_ server: IPv4Address, _ message: [UInt8], _ loop: any EventLoop) -> EventLoopFuture<[UInt8]>
    {
        let promise = loop.makePromise(of: [UInt8].self)
        let deadline = loop.scheduleTask(in: Self.timeout * 2) { promise.fail(DNSForwardError.noAnswer) }
        ClientBootstrap(group: loop).connectTimeout(Self.timeout)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(ByteToMessageHandler(DNSFrameDecoder()))
                    try channel.pipeline.syncOperations.addHandler(
                        StreamAnswerHandler(asked: message, promise: promise)
                    )
                }
            }
            .connect(host: server.description, port: upstreamPort)
            .whenComplete { result in
                switch result {
                case .failure(let error): promise.fail(error)
                case .success(let channel):
                    promise.futureResult.whenComplete { _ in channel.close(promise: nil) }
                    channel.writeAndFlush(DNSFrameDecoder.frame(message), promise: nil)
                }
            }
        promise.futureResult.whenComplete { _ in deadline.cancel() }
        return promise.futureResult
    }
}

enum DNSForwardError: Error {
    case noAnswer
}

/// Messages on a stream, each after its length in two bytes.
struct DNSFrameDecoder: ByteToMessageDecoder {
    typealias InboundOut = ByteBuffer

    mutating func decode(context: ChannelHandlerContext, buffer: inout ByteBuffer) throws -> DecodingState {
        guard let length = buffer.getInteger(at: buffer.readerIndex, as: UInt16.self),
            buffer.readableBytes >= Int(length) + 2
        else { return .needMoreData }
        buffer.moveReaderIndex(forwardBy: 2)
        guard let message = buffer.readSlice(length: Int(length)) else { return .needMoreData }
        context.fireChannelRead(wrapInboundOut(message))
        return .continue
    }

    static func frame(_ message: [UInt8]) -> ByteBuffer {
        var buffer = ByteBuffer()
        buffer.writeInteger(UInt16(truncatingIfNeeded: message.count))
        buffer.writeBytes(message)
        return buffer
    }
}

/// True when `answer` has the asked id and the asked question, letter case aside.
private func answers(_ answer: [UInt8], _ asked: [UInt8]) -> Bool {
    guard answer.count >= 12, asked.count >= 12, answer[0] == asked[0], answer[1] == asked[1], answer[2] & 0x80 != 0
    else {
        return false
    }
    var mine = DNSReader(bytes: asked, offset: 12)
    var theirs = DNSReader(bytes: answer, offset: 12)
    guard let name = mine.name(), name == theirs.name() else { return false }
    return mine.integer() == theirs.integer()
}

private final class DatagramAnswerHandler: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>

    private let asked: [UInt8]
    private let promise: EventLoopPromise<[UInt8]>

    init(asked: [UInt8], promise: EventLoopPromise<[UInt8]>) {
        self.asked = asked
        self.promise = promise
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = Array(unwrapInboundIn(data).data.readableBytesView)
        if answers(bytes, asked) { promise.succeed(bytes) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { promise.fail(error) }
}

private final class StreamAnswerHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let asked: [UInt8]
    private let promise: EventLoopPromise<[UInt8]>

    init(asked: [UInt8], promise: EventLoopPromise<[UInt8]>) {
        self.asked = asked
        self.promise = promise
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = Array(unwrapInboundIn(data).readableBytesView)
        if answers(bytes, asked) { promise.succeed(bytes) }
    }

    func channelInactive(context: ChannelHandlerContext) { promise.fail(DNSForwardError.noAnswer) }
    func errorCaught(context: ChannelHandlerContext, error: any Error) { promise.fail(error) }
}
