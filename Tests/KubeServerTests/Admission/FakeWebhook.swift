import Foundation
import KubeCore
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import Synchronization
import TestSupport

@testable import KubeServer

/// An HTTPS server that answers each POST with what a closure makes of its body.
final class FakeWebhook: Sendable {
    struct Answer: Sendable {
        var status: HTTPResponseStatus = .ok
        var body: String
        var delay: Duration = .zero
    }

    typealias Respond = @Sendable (_ path: String, _ review: JSON) -> Answer

    let authority: PKI.Pair
    let requests = Mutex<[JSON]>([])
    private let channel = Mutex<(any Channel)?>(nil)
    private let respond: Respond

    var port: Int { channel.withLock { $0?.localAddress?.port ?? 0 } }

    init(_ respond: @escaping Respond) throws {
        authority = try PKI.authority(commonName: "hooks")
        self.respond = respond
    }

    /// Serves as `hook.default.svc` and `localhost` while `body` runs.
    static func run<T>(_ respond: @escaping Respond, _ body: (FakeWebhook) async throws -> T) async throws -> T {
        let hook = try FakeWebhook(respond)
        let pair = try PKI.serverCertificate(
            authority: hook.authority,
            commonName: "hook",
            dnsNames: ["hook.default.svc", "localhost"],
            addresses: ["127.0.0.1"]
        )
        let tls = TLSConfiguration.makeServerConfiguration(
            certificateChain: try NIOSSLCertificate.fromPEMBytes(Array(pair.certificatePEM.utf8))
                .map { .certificate($0) },
            privateKey: .privateKey(try NIOSSLPrivateKey(bytes: Array(pair.keyPEM.utf8), format: .pem))
        )
        let context = try NIOSSLContext(configuration: tls)
        let bound = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    try pipeline.addHandler(NIOSSLServerHandler(context: context))
                    try pipeline.configureHTTPServerPipeline()
                    try pipeline.addHandler(Handler(hook: hook))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        hook.channel.withLock { $0 = bound }
        let result = await Result.catching { try await body(hook) }
        try await bound.close().get()
        return try result.get()
    }

    /// `caBundle` of a configuration.
    var bundle: JSON { .string(Data(authority.certificatePEM.utf8).base64EncodedString()) }

    /// Makes the Service `hook` with this server as its only endpoint.
    func serve(in api: any ResourceAPI) async throws {
        try await api.create(.services, .service("hook", selector: [:], port: 443))
        let slice = KubeObject(
            .endpointSlices,
            namespace: "default",
            name: "hook",
            labels: ["kubernetes.io/service-name": "hook"],
            body: [
                "addressType": "IPv4",
                "endpoints": [["addresses": ["127.0.0.1"], "conditions": ["ready": true]]],
                "ports": [["name": "", "port": JSON(port), "protocol": "TCP"]],
            ]
        )
        try await api.create(.endpointSlices, slice)
    }

    /// A webhook entry that calls this server through its Service.
    func entry(_ name: String, resources: [String] = ["configmaps"], _ more: [String: JSON] = [:]) -> JSON {
        var entry: [String: JSON] = [
            "name": .string(name), "sideEffects": "None", "admissionReviewVersions": ["v1"],
            "clientConfig": [
                "caBundle": bundle,
                "service": ["namespace": "default", "name": "hook", "path": .string("/" + name)],
            ],
            "rules": [
                [
                    "operations": ["CREATE", "UPDATE", "DELETE"], "apiGroups": ["*"], "apiVersions": ["*"],
                    "resources": JSON(resources),
                ]
            ],
        ]
        entry.merge(more) { _, new in new }
        return .object(entry)
    }

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = HTTPServerRequestPart
        typealias OutboundOut = HTTPServerResponsePart
        private let hook: FakeWebhook
        private var path = ""
        private var body: [UInt8] = []

        init(hook: FakeWebhook) { self.hook = hook }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            switch unwrapInboundIn(data) {
            case .head(let head):
                path = String(head.uri.prefix { $0 != "?" })
                body = []
            case .body(let buffer): body += Array(buffer.readableBytesView)
            case .end:
                let review = (try? JSON(parsing: body)) ?? .null
                hook.requests.withLock { $0.append(review) }
                let answer = hook.respond(path, review)
                let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
                let delay = TimeAmount.milliseconds(answer.delay.components.seconds * 1000)
                context.eventLoop.scheduleTask(in: delay) {
                    let context = bound.value
                    let head = HTTPResponseHead(
                        version: .http1_1,
                        status: answer.status,
                        headers: ["Content-Length": "\(answer.body.utf8.count)", "Content-Type": "application/json"]
                    )
                    context.write(NIOAny(HTTPServerResponsePart.head(head)), promise: nil)
                    context.write(
                        NIOAny(HTTPServerResponsePart.body(.byteBuffer(ByteBuffer(string: answer.body)))),
                        promise: nil
                    )
                    context.writeAndFlush(NIOAny(HTTPServerResponsePart.end(nil)), promise: nil)
                }
            }
        }
    }
}

extension FakeWebhook.Answer {
    /// An `AdmissionReview` answer to `review`.
    static func review(
        _ review: JSON,
        allowed: Bool = true,
        patch: JSON? = nil,
        _ more: [String: JSON] = [:],
        delay: Duration = .zero
    ) -> FakeWebhook.Answer {
        var response: [String: JSON] = ["uid": review["request"]?["uid"] ?? "", "allowed": .bool(allowed)]
        if let patch {
            response["patch"] = .string(Data(patch.bytes).base64EncodedString())
            response["patchType"] = "JSONPatch"
        }
        response.merge(more) { _, new in new }
        let body: JSON = [
            "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": .object(response),
        ]
        return FakeWebhook.Answer(body: body.text, delay: delay)
    }
}

extension ResourceType {
    static let mutatingWebhooks = ResourceType(
        group: "admissionregistration.k8s.io",
        version: "v1",
        plural: "mutatingwebhookconfigurations",
        kind: "MutatingWebhookConfiguration",
        isNamespaced: false
    )
    static let validatingWebhooks = ResourceType(
        group: "admissionregistration.k8s.io",
        version: "v1",
        plural: "validatingwebhookconfigurations",
        kind: "ValidatingWebhookConfiguration",
        isNamespaced: false
    )
}

func configuration(_ type: ResourceType, _ name: String, _ webhooks: [JSON]) -> KubeObject {
    KubeObject(type, name: name, body: ["webhooks": .array(webhooks)])
}
