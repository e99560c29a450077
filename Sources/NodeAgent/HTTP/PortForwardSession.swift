internal import NIOCore
internal import NIOWebSocket
internal import Subprocess
internal import SystemPackage

/// Port forwarding over `v4.channel.k8s.io`: each port has a data channel and an error channel, both opened by the
/// port's number.
struct PortForwardSession: Sendable {
    let backend: ContainerAccess

    func run(
        namespace: String,
        pod name: String,
        ports: [Int],
        _ inbound: StreamSession.Reader,
        _ outbound: StreamSession.Writer
    ) async throws {
        let pod = try backend.pod(namespace: namespace, name: name)
        let netns = pod.hostNetwork ? "-" : backend.paths.pod(pod.uid).networkNamespace
        var inputs: [AsyncStream<[UInt8]>] = []
        var feeds: [AsyncStream<[UInt8]>.Continuation] = []
        for (index, port) in ports.enumerated() {
            // A client that sends faster than the pod reads is cut off rather than buffered without end.
            let (stream, feed) = AsyncStream.makeStream(of: [UInt8].self, bufferingPolicy: .bufferingOldest(1024))
            inputs.append(stream)
            feeds.append(feed)
            let head = [UInt8(port & 0xff), UInt8(port >> 8)]
            try await send(UInt8(index * 2), head, outbound)
            try await send(UInt8(index * 2 + 1), head, outbound)
        }
        let streams = inputs
        let continuations = feeds
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (index, port) in ports.enumerated() {
                group.addTask { try await self.join(port, netns, UInt8(index * 2), streams[index], outbound) }
            }
            group.addTask {
                try await self.distribute(inbound, outbound, continuations)
                for feed in continuations { feed.finish() }
            }
            for _ in ports { try await group.next() }
            group.cancelAll()
        }
    }

    private func send(_ channel: UInt8, _ bytes: [UInt8], _ outbound: StreamSession.Writer) async throws {
        try await outbound.write(WebSocketFrame(fin: true, opcode: .binary, data: ByteBuffer(bytes: [channel] + bytes)))
    }

    private func distribute(
        _ inbound: StreamSession.Reader,
        _ outbound: StreamSession.Writer,
        _ feeds: [AsyncStream<[UInt8]>.Continuation]
    ) async throws {
        for try await message in inbound {
            switch message.opcode {
            case .binary:
                var data = message.unmaskedData
                guard let channel = data.readInteger(as: UInt8.self), channel % 2 == 0, Int(channel) / 2 < feeds.count
                else { continue }
                if case .dropped = feeds[Int(channel) / 2].yield(Array(data.readableBytesView)) {
                    throw NodeAgentError(.badRequest, "the pod does not read what is sent to its port")
                }
            case .ping: try await outbound.write(WebSocketFrame(fin: true, opcode: .pong, data: message.unmaskedData))
            case .connectionClose: return
            default: continue
            }
        }
    }

    private func join(
        _ port: Int,
        _ netns: String,
        _ channel: UInt8,
        _ input: AsyncStream<[UInt8]>,
        _ outbound: StreamSession.Writer
    ) async throws {
        let result = try await Subprocess.run(
            .path(FilePath(backend.runtime.configuration.monitor)),
            arguments: ["connect", netns, String(port)],
            input: .inputWriter,
            output: .sequence,
            error: .string(limit: 4096)
        ) { execution in
            let writer = execution.standardInputWriter
            let output = execution.standardOutput
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    for await bytes in input { _ = try await writer.write(bytes) }
                    try await writer.finish()
                }
                group.addTask {
                    for try await buffer in output {
                        let bytes = buffer.withUnsafeBytes { Array($0) }
                        try await self.send(channel, bytes, outbound)
                    }
                }
                try await group.next()
                try await group.next()
            }
        }
        if !result.terminationStatus.isSuccess {
            try await send(channel + 1, Array(result.standardError.trimmed.utf8), outbound)
        }
    }
}
