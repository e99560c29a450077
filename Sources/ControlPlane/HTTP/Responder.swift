internal import ControlPlaneAPI
internal import Foundation
internal import Hummingbird
internal import Logging

/// Turns requests into calls of routes and errors into ARM error bodies.
struct ControlPlaneResponder: HTTPResponder {
    typealias Context = BasicRequestContext

    let routes: RouteTable
    let gate: AccessGate
    let logger: Logger

    func respond(to request: Request, context: BasicRequestContext) async throws -> Response {
        let isHead = request.method == .head
        let requestID = UUID().uuidString.lowercased()
        var reply = await answer(request, requestID: requestID)
        reply.headers["x-ms-request-id"] = requestID
        return reply.response(isHead: isHead)
    }

    private func answer(_ request: Request, requestID: String) async -> Reply {
        do {
            return try await route(request)
        } catch let error as ARMError {
            return .error(error)
        } catch is CancellationError {
            return .error(ARMError(503, "ServerStopping", "The control plane is stopping. Try again."))
        } catch {
            logger.error(
                "request failed",
                metadata: [
                    "request.id": "\(requestID)", "method": "\(request.method)", "path": "\(request.uri.path)",
                    "error": "\(error)",
                ]
            )
            return .error(
                ARMError(
                    500,
                    "InternalServerError",
                    "The control plane failed at \(request.method) \(request.uri.path): \(error)."
                )
            )
        }
    }

    private func route(_ request: Request) async throws -> Reply {
        let path = request.uri.path
        let method = request.method.rawValue
        var resolution = routes.resolve(method, path)
        if method == "HEAD", case .wrongMethod = resolution { resolution = routes.resolve("GET", path) }
        switch resolution {
        case .unknown:
            throw ARMError(404, "NotFound", "There is no route \(method) \(path).")
        case .wrongMethod(let allowed):
            throw ARMError(
                405,
                "MethodNotAllowed",
                "\(path) takes \(allowed.joined(separator: ", ")), not \(method)."
            )
        case .match(let match):
            let query = RequestQuery(request.uri.query ?? "")
            let caller = try await gate.caller(of: request, access: match.endpoint.access)
            let call = Call(
                request: request,
                path: path,
                parameters: match.parameters,
                rest: match.rest,
                query: query,
                caller: caller,
                logger: logger
            )
            return try await match.endpoint.handler(call)
        }
    }
}
