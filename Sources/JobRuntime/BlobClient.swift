internal import AsyncHTTPClient
internal import Foundation
internal import NIOCore
internal import NIOFoundationCompat
internal import NIOHTTP1
internal import NIOSSL

/// Fetches and stores blobs of the control plane.
///
/// The bearer token is sent to the control plane's address only.
struct BlobClient: Sendable {
    private let client: HTTPClient
    private let controlPlaneURL: String
    private let token: String

    /// Trusts the CA in `caFile` (PEM) besides the system's, and signs in with the bearer token in `tokenFile`.
    init(controlPlaneURL: String, caFile: String, tokenFile: String) throws {
        token = try String(contentsOfFile: tokenFile, encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.additionalTrustRoots = [.certificates(try NIOSSLCertificate.fromPEMFile(caFile))]
        var configuration = HTTPClient.Configuration(tlsConfiguration: tls)
        configuration.timeout = .init(connect: .seconds(10), read: .seconds(60))
        client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
        self.controlPlaneURL = controlPlaneURL
    }

    func shutdown() async throws { try await client.shutdown() }

    /// Blob names under a folder, all pages.
    func list(_ folder: BlobLocation) async throws -> [String] {
        var names: [String] = []
        var marker = ""
        repeat {
            var query = "restype=container&comp=list&prefix=" + BlobLocation.encode(folder.decodedPath)
            if !marker.isEmpty { query += "&marker=" + BlobLocation.encode(marker) }
            if !folder.query.isEmpty { query += "&" + folder.query }
            let response = try await send(.GET, folder.containerURL + "?" + query)
            let body = try await response.body.collect(upTo: 64 << 20)
            let listing = BlobListing(xml: String(buffer: body))
            names += listing.names
            marker = listing.marker ?? ""
        } while !marker.isEmpty
        return names
    }

    /// Streams a blob, or any other URL, into a file; the file appears only when it is complete.
    ///
    /// A connection that breaks in the middle is tried again from the start, up to four times.
    func download(_ url: String, to path: String) async throws {
        let temporary = path + ".partial"
        var pause = Duration.milliseconds(500)
        for attempt in 1...4 {
            do {
                try await fetch(url, to: temporary)
                break
            } catch let error where attempt < 4 && !(error is JobRuntimeError) && !Task.isCancelled {
                FileHandle.standardError.write(
                    Data("warning: \(Self.withoutQuery(url)) broke off, trying again: \(error)\n".utf8)
                )
                try await Task.sleep(for: pause)
                pause *= 2
            } catch {
                try? FileManager.default.removeItem(atPath: temporary)
                throw error
            }
        }
        guard rename(temporary, path) == 0 else {
            throw JobRuntimeError(.downloadFailed, "cannot write \(path): \(String(cString: strerror(errno)))")
        }
    }

    private func fetch(_ url: String, to path: String) async throws {
        let response = try await send(.GET, url)
        guard FileManager.default.createFile(atPath: path, contents: nil),
            let file = FileHandle(forWritingAtPath: path)
        else { throw JobRuntimeError(.downloadFailed, "cannot write \(path)") }
        defer { try? file.close() }
        for try await chunk in response.body {
            do {
                try file.write(contentsOf: Data(buffer: chunk))
            } catch {
                throw JobRuntimeError(.downloadFailed, "cannot write \(path): \(error.localizedDescription)")
            }
        }
    }

    /// Stores a whole file as a block blob.
    func upload(file path: String, to url: String) async throws {
        let size = try fileSize(path)
        guard size > Self.blockSize else {
            return try await put(url, bytes: try Data(contentsOf: URL(fileURLWithPath: path)), blobType: "BlockBlob")
        }
        guard let file = FileHandle(forReadingAtPath: path) else {
            throw JobRuntimeError(.uploadFailed, "cannot read \(path)")
        }
        defer { try? file.close() }
        var blocks = ""
        var index = 0
        while let data = try file.read(upToCount: Self.blockSize), !data.isEmpty {
            let id = Data(String(format: "%08d", index).utf8).base64EncodedString()
            try await put(
                appending("comp=block&blockid=" + BlobLocation.encode(id), to: url),
                bytes: data,
                blobType: nil
            )
            blocks += "<Latest>\(id)</Latest>"
            index += 1
        }
        let list = "<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>\(blocks)</BlockList>"
        try await put(appending("comp=blocklist", to: url), bytes: Data(list.utf8), blobType: nil)
    }

    /// Makes an empty append blob, which takes the place of what was there.
    func createAppendBlob(_ url: String) async throws { try await put(url, bytes: Data(), blobType: "AppendBlob") }

    /// Appends to an append blob, at `offset` exactly: repeating a request whose answer was lost appends nothing twice.
    ///
    /// Returns the offset at which the blob ends for us: after `data`, or earlier where only a part of it had arrived in a request
    /// that broke off; nil when the blob is gone or holds something else, so that it has to be made anew.
    func append(_ data: Data, to url: String, at offset: Int) async throws -> Int? {
        let response = try await send(
            .PUT,
            appending("comp=appendblock", to: url),
            headers: ["x-ms-blob-condition-appendpos": String(offset)],
            body: data,
            accepting: [404, 412]
        )
        _ = try await response.body.collect(upTo: 1 << 20)
        if (200..<300).contains(response.status.code) { return offset + data.count }
        guard response.status.code == 412, let size = try await size(url) else { return nil }
        return Self.resumption(size: size, offset: offset, count: data.count)
    }

    /// Where to go on with a log that was to grow by `count` bytes at `offset`, when the blob is `size` bytes long.
    static func resumption(size: Int, offset: Int, count: Int) -> Int? {
        size > offset && size <= offset + count ? size : nil
    }

    /// Length of a blob; nil when there is none.
    private func size(_ url: String) async throws -> Int? {
        let response = try await send(.HEAD, url, accepting: [404])
        guard response.status == .ok else { return nil }
        return response.headers.first(name: "Content-Length").flatMap { Int($0) }
    }

    private static let blockSize = 8 << 20

    private func fileSize(_ path: String) throws -> Int {
        let attributes = try FileManager.default.attributesOfItem(atPath: path)
        return (attributes[.size] as? NSNumber)?.intValue ?? 0
    }

    private func appending(_ query: String, to url: String) -> String {
        url + (url.contains("?") ? "&" : "?") + query
    }

    private func put(
        _ url: String,
        bytes: Data,
        blobType: String?,
        headers: [String: String] = [:],
        accepting: [Int] = []
    ) async throws {
        var all = headers
        if let blobType { all["x-ms-blob-type"] = blobType }
        let response = try await send(.PUT, url, headers: all, body: bytes, accepting: accepting)
        _ = try await response.body.collect(upTo: 1 << 20)
    }

    /// Sends with up to five tries; faults of the transport and 5xx answers are tried again with growing pauses.
    private func send(
        _ method: HTTPMethod,
        _ url: String,
        headers: [String: String] = [:],
        body: Data? = nil,
        accepting: [Int] = []
    ) async throws -> HTTPClientResponse {
        var request = HTTPClientRequest(url: url)
        request.method = method
        request.headers.add(name: "x-ms-version", value: "2024-11-04")
        for (name, value) in headers { request.headers.add(name: name, value: value) }
        if url.hasPrefix(controlPlaneURL + "/") { request.headers.add(name: "Authorization", value: "Bearer " + token) }
        var pause = Duration.milliseconds(200)
        for attempt in 1...5 {
            if let body { request.body = .bytes(ByteBuffer(data: body)) }
            do {
                let response = try await client.execute(request, timeout: .hours(1))
                let status = Int(response.status.code)
                if (200..<300).contains(status) || accepting.contains(status) { return response }
                let text = String(buffer: (try? await response.body.collect(upTo: 4096)) ?? ByteBuffer())
                let failure = JobRuntimeError(
                    method == .GET ? .downloadFailed : .uploadFailed,
                    "\(method.rawValue) \(Self.withoutQuery(url)) answered \(status) \(text.prefix(300))"
                )
                guard status >= 500 || status == 429, attempt < 5 else { throw failure }
            } catch let error as JobRuntimeError {
                throw error
            } catch is CancellationError {
                throw CancellationError()
            } catch {
                guard attempt < 5 else {
                    throw JobRuntimeError(
                        method == .GET ? .downloadFailed : .uploadFailed,
                        "\(method.rawValue) \(Self.withoutQuery(url)): \(error)",
                        remedy: "check that the control plane is up and reachable from pods"
                    )
                }
            }
            try await Task.sleep(for: pause * Double.random(in: 0.8...1.2))
            pause *= 2
        }
        throw JobRuntimeError(.downloadFailed, "\(Self.withoutQuery(url)) could not be reached")
    }

    /// A SAS in the query is a secret: keep it out of messages.
    private static func withoutQuery(_ url: String) -> Substring { url.prefix { $0 != "?" } }
}
