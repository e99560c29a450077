import NIOCore
import NIOPosix
import Testing

@testable import NodeAgent

@Suite(.timeLimit(.minutes(1))) struct DrainingCloseTests {
    private static let size = 20_000_000

    private func server(
        _ limit: TimeAmount
    ) async throws -> NIOAsyncChannel<
        NIOAsyncChannel<ByteBuffer, ByteBuffer>, Never
    > {
        try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .bind(host: "127.0.0.1", port: 0) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(DrainingCloseHandler(stallLimit: limit))
                    return try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                }
            }
    }

    private func client(_ port: Int) async throws -> NIOAsyncChannel<ByteBuffer, ByteBuffer> {
        try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(host: "127.0.0.1", port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                }
            }
    }

    @Test("Everything written before the close arrives at a slow reader")
    func drains() async throws {
        let server = try await server(.seconds(30))
        let port = try #require(server.channel.localAddress?.port)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await server.executeThenClose { connections in
                    for try await connection in connections {
                        return try await connection.executeThenClose { _, outbound in
                            try await outbound.write(ByteBuffer(repeating: 7, count: Self.size))
                        }
                    }
                }
            }
            let client = try await client(port)
            let count = try await client.executeThenClose { inbound, _ in
                var count = 0
                for try await buffer in inbound {
                    if count < 1_000_000 { try await Task.sleep(for: .milliseconds(5)) }
                    count += buffer.readableBytes
                }
                return count
            }
            #expect(count == Self.size)
            try await group.waitForAll()
        }
    }

    @Test("A reader that takes nothing holds the close up only for a while")
    func stalls() async throws {
        let server = try await server(.milliseconds(200))
        let port = try #require(server.channel.localAddress?.port)
        let stuck = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(ChannelOptions.autoRead, value: false)
            .connect(host: "127.0.0.1", port: port).get()
        try await server.executeThenClose { connections in
            for try await connection in connections {
                return try await connection.executeThenClose { _, outbound in
                    try await outbound.write(ByteBuffer(repeating: 7, count: Self.size))
                }
            }
        }
        try await stuck.close()
    }
}
