internal import KubeCore
internal import NIOHTTP1

extension ResourceRoutes {
    /// A watch: one JSON line for each event, as long as the client reads.
    func watch(_ call: Call) async throws -> RequestOutcome {
        let presentation = try Presentation(kind: call.kind, request: call.request)
        let options = try RequestOptions.watch(call.request.query)
        let pump: WatchPump
        do {
            pump = try await registry.watchBatches(call.type, namespace: call.namespace, options: options)
        } catch let error as APIError where error.isExpired {
            return Self.stream(presentation) { writer in try await writer.write(Self.errorLine(error)) }
        }
        return Self.stream(presentation) { writer in
            var lines = WatchLines(presentation: presentation)
            do {
                while let items = try await pump.nextBatch() { try await writer.write(lines.bytes(items)) }
            } catch let error as APIError {
                try await writer.write(Self.errorLine(error))
            }
        }
    }

    private static func stream(
        _ presentation: Presentation,
        _ body: @escaping @Sendable (StreamWriter) async throws -> Void
    ) -> RequestOutcome {
        var headers = HTTPHeaders()
        headers.add(name: "Content-Type", value: presentation.contentType)
        headers.add(name: "Cache-Control", value: "no-cache, private")
        return .stream(status: .ok, headers: headers, body: body)
    }

    private static func errorLine(_ error: APIError) -> [UInt8] {
        JSON.object(["type": "ERROR", "object": error.status]).bytes + [UInt8(ascii: "\n")]
    }
}

/// Writes watch events; remembers whether the Table columns were sent.
private struct WatchLines {
    let presentation: Presentation
    private var hasSentColumns = false

    init(presentation: Presentation) {
        self.presentation = presentation
    }

    mutating func bytes(_ items: [WatchItem]) -> [UInt8] {
        var buffer: [UInt8] = []
        for item in items {
            if presentation.choice.shape == .object {
                item.appendLine(to: &buffer)
                continue
            }
            let json: JSON
            if item.kind == .bookmark {
                json = presentation.bookmark(item.object)
            } else {
                json = presentation.object(item.object, includeColumns: !hasSentColumns)
                hasSentColumns = true
            }
            JSON.object(["type": .string(item.kind.rawValue), "object": json]).appendBytes(to: &buffer)
            buffer.append(UInt8(ascii: "\n"))
        }
        return buffer
    }
}
