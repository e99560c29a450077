internal import NIOCore
internal import Telemetry

/// Taking a backend, sending the request, trying another one.
extension DownstreamHandler {
    /// Takes a slot, or waits for one.
    func acquire(_ route: DeploymentRoute) {
        let now = exchange.tried.isEmpty ? exchange.record.started : loop.now
        exchange.ticket = loop.ticket()
        let acquired = route.runtime.acquire(now: now, excluding: exchange.tried, ticket: exchange.ticket) {
            WaitingRequest(loop: loop.eventLoop, connection: NIOLoopBound(self, eventLoop: loop.eventLoop))
        }
        switch acquired {
        case .slot(let key): start(on: key, now: now)
        case .queued:
            phase = .queued
            setDeadline(min(exchange.record.started + route.queueWait, exchange.answerDeadline))
        case .queueFull(let seconds):
            fail(
                .queueFull,
                "deployment \(quotedDeployment) has \(route.settings.maxQueueLength) requests waiting; send fewer at a time or "
                    + "add instances",
                retryAfter: seconds
            )
        case .exhausted:
            fail(
                exchange.record.fault ?? .connectFailed,
                "the instances of deployment \(quotedDeployment) do not answer; look at the deployment's logs"
            )
        }
    }

    /// A slot has come for a request that waited.
    ///
    /// It may be too late for it.
    func granted(ticket: UInt64, key: UInt64, runtime: DeploymentRuntime) {
        let now = loop.now
        guard phase == .queued, exchange.ticket == ticket else {
            runtime.release(key, now: now, served: nil)
            return
        }
        start(on: key, now: now)
        pump()
    }

    func queueDeadlineReached(now: UInt64) {
        guard let route = exchange.record.deployment else { return }
        guard route.runtime.cancel(ticket: exchange.ticket) else {
            // Its slot is on the way through the event loop's own queue.
            setDeadline(now + 1_000_000_000)
            return
        }
        let load = route.runtime.load
        let retryAfter = route.runtime.retryAfterSeconds
        if load.available == 0 {
            fail(
                .noReadyInstance,
                "deployment \(quotedDeployment) has no ready instance; wait for it to start or look at its logs",
                retryAfter: retryAfter
            )
        } else {
            fail(
                .queueWaitExceeded,
                "all \(load.available) instances of deployment \(quotedDeployment) were busy for "
                    + "\(route.settings.maxQueueWaitMilliseconds) ms; retry later, add instances or raise "
                    + "request_settings.max_queue_wait_ms",
                retryAfter: retryAfter
            )
        }
    }

    private func start(on key: UInt64, now: UInt64) {
        exchange.hasSlot = true
        exchange.record.backend = key
        exchange.record.attempts += 1
        if exchange.record.acquired == 0 {
            exchange.record.acquired = now
            exchange.record.deployment?.runtime.metrics.queueDuration.record(
                nanoseconds: now - exchange.record.started
            )
        } else {
            exchange.record.deployment?.runtime.metrics.retries.add()
        }
        setDeadline(exchange.answerDeadline)
        if let idle = loop.popIdle(key) {
            attach(idle)
        } else {
            connect(key)
        }
    }

    private func connect(_ key: UInt64) {
        phase = .connecting
        let ticket = exchange.ticket
        guard let backend = exchange.record.deployment?.runtime.backend(key) else {
            connectFailed(key)
            return
        }
        UpstreamHandler.connect(loop: loop, key: key, address: backend.address, port: backend.port) {
            [weak self] result in
            guard let self, phase == .connecting, exchange.ticket == ticket, exchange.record.backend == key else {
                if let connection = result { connection.becomeIdle() }
                return
            }
            if let connection = result {
                attach(connection)
                pump()
            } else {
                connectFailed(key)
                pump()
            }
        }
    }

    private func connectFailed(_ key: UInt64) {
        exchange.record.deployment?.runtime.hold(key, now: loop.now, loop: loop.eventLoop)
        exchange.record.fault = .connectFailed
        tryAnother(after: key)
    }

    /// The backend failed before the first byte of its answer.
    private func tryAnother(after key: UInt64) {
        exchange.tried.append(key)
        giveUpBackend(served: false)
        guard let route = exchange.record.deployment else { return }
        let mayRetry = exchange.isReplayable && exchange.tried.count < loop.shared.configuration.maxAttempts
        if mayRetry {
            acquire(route)
        } else {
            fail(
                exchange.record.fault ?? .closedEarly,
                "\(exchange.tried.count) instances of deployment \(quotedDeployment) closed the connection without an answer; "
                    + "look at the deployment's logs"
            )
        }
    }

    /// The model's connection ended before the first byte of its answer.
    func upstreamFailedEarly(_ connection: UpstreamHandler) {
        let key = connection.key
        upstream = nil
        connection.exchange = nil
        if connection.isReused && exchange.isReplayable {
            // It was closed while idle, and the request crossed with that: nothing is known against the backend.
            exchange.record.attempts += 1
            exchange.record.deployment?.runtime.metrics.retries.add()
            connect(key)
            return
        }
        exchange.record.fault = .closedEarly
        tryAnother(after: key)
        pump()
    }

    /// Starts the request on a connection to its backend.
    private func attach(_ connection: UpstreamHandler) {
        phase = .exchanging
        exchange.record.fault = nil
        upstream = connection
        connection.begin(for: self)
        if exchange.awaitsContinue && !body.isComplete {
            exchange.awaitsContinue = false
            if inbound.readableBytes == 0, let context {
                context.writeAndFlush(
                    wrapOutboundOut(ByteBuffer(staticString: "HTTP/1.1 100 Continue\r\n\r\n")),
                    promise: nil
                )
            }
        }
        if exchange.isFresh {
            exchange.isFresh = false
            joinBody()
            guard phase == .exchanging else { return }
        }
        connection.write(exchange.out)
        for piece in exchange.sent { connection.write(piece) }
        if !body.isComplete && inbound.readableBytes > 0 {
            // A body too large to travel with its head.
            forwardBody()
        }
        guard phase == .exchanging else { return }
        connection.flush()
        if connection.isWritable { resumeReading() }
    }

    /// Puts a small body that is already here behind its head: one write instead of two.
    private func joinBody() {
        guard !body.isComplete, inbound.readableBytes > 0, inbound.readableBytes <= Exchange.joinLimit else { return }
        guard let count = consumeBody() else { return }
        inbound.withUnsafeReadableBytes { bytes in
            _ = exchange.out.writeBytes(UnsafeRawBufferPointer(rebasing: bytes[..<count]))
        }
        inbound.moveReaderIndex(forwardBy: count)
        if inbound.readableBytes == 0 { inbound = ByteBuffer() }
    }

    /// Sends on what has arrived of the body.
    func forwardBody() {
        guard let connection = upstream, let count = consumeBody(), count > 0,
            let piece = inbound.readSlice(length: count)
        else { return }
        if inbound.readableBytes == 0 { inbound = ByteBuffer() }
        exchange.lastActivity = loop.now
        if exchange.isReplayable && !exchange.responseBegan {
            exchange.sentBytes += count
            if exchange.sentBytes > Exchange.replayLimit {
                exchange.isReplayable = false
                exchange.sent = []
            } else {
                exchange.sent.append(piece)
            }
        }
        connection.write(piece)
        if !connection.isWritable { pauseReading() }
    }

    /// How many received bytes belong to the body; nil when it broke a rule, which ends the request.
    private func consumeBody() -> Int? {
        do {
            let count = try inbound.withUnsafeReadableBytes { try body.consume($0) }
            exchange.record.bytesIn = body.payload
            if body.payload > loop.shared.configuration.maxBodyBytes {
                endForBody(.payloadTooLarge, tooLargeMessage)
                return nil
            }
            return count
        } catch {
            endForBody(.badRequest, "the chunked body is not valid (\(error)); see RFC 9112 section 7.1")
            return nil
        }
    }

    private func endForBody(_ fault: Fault, _ message: String) {
        exchange.keepsAlive = false
        if exchange.responseBegan {
            exchange.record.fault = fault
            abort()
        } else {
            giveUpBackend(served: false)
            fail(fault, message)
        }
    }

    /// Lets go of the backend without its answer: the connection cannot be used again.
    func giveUpBackend(served: Bool) {
        if let connection = upstream {
            upstream = nil
            connection.exchange = nil
            connection.close()
        }
        if phase == .queued, let route = exchange.record.deployment {
            _ = route.runtime.cancel(ticket: exchange.ticket)
        }
        releaseSlot(served: nil)
    }

    func releaseSlot(served: UInt64?) {
        guard exchange.hasSlot, let route = exchange.record.deployment else { return }
        exchange.hasSlot = false
        route.runtime.release(exchange.record.backend, now: loop.now, served: served)
    }
}
