import KubeClient
import KubeCore
import NIOCore
import NIOPosix
import NIOSSL
import Synchronization
import TestSupport
import Testing

@testable import KubeServer

@Suite(.timeLimit(.minutes(1))) struct NodeProxyTests {
    private func withAgent(_ body: (TestCluster, FakeAgent) async throws -> Void) async throws {
        try await TestCluster.run { cluster in
            let agent = FakeAgent()
            try await agent.start(path: cluster.folder + "/node-n1.sock")
            try await cluster.api.create(.serviceAccounts, .serviceAccount("default"))
            try await cluster.api.create(.pods, .pod("web", node: "n1"))
            try await cluster.api.create(.pods, .pod("waiting"))
            let result = await Result<Void, any Error>.catching { try await body(cluster, agent) }
            try await agent.stop()
            try result.get()
        }
    }

    @Test func `Logs stream from the node's agent`() async throws {
        try await withAgent { cluster, agent in
            try await cluster.withClient { api in
                var text = ""
                for try await chunk in try await api.podLogs(
                    namespace: "default",
                    name: "web",
                    options: PodLogOptions(follow: true, tailLines: 5)
                ) {
                    text += String(decoding: chunk, as: UTF8.self)
                }
                #expect(text == "line1\nline2\n")
                let head = agent.requests.withLock { $0.first } ?? ""
                #expect(head.hasPrefix("GET /containerLogs/default/web/main?follow=true&tailLines=5 HTTP/1.1\r\n"))
            }
        }
    }

    @Test func `Logs that cannot be had say why`() async throws {
        try await withAgent { cluster, _ in
            try await cluster.withClient { api in
                let waiting = await #expect(throws: APIError.self) {
                    try await api.podLogs(namespace: "default", name: "waiting")
                }
                #expect(waiting?.message == "pod waiting does not have a host assigned")
                let wrong = await #expect(throws: APIError.self) {
                    try await api.podLogs(namespace: "default", name: "web", options: PodLogOptions(container: "x"))
                }
                #expect(wrong?.message == "container x is not valid for pod web")
                let negative = await #expect(throws: APIError.self) {
                    try await api.podLogs(namespace: "default", name: "web", options: PodLogOptions(tailLines: -1))
                }
                #expect(negative?.code == 422)
                let none = await #expect(throws: APIError.self) {
                    try await api.podLogs(namespace: "default", name: "none")
                }
                #expect(none?.isNotFound == true)
            }
        }
    }

    private func connect(_ cluster: TestCluster) async throws -> NIOAsyncChannel<ByteBuffer, ByteBuffer> {
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.trustRoots = .certificates(
            try NIOSSLCertificate.fromPEMBytes(Array(cluster.authority.certificatePEM.utf8))
        )
        tls.certificateChain = try NIOSSLCertificate.fromPEMBytes(Array(cluster.admin.certificatePEM.utf8))
            .map { .certificate($0) }
        tls.privateKey = .privateKey(try NIOSSLPrivateKey(bytes: Array(cluster.admin.keyPEM.utf8), format: .pem))
        let context = try NIOSSLContext(configuration: tls)
        return try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(host: "127.0.0.1", port: cluster.port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        NIOSSLClientHandler(context: context, serverHostname: nil)
                    )
                    return try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                }
            }
    }

    @Test func `What the agent sends last before it closes arrives at a slow reader`() async throws {
        try await withAgent { cluster, _ in
            let channel = try await connect(cluster)
            let head =
                "GET /api/v1/namespaces/default/pods/web/exec?command=flood&stdout=true HTTP/1.1\r\n"
                + "Host: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
            let (count, last) = try await channel.executeThenClose { inbound, outbound -> (Int, String) in
                try await outbound.write(ByteBuffer(string: head))
                var count = 0
                var last = ""
                for try await buffer in inbound {
                    // Slower than the agent: its end comes while bytes still wait in the server.
                    if count < 2_000_000 { try await Task.sleep(for: .milliseconds(5)) }
                    count += buffer.readableBytes
                    last = String((last + String(buffer: buffer)).suffix(3))
                }
                return (count, last)
            }
            #expect(count > FakeAgent.floodBytes)
            #expect(last == "end")
        }
    }

    @Test func `An upgraded connection carries bytes both ways`() async throws {
        try await withAgent { cluster, agent in
            let channel = try await connect(cluster)
            // The bytes right behind the head must not be lost.
            let head =
                "GET /api/v1/namespaces/default/pods/web/exec?command=ls&command=-l%20a&stdout=true&container=main HTTP/1.1\r\n"
                + "Host: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nAuthorization: Basic secret\r\n\r\nearly"
            let received = try await channel.executeThenClose { inbound, outbound -> String in
                try await outbound.write(ByteBuffer(string: head))
                var text = ""
                var sentSecond = false
                for try await buffer in inbound {
                    text += String(buffer: buffer)
                    if text.hasSuffix("early"), !sentSecond {
                        sentSecond = true
                        try await outbound.write(ByteBuffer(string: String(repeating: "x", count: 300_000)))
                    }
                    if text.utf8.count >= 300_060 || text.hasPrefix("HTTP/1.1 4") { break }
                }
                return text
            }
            #expect(received.hasPrefix("HTTP/1.1 101 Switching Protocols\r\n"))
            #expect(received.contains("\r\n\r\nearlyxxx"))
            let seen = agent.requests.withLock { $0.last } ?? ""
            #expect(seen.hasPrefix("GET /exec/default/web/main?command=ls&command=-l%20a&stdout=true HTTP/1.1\r\n"))
            #expect(!seen.contains("secret"))
        }
    }

    @Test func `The container is the one named, the only one or the default one`() throws {
        var pod = KubeObject.pod("p")
        let only = try NodeProxy.container(nil, in: pod)
        #expect(only == "main")
        pod["spec", "containers"] = [["name": "a"], ["name": "b"]]
        let error = #expect(throws: APIError.self) { try NodeProxy.container(nil, in: pod) }
        #expect(error?.message == "a container name must be specified for pod p, choose one of: [a b]")
        pod.annotations = ["kubectl.kubernetes.io/default-container": "b"]
        let preferred = try NodeProxy.container(nil, in: pod)
        #expect(preferred == "b")
    }
}
