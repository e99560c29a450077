internal import AsyncHTTPClient
internal import ControlPlaneAPI
internal import Foundation
package import KubeCore
internal import NIOCore
internal import NIOHTTP1

extension ControlPlaneClient {
    /// The bytes of an address from `offset` on; empty when there is nothing new.
    package func bytes(_ url: String, from offset: Int = 0) async throws -> [UInt8] {
        var request = HTTPClientRequest(url: address(url))
        // Signed addresses carry their own right; the token is for the rest.
        if !url.contains("sig=") {
            request.headers.add(name: "Authorization", value: "Bearer " + (try await accessToken()))
        }
        if offset > 0 { request.headers.add(name: "x-ms-range", value: "bytes=\(offset)-") }
        do {
            let (_, bytes) = try await execute(request)
            return Array(bytes.readableBytesView)
        } catch let error as ARMError where error.status == 416 {
            return []
        }
    }

    /// Follows a job until it has ended and answers it as it then is.
    ///
    /// `onText` gets what appears in its streamed logs, `onStatus` each new status or message with the job.
    package func streamJob(
        _ name: String,
        ids: WorkspaceIDs,
        poll: Duration = .milliseconds(500),
        onStatus: (String, JSON) async throws -> Void = { _, _ in },
        onText: (_ file: String, _ text: String) async throws -> Void
    ) async throws -> JSON {
        var offsets: [String: Int] = [:]
        var pending: [String: [UInt8]] = [:]
        var last = ("", "")
        while true {
            let job = try await get(ids.job(name))
            let status = job["properties"]?["status"]?.stringValue ?? ""
            let message = job["properties"]?["statusMessage"]?.stringValue ?? ""
            if (status, message) != last { try await onStatus(status, job) }
            last = (status, message)
            let isEnded = ["Completed", "Failed", "Canceled"].contains(status)
            let files = try await get(ids.run(name) + "/details")["logFiles"]?.objectValue ?? [:]
            for (file, url) in files.sorted(by: { $0.key < $1.key }) where Self.isStreamed(file) {
                guard let url = url.stringValue else { continue }
                let new = try await bytes(url, from: offsets[file] ?? 0)
                offsets[file, default: 0] += new.count
                // A character may be cut in two by the end of what is there; it waits for its rest.
                let all = (pending[file] ?? []) + new
                let whole = isEnded ? all.count : Self.wholeCharacters(all)
                pending[file] = Array(all[whole...])
                if whole > 0 { try await onText(file, String(decoding: all[..<whole], as: UTF8.self)) }
            }
            if isEnded { return job }
            try await Task.sleep(for: poll)
        }
    }

    /// `user_logs/std_log.txt` and the first process of distributed jobs.
    static func isStreamed(_ file: String) -> Bool {
        guard file.hasPrefix("user_logs/std_log"), file.hasSuffix(".txt") else { return false }
        let middle = file.dropFirst("user_logs/std_log".count).dropLast(".txt".count)
        return !middle.contains { $0.isNumber && $0 != "0" }
    }

    /// Bytes up to the last complete UTF-8 character.
    static func wholeCharacters(_ bytes: [UInt8]) -> Int {
        var index = bytes.count
        var back = 0
        while index > 0, back < 4 {
            let byte = bytes[index - 1]
            if byte & 0x80 == 0 { return bytes.count }
            back += 1
            index -= 1
            if byte & 0xC0 == 0xC0 {
                let length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : 2
                return back >= length ? bytes.count : index
            }
        }
        return bytes.count
    }

    /// Downloads everything below a folder of a container into a local folder; answers the number of files.
    package func downloadFolder(container: String, prefix: String, to folder: String) async throws -> Int {
        let base = "/store.blob.outrigger/" + container
        var marker = ""
        var count = 0
        repeat {
            var query = ["restype": "container", "comp": "list", "prefix": prefix]
            if !marker.isEmpty { query["marker"] = marker }
            let text = String(decoding: try await bytes(address(base, query)), as: UTF8.self)
            for name in BlobList.names(text) {
                guard let relative = RelativePath.below(prefix, name), !relative.hasSuffix("/") else { continue }
                let path = URL(filePath: folder + "/" + relative)
                try FileManager.default.createDirectory(
                    at: path.deletingLastPathComponent(),
                    withIntermediateDirectories: true
                )
                try Data(try await bytes(connection.url + encodedPath(base + "/") + encodedName(name))).write(to: path)
                count += 1
            }
            marker = BlobList.marker(text)
        } while !marker.isEmpty
        return count
    }

    private func encodedName(_ name: String) -> String {
        name.split(separator: "/", omittingEmptySubsequences: false).map { encoded(String($0)) }.joined(separator: "/")
    }
}

/// Reads the listing of a container.
enum BlobList {
    static func names(_ xml: String) -> [String] {
        xml.components(separatedBy: "<Blob>").dropFirst().compactMap { value("Name", in: $0) }
    }

    static func marker(_ xml: String) -> String { value("NextMarker", in: xml) ?? "" }

    private static func value(_ tag: String, in text: String) -> String? {
        guard let start = text.range(of: "<\(tag)>"),
            let end = text.range(of: "</\(tag)>", range: start.upperBound..<text.endIndex)
        else { return nil }
        return String(text[start.upperBound..<end.lowerBound]).replacing("&lt;", with: "<").replacing("&gt;", with: ">")
            .replacing("&quot;", with: "\"").replacing("&amp;", with: "&")
    }
}
