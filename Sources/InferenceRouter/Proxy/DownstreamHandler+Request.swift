internal import NIOCore

/// From the request's head to a backend.
extension DownstreamHandler {
    /// What the head leads to.
    private enum Decision {
        case health
        case forward(DeploymentRoute)
        case refuse(Fault, String)
    }

    /// Takes a complete head off `inbound` and starts the request.
    func beginRequest(length: Int) {
        startRecord(now: loop.now)
        exchange.keepsAlive = scanner.head.keepsAlive && !loop.isDraining
        exchange.minorVersion = scanner.head.minorVersion
        exchange.awaitsContinue = scanner.head.expectsContinue && scanner.head.minorVersion == 1
        body = BodyFraming(request: scanner.head)
        let decision: Decision = inbound.withUnsafeReadableBytes { bytes in
            guard let start = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self) else {
                return .refuse(.badRequest, "the request is empty")
            }
            return decide(start)
        }
        inbound.moveReaderIndex(forwardBy: length)
        if inbound.readableBytes == 0 { inbound = ByteBuffer() }
        switch decision {
        case .health: answerHealth()
        case .refuse(let fault, let message): fail(fault, message)
        case .forward(let route):
            exchange.answerDeadline = exchange.record.started + route.requestTimeout
            acquire(route)
        }
    }

    private func decide(_ bytes: UnsafePointer<UInt8>) -> Decision {
        let head = scanner.head
        noteClientRequestID(bytes, head.clientRequestID)
        let target = ScoringTarget(bytes, head.target)
        guard case .endpoint(let name, let kind, let query) = target else {
            if target == .health {
                return isMethod(bytes, "GET") || isMethod(bytes, "HEAD")
                    ? .health : .refuse(.methodNotAllowed, "the path / only answers GET")
            }
            return .refuse(
                .notFound,
                "there is no such path; use /api/v1/endpoint/ENDPOINT/score or /api/v1/endpoint/ENDPOINT/swagger.json"
            )
        }
        guard let endpoint = loop.table.find(bytes, name) else {
            let text = DownstreamHandler.text(bytes, name)
            return .refuse(
                .endpointNotFound,
                "endpoint \"\(text)\" does not exist on this cluster; check the name and that its creation has ended"
            )
        }
        exchange.record.endpoint = endpoint
        guard isAuthorized(bytes, endpoint) else {
            let fix: String =
                switch endpoint.auth {
                case .keys: "send `Authorization: Bearer KEY` with the endpoint's primary or secondary key"
                case .token: "send `Authorization: Bearer TOKEN` with a token of the endpoint that has not expired"
                }
            return .refuse(.unauthorized, "endpoint \"\(endpoint.name)\" needs a valid credential; \(fix)")
        }
        let isAllowed = isMethod(bytes, "POST") || isMethod(bytes, "GET") || isMethod(bytes, "OPTIONS")
        guard isAllowed else { return .refuse(.methodNotAllowed, "use POST, GET or OPTIONS") }
        if let remaining = body.remaining, remaining > loop.shared.configuration.maxBodyBytes {
            return .refuse(.payloadTooLarge, tooLargeMessage)
        }
        let route: DeploymentRoute
        if head.modelDeployment.isPresent {
            guard let pinned = endpoint.deployment(bytes, head.modelDeployment) else {
                let text = DownstreamHandler.text(bytes, head.modelDeployment)
                return .refuse(
                    .deploymentNotFound,
                    "endpoint \"\(endpoint.name)\" has no deployment \"\(text)\"; correct or leave out the header "
                        + "azureml-model-deployment"
                )
            }
            route = pinned
        } else if let chosen = endpoint.next() {
            route = chosen
        } else {
            return .refuse(
                .noTraffic,
                "endpoint \"\(endpoint.name)\" has no deployment with traffic; set its traffic, or name a deployment in the "
                    + "header azureml-model-deployment"
            )
        }
        exchange.record.deployment = route
        writeHead(bytes, route, kind, query)
        return .forward(route)
    }

    /// The head as the model gets it: its own path, without what concerns only this connection, and without the credential.
    private func writeHead(
        _ bytes: UnsafePointer<UInt8>,
        _ route: DeploymentRoute,
        _ kind: ScoringTarget.Route,
        _ query: ByteRange
    ) {
        let head = scanner.head
        var out = loop.takeBuffer()
        out.writeRange(bytes, head.method)
        out.writeStaticString(" ")
        switch kind {
        case .score: out.writeBytes(route.scoringPath)
        case .swagger: out.writeStaticString("/swagger.json")
        }
        if query.count > 0 { out.writeRange(bytes, query) }
        out.writeStaticString(" HTTP/1.1\r\n")
        out.writeFields(bytes, scanner) { field in
            switch field.kind {
            case .other: !head.connectionNamesHeaders || !scanner.isNamedByConnection(bytes, field.name)
            case .host, .contentLength, .transferEncoding, .modelDeployment: true
            case .clientRequestID: exchange.record.clientRequestID != nil
            case .connection, .hopByHop, .authorization, .expect, .requestID, .modelError: false
            }
        }
        if !head.hasHost { out.writeStaticString("host: model\r\n") }
        out.writeStaticString("x-request-id: ")
        exchange.record.id.write(to: &out)
        out.writeStaticString("\r\n\r\n")
        exchange.out = out
    }

    // MARK: Credentials

    private func isAuthorized(_ bytes: UnsafePointer<UInt8>, _ endpoint: EndpointRoute) -> Bool {
        let value = scanner.head.authorization
        guard value.isPresent, value.count > 7, HeaderKind.matches(bytes + Int(value.start), "bearer ") else {
            return false
        }
        var start = Int(value.start) + 7
        while start < Int(value.end) && bytes[start] == 0x20 { start += 1 }
        let token = UnsafeRawBufferPointer(start: bytes + start, count: Int(value.end) - start)
        if acceptedRoute === endpoint && acceptedUntil > exchange.record.started
            && acceptedToken.withUnsafeBytes({ constantTimeEqual($0, token) })
        {
            return true
        }
        let until: UInt64
        switch endpoint.auth {
        case .keys(let primary, let secondary):
            let digest = KeyDigest(of: token)
            let isPrimary = primary.map { $0 == digest } ?? false
            let isSecondary = secondary.map { $0 == digest } ?? false
            guard isPrimary || isSecondary else { return false }
            until = .max
        case .token:
            let text = String(decoding: token, as: UTF8.self)
            guard case .allowed(let seconds)? = loop.shared.configuration.verifyToken?(endpoint.name, text) else {
                return false
            }
            until = exchange.record.started + UInt64(max(0, seconds)) * 1_000_000_000
        }
        acceptedToken = Array(token)
        acceptedRoute = endpoint
        acceptedUntil = until
        return true
    }

    /// Kept when it has at most 40 letters, digits, hyphens and underscores; dropped otherwise.
    private func noteClientRequestID(_ bytes: UnsafePointer<UInt8>, _ value: ByteRange) {
        guard value.isPresent, value.count > 0, value.count <= 40 else { return }
        for index in Int(value.start)..<Int(value.end) {
            let byte = bytes[index]
            let isLetter = HeadScanner.lower(byte) &- 0x61 < 26
            guard isLetter || byte &- 0x30 < 10 || byte == 0x2D || byte == 0x5F else { return }
        }
        exchange.record.clientRequestID = DownstreamHandler.text(bytes, value)
    }

    private func isMethod(_ bytes: UnsafePointer<UInt8>, _ method: StaticString) -> Bool {
        let range = scanner.head.method
        guard range.count == method.utf8CodeUnitCount else { return false }
        for index in 0..<range.count where bytes[Int(range.start) + index] != method.utf8Start[index] { return false }
        return true
    }

    /// At most 80 characters of the bytes, for messages.
    private static func text(_ bytes: UnsafePointer<UInt8>, _ range: ByteRange) -> String {
        let count = min(range.count, 80)
        return String(decoding: UnsafeBufferPointer(start: bytes + Int(range.start), count: count), as: UTF8.self)
    }

    var tooLargeMessage: String {
        "the request's body is larger than \(loop.shared.configuration.maxBodyBytes) bytes; send fewer rows at a time"
    }
}
