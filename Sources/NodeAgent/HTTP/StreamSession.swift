internal import KubeCore
internal import Logging
internal import NIOCore
internal import NIOPosix
internal import NIOWebSocket
internal import Subprocess
internal import SystemPackage

/// One exec, attach or port-forward over `v4.channel.k8s.io` or `v5.channel.k8s.io`: the first byte of each message is
/// its channel.
///
/// Source: Kubernetes, remotecommand over WebSocket (KEP-4006).
struct StreamSession: Sendable {
    enum ChannelNumber {
        static let stdin: UInt8 = 0
        static let stdout: UInt8 = 1
        static let stderr: UInt8 = 2
        static let error: UInt8 = 3
        static let resize: UInt8 = 4
        /// v5: the second byte names a channel that has ended.
        static let close: UInt8 = 255
    }

    typealias Writer = NIOAsyncChannelOutboundWriter<WebSocketFrame>
    typealias Reader = NIOAsyncChannelInboundStream<WebSocketFrame>

    let backend: ContainerAccess
    let subprotocol: String
    let logger: Logger

    func run(_ channel: NodeServer.SocketChannel, request: NodeRequest) async throws {
        try await channel.executeThenClose { inbound, outbound in
            do {
                switch request {
                case .exec(let streams): try await exec(streams, inbound, outbound)
                case .attach(let streams): try await attach(streams, inbound, outbound)
                case .portForward(let namespace, let pod, let ports):
                    try await PortForwardSession(backend: backend).run(
                        namespace: namespace,
                        pod: pod,
                        ports: ports,
                        inbound,
                        outbound
                    )
                case .logs, .health: return
                }
            } catch let error as NodeAgentError {
                try await send(ChannelNumber.error, Array(APIError.internalError(error.message).status.bytes), outbound)
            }
            var reason = ByteBuffer()
            reason.write(webSocketErrorCode: .normalClosure)
            try await outbound.write(WebSocketFrame(fin: true, opcode: .connectionClose, data: reason))
        }
    }

    private func send(_ channel: UInt8, _ bytes: [UInt8], _ outbound: Writer) async throws {
        try await outbound.write(WebSocketFrame(fin: true, opcode: .binary, data: ByteBuffer(bytes: [channel] + bytes)))
    }

    /// An empty message tells the client that the session stands.
    private func greet(_ streams: NodeRequest.Streams, _ outbound: Writer) async throws {
        let channel =
            streams.stdout ? ChannelNumber.stdout : streams.stderr ? ChannelNumber.stderr : ChannelNumber.error
        try await send(channel, [], outbound)
    }

    private func exec(_ streams: NodeRequest.Streams, _ inbound: Reader, _ outbound: Writer) async throws {
        let found = try backend.running(namespace: streams.namespace, pod: streams.pod, name: streams.container)
        let folder = try backend.runtime.makeExecFolder(found.paths)
        defer { try? Files.remove(folder) }
        let arguments = backend.runtime.execArguments(
            found.record,
            folder: folder,
            command: streams.command,
            terminal: streams.terminal,
            stdin: streams.stdin,
            takesInput: true
        )
        var options = PlatformOptions()
        options.teardownSequence = [.send(signal: .terminate, allowedDurationToNextStep: .seconds(2))]
        try await greet(streams, outbound)
        let result = try await Subprocess.run(
            .path(FilePath(backend.runtime.configuration.monitor)),
            arguments: Arguments(arguments),
            platformOptions: options,
            input: .inputWriter,
            output: .sequence,
            error: .discarded
        ) { execution -> Frame? in
            let writer = execution.standardInputWriter
            let output = execution.standardOutput
            return try await withThrowingTaskGroup(of: Frame?.self) { group in
                group.addTask {
                    // The connection's end is the input's end, and that ends the command.
                    do {
                        try await self.takeInput(inbound, outbound) { frame in _ = try await writer.write(frame.bytes) }
                    } catch is CancellationError {
                        return nil
                    }
                    try await writer.finish()
                    return nil
                }
                group.addTask {
                    var reader = FrameReader()
                    for try await buffer in output {
                        buffer.withUnsafeBytes { reader.append($0) }
                        while let frame = try reader.next() {
                            if frame.type == .exit { return frame }
                            try await self.pass(frame, streams, outbound)
                        }
                    }
                    return nil
                }
                var end: Frame?
                while let next = try await group.next() {
                    if let next {
                        end = next
                        break
                    }
                }
                group.cancelAll()
                return end
            }
        }
        try await send(ChannelNumber.error, Self.status(result.closureResult), outbound)
    }

    private func pass(_ frame: Frame, _ streams: NodeRequest.Streams, _ outbound: Writer) async throws {
        switch frame.type {
        case .stdout where streams.stdout || streams.terminal:
            try await send(ChannelNumber.stdout, frame.payload, outbound)
        case .stderr where streams.stderr: try await send(ChannelNumber.stderr, frame.payload, outbound)
        default: break
        }
    }

    private func attach(_ streams: NodeRequest.Streams, _ inbound: Reader, _ outbound: Writer) async throws {
        let found = try backend.running(namespace: streams.namespace, pod: streams.pod, name: streams.container)
        let folder = try SocketFolder(found.paths.root)
        defer { folder.close() }
        let connection = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(unixDomainSocketPath: folder.address("attach.sock")) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                }
            }
        try await greet(streams, outbound)
        try await connection.executeThenClose { incoming, outgoing in
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    try await self.takeInput(inbound, outbound) { frame in
                        if frame.type == .resize || streams.stdin {
                            try await outgoing.write(ByteBuffer(bytes: frame.bytes))
                        }
                    }
                }
                group.addTask {
                    var reader = FrameReader()
                    for try await buffer in incoming {
                        reader.append(buffer.readableBytesView)
                        while let frame = try reader.next() { try await self.pass(frame, streams, outbound) }
                    }
                }
                // Either side's end is the session's.
                try await group.next()
                group.cancelAll()
            }
        }
        try await send(ChannelNumber.error, Self.success, outbound)
    }

    /// Turns what the client sends into frames; returns when it closes.
    private func takeInput(_ inbound: Reader, _ outbound: Writer, _ forward: (Frame) async throws -> Void) async throws
    {
        for try await message in inbound {
            switch message.opcode {
            case .binary, .text:
                var data = message.unmaskedData
                guard let channel = data.readInteger(as: UInt8.self) else { continue }
                let bytes = Array(data.readableBytesView)
                switch channel {
                case ChannelNumber.stdin: for frame in Frame.stdin(bytes) { try await forward(frame) }
                case ChannelNumber.resize: if let frame = Self.resize(bytes) { try await forward(frame) }
                case ChannelNumber.close where subprotocol == "v5.channel.k8s.io" && bytes.first == ChannelNumber.stdin:
                    try await forward(Frame(type: .stdinEnd, payload: []))
                default: continue
                }
            case .ping: try await outbound.write(WebSocketFrame(fin: true, opcode: .pong, data: message.unmaskedData))
            case .connectionClose: return
            default: continue
            }
        }
    }

    private static func resize(_ bytes: [UInt8]) -> Frame? {
        guard let json = try? JSON(parsing: bytes), let width = json["Width"]?.intValue,
            let height = json["Height"]?.intValue
        else {
            return nil
        }
        return .resize(columns: width, rows: height)
    }

    private static let success = Array(JSON.object(["metadata": [:], "status": "Success"]).bytes)

    /// The message on the error channel that tells how the command ended.
    static func status(_ end: Frame?) -> [UInt8] {
        guard let end, let code = end.exitCode else {
            return APIError.internalError("the command's helper ended early").status.bytes
        }
        if code < 0 {
            return APIError.internalError("error executing command in container: " + end.failure.trimmed).status.bytes
        }
        if code == 0 { return success }
        let status: JSON = [
            "metadata": [:], "status": "Failure",
            "message": .string("command terminated with non-zero exit code: exit status \(code)"),
            "reason": "NonZeroExitCode",
            "details": ["causes": [["reason": "ExitCode", "message": .string(String(code))]]],
        ]
        return status.bytes
    }
}
