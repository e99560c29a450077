internal import AsyncHTTPClient
internal import KubeCore
internal import NIOCore
internal import NIOHTTP1

extension HTTPResourceAPI {
    /// Sends one request to any path of the API server, such as a service's proxy; an answer of any status is returned.
    ///
    /// The head must come within the request's time limit; the body may go on without end, and ending its iteration ends the
    /// request. `headers` may not hold `Authorization`, which is the API server's own.
    package func raw(
        method: String,
        path: String,
        headers: [String: String] = [:],
        body: [UInt8] = []
    ) async throws -> (status: Int, body: AsyncThrowingStream<[UInt8], any Error>) {
        var call = HTTPTransport.Call(HTTPMethod(rawValue: method), path)
        call.accept = "*/*"
        if !body.isEmpty { call.body = body }
        let headers = headers.filter { $0.key.lowercased() != "authorization" }
        let response = try await transport.raw(call, headers: headers)
        let iterator = Chunks(response.body.makeAsyncIterator())
        return (Int(response.status.code), AsyncThrowingStream { try await iterator.next() })
    }

    /// The body's iterator, which one reader at a time moves on.
    private final class Chunks: @unchecked Sendable {
        // A stream made from a closure has one reader, which asks for the next piece when it has the one before.
        private var iterator: HTTPClientResponse.Body.AsyncIterator

        init(_ iterator: HTTPClientResponse.Body.AsyncIterator) { self.iterator = iterator }

        func next() async throws -> [UInt8]? {
            try await iterator.next().map { Array($0.readableBytesView) }
        }
    }
}
