internal import AsyncHTTPClient
internal import Foundation
internal import NIOCore
internal import NIOFoundationCompat
internal import NIOHTTP1

/// Fetches published files; bounded, and patient with servers that are briefly out of order.
struct Downloader: Sendable {
    private let clients: [HTTPClient]
    private let direct: HTTPClient
    private let proxied: HTTPClient?

    /// Opens connections for `body` and closes them whatever happens.
    static func with<T: Sendable>(_ body: (Downloader) async throws -> T) async throws -> T {
        var configuration = HTTPClient.Configuration()
        configuration.timeout = .init(connect: .seconds(20), read: .seconds(60))
        configuration.redirectConfiguration = .follow(max: 5, allowCycles: false)
        let direct = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
        var proxied: HTTPClient?
        // Which hosts the proxy serves is decided for each address.
        if let proxy = try ProxySettings.proxy(for: "publisher.invalid") {
            configuration.proxy = proxy
            proxied = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
        }
        let downloader = Downloader(clients: [direct, proxied].compactMap { $0 }, direct: direct, proxied: proxied)
        do {
            let result = try await body(downloader)
            for client in downloader.clients { try await client.shutdown() }
            return result
        } catch {
            for client in downloader.clients { try await client.shutdown() }
            throw error
        }
    }

    /// The whole file; `progress` gets the bytes so far and, when the server says it, the bytes in all.
    func fetch(_ url: String, limit: Int, progress: (Int, Int?) -> Void) async throws -> Data {
        var pause = Duration.milliseconds(500)
        var attempt = 1
        while true {
            do {
                return try await fetchOnce(url, limit: limit, progress: progress)
            } catch let error as Passing where attempt < 4 {
                _ = error
            } catch let error as Passing {
                throw PackagingError(
                    .downloadFailed,
                    "\(url) cannot be fetched: \(error.reason)",
                    remedy:
                        "check that this machine reaches it (HTTPS_PROXY is honoured), or name a mirror with --source"
                )
            }
            try await Task.sleep(for: pause)
            pause *= 2
            attempt += 1
        }
    }

    /// A failure that may go away by itself.
    private struct Passing: Error { var reason: String }

    private func fetchOnce(_ url: String, limit: Int, progress: (Int, Int?) -> Void) async throws -> Data {
        let host = URLComponents(string: url)?.host ?? ""
        let usesProxy = try ProxySettings.proxy(for: host) != nil
        var request = HTTPClientRequest(url: url)
        request.headers.add(name: "User-Agent", value: "outrigger")
        let response: HTTPClientResponse
        do {
            response = try await (usesProxy ? proxied ?? direct : direct).execute(request, timeout: .minutes(10))
        } catch let error as CancellationError {
            throw error
        } catch {
            if Task.isCancelled { throw CancellationError() }
            throw Passing(reason: "\(error)")
        }
        guard response.status == .ok else {
            let reason = "the server answers \(response.status.code) \(response.status.reasonPhrase)"
            if response.status.code >= 500 || response.status == .tooManyRequests { throw Passing(reason: reason) }
            throw PackagingError(
                .downloadFailed,
                "\(url) cannot be fetched: \(reason)",
                remedy: "check the address of the mirror, if you gave one with --source"
            )
        }
        let total = response.headers.first(name: "Content-Length").flatMap(Int.init)
        let tooLarge = PackagingError(.tooLarge, "\(url) is larger than \(limit) bytes", remedy: "check the mirror")
        if let total, total > limit { throw tooLarge }
        var data = Data()
        do {
            for try await piece in response.body {
                guard data.count + piece.readableBytes <= limit else { throw tooLarge }
                data.append(Data(buffer: piece))
                progress(data.count, total)
            }
        } catch let error as PackagingError {
            throw error
        } catch let error as CancellationError {
            throw error
        } catch {
            if Task.isCancelled { throw CancellationError() }
            throw Passing(reason: "it broke off after \(data.count) bytes: \(error)")
        }
        return data
    }
}
