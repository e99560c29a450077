internal import KubeCore
internal import NIOCore
internal import Telemetry

/// Answers: the model's, and the router's own.
extension DownstreamHandler {
    // MARK: The model's answer

    /// The head of the model's answer is complete.
    ///
    /// Writes the client's head, with as much of the body as is here.
    func receiveHead(from connection: UpstreamHandler) {
        let head = connection.scanner.head
        exchange.responseBegan = true
        exchange.sent = []
        exchange.record.modelStatus = head.status
        let status = mapped(head.status)
        exchange.record.status = status
        let decodes = head.isChunked && exchange.minorVersion == 0
        if !body.isComplete || connection.body.endsWithClose || decodes || loop.isDraining {
            exchange.keepsAlive = false
        }
        var out = loop.takeBuffer()
        connection.inbound.withUnsafeReadableBytes { bytes in
            guard let start = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return }
            if status == head.status && status != 200 && head.reason.count > 0 {
                out.writeStaticString("HTTP/1.1 ")
                out.writeDecimal(status)
                out.writeStaticString(" ")
                out.writeRange(start, head.reason)
                out.writeStaticString("\r\n")
            } else {
                out.writeStatusLine(status)
            }
            out.writeFields(start, connection.scanner) { field in
                switch field.kind {
                case .other, .host, .authorization, .expect:
                    !head.connectionNamesHeaders || !connection.scanner.isNamedByConnection(start, field.name)
                case .contentLength: true
                case .transferEncoding: !decodes
                case .connection, .hopByHop, .requestID, .clientRequestID, .modelDeployment, .modelError: false
                }
            }
            if !(200..<300).contains(head.status) { writeModelError(start, head, to: &out) }
        }
        writeIdentity(to: &out)
        endHead(&out)
        connection.forward(into: &out, decodes: decodes)
        exchange.record.bytesOut = connection.body.payload
        exchange.lastActivity = loop.now
        write(out)
        loop.giveBack(out)
    }

    private func mapped(_ status: Int) -> Int {
        switch loop.shared.configuration.statusMapping {
        case .kubernetes: status == 500 ? 502 : status
        case .managed: (200..<300).contains(status) ? status : 424
        case .unchanged: status
        }
    }

    private func writeModelError(_ bytes: UnsafePointer<UInt8>, _ head: MessageHead, to out: inout ByteBuffer) {
        out.writeStaticString("ms-azureml-model-error-statuscode: ")
        out.writeDecimal(head.status)
        out.writeStaticString("\r\nms-azureml-model-error-reason: ")
        if head.reason.count > 0 {
            out.writeRange(bytes, head.reason)
        } else {
            out.writeStaticString(StatusPhrase.of(head.status))
        }
        out.writeStaticString("\r\n")
    }

    /// The headers that say which request and deployment this was.
    private func writeIdentity(to out: inout ByteBuffer) {
        out.writeStaticString("x-request-id: ")
        exchange.record.id.write(to: &out)
        out.writeStaticString("\r\n")
        if let id = exchange.record.clientRequestID {
            out.writeStaticString("x-ms-client-request-id: ")
            out.writeString(id)
            out.writeStaticString("\r\n")
        }
        if let deployment = exchange.record.deployment { out.writeBytes(deployment.headerLine) }
    }

    private func endHead(_ out: inout ByteBuffer) {
        if !exchange.keepsAlive {
            out.writeStaticString("connection: close\r\n\r\n")
        } else if exchange.minorVersion == 0 {
            out.writeStaticString("connection: keep-alive\r\n\r\n")
        } else {
            out.writeStaticString("\r\n")
        }
    }

    func write(_ buffer: ByteBuffer) {
        guard let context, buffer.readableBytes > 0 else { return }
        needsFlush = true
        context.write(wrapOutboundOut(buffer), promise: nil)
    }

    func flush() {
        needsFlush = false
        context?.flush()
    }

    /// The model's answer has ended as it should.
    func receiveEnd(from connection: UpstreamHandler, canReuse: Bool) {
        upstream = nil
        connection.exchange = nil
        exchange.record.bytesOut = connection.body.payload
        if canReuse && body.isComplete { connection.becomeIdle() } else { connection.close() }
        releaseSlot(served: loop.now &- exchange.record.acquired)
        finish()
    }

    /// The model's connection ended in the middle of its answer.
    func upstreamTruncated() {
        exchange.record.fault = .truncated
        abort()
    }

    /// The model's answer broke the rules of HTTP before anything was passed on.
    func upstreamInvalid(_ connection: UpstreamHandler, _ why: String) {
        giveUpBackend(served: false)
        fail(
            .badResponse,
            "the answer of deployment \(quotedDeployment) is not valid HTTP: \(why); correct the container"
        )
        pump()
    }

    // MARK: The router's own answers

    func answerHealth() {
        exchange.record.status = 200
        var out = loop.takeBuffer()
        out.writeStaticString("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 7\r\n")
        writeIdentity(to: &out)
        let isHead = scanner.head.method.count == 4
        discardBody()
        endHead(&out)
        if !isHead { out.writeStaticString("Healthy") }
        write(out)
        loop.giveBack(out)
        finish()
    }

    /// Answers with a fault of the router's own.
    func fail(_ fault: Fault, _ message: String, retryAfter: Int? = nil) {
        exchange.record.fault = fault
        answer(status: fault.status, code: fault.rawValue, message: message, retryAfter: retryAfter)
    }

    func answer(status: Int, code: String, message: String, retryAfter: Int? = nil) {
        exchange.record.status = status
        let error: JSON = ["error": ["code": .string(code), "message": .string(message)]]
        let bytes = error.bytes
        discardBody()
        if !body.isComplete { exchange.keepsAlive = false }
        var out = loop.takeBuffer()
        out.writeStatusLine(status)
        out.writeStaticString("content-type: application/json\r\ncontent-length: ")
        out.writeDecimal(bytes.count)
        out.writeStaticString("\r\n")
        if let retryAfter {
            out.writeStaticString("retry-after: ")
            out.writeDecimal(retryAfter)
            out.writeStaticString("\r\n")
        }
        if status == 401 { out.writeStaticString("www-authenticate: Bearer\r\n") }
        if status == 405 { out.writeStaticString("allow: GET, POST, OPTIONS\r\n") }
        writeIdentity(to: &out)
        endHead(&out)
        out.writeBytes(bytes)
        write(out)
        loop.giveBack(out)
        finish()
    }

    /// Consumes what is here of a body that nobody wants, so that the connection can go on when that is all of it.
    private func discardBody() {
        guard !exchange.awaitsContinue, !body.isComplete, inbound.readableBytes > 0 else { return }
        guard let count = try? inbound.withUnsafeReadableBytes({ try body.consume($0) }) else {
            exchange.keepsAlive = false
            return
        }
        inbound.moveReaderIndex(forwardBy: count)
        if inbound.readableBytes == 0 { inbound = ByteBuffer() }
    }
}
