internal import ArgumentParser
internal import Extension
internal import Foundation
internal import Hummingbird
internal import HummingbirdTLS
internal import KubeCore
internal import Logging
internal import NIOCore
internal import NIOSSL
internal import Scheduling
internal import Telemetry

/// Webhooks of Volcano jobs and queues, over HTTPS.
struct VolcanoAdmissionComponent: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "volcano-admission",
        abstract: "Checks and completes Volcano jobs when they are created."
    )

    private static let maximumReview = 4 << 20
    private static let healthPart = "webhook"

    func run() async throws {
        let host = try ComponentHost("volcano-admission")
        let folder = ComponentEnvironment.admissionTLSFolder
        var tls = TLSConfiguration.makeServerConfiguration(
            certificateChain: try NIOSSLCertificate.fromPEMFile(folder + "/tls.crt").map { .certificate($0) },
            privateKey: .privateKey(try NIOSSLPrivateKey(file: folder + "/tls.key", format: .pem))
        )
        tls.minimumTLSVersion = .tlsv12
        host.health.require(Self.healthPart)
        let server = Application(
            responder: CallbackResponder { (request: Request, _: BasicRequestContext) in
                await Self.respond(request, host)
            },
            server: try .tls(tlsConfiguration: tls),
            configuration: ApplicationConfiguration(
                address: .hostname("0.0.0.0", port: try ComponentHost.port(ComponentEnvironment.admissionPort)),
                serverName: host.name
            ),
            onServerRunning: { _ in host.health.setReady(Self.healthPart) },
            logger: host.logger
        )
        try await host.run([server])
    }

    private static func respond(_ request: Request, _ host: ComponentHost) async -> Response {
        do {
            let isMutating = request.uri.path == VolcanoAdmission.mutatePath
            guard isMutating || request.uri.path == VolcanoAdmission.validatePath else {
                return answer(APIError.badRequest("no webhook at \(request.uri.path)").status, .notFound)
            }
            let body = try await request.body.collect(upTo: maximumReview)
            let review = try await VolcanoAdmission.answer(
                try JSON(parsing: body.readableBytesView),
                isMutating: isMutating,
                queue: { try await host.api.find(VolcanoNames.queues, name: $0) }
            )
            return answer(review, .ok)
        } catch let error as JSONParseError {
            return answer(APIError.badRequest("the body is not JSON: \(error)").status, .badRequest)
        } catch {
            host.logger.warning("a review could not be answered", metadata: ["error": "\(error)"])
            return answer(APIError.badRequest("\(error)").status, .internalServerError)
        }
    }

    private static func answer(_ json: JSON, _ status: HTTPResponse.Status) -> Response {
        Response(
            status: status,
            headers: [.contentType: "application/json"],
            body: .init(byteBuffer: ByteBuffer(bytes: json.bytes))
        )
    }
}
