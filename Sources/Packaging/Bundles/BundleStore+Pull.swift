internal import Foundation

/// How far a pull is.
package enum BundleProgress: Sendable, Hashable {
    /// The bundle is stored already and its sums are right.
    case present(component: String, version: String)
    case fetching(file: String, position: Int, count: Int, url: String)
    case received(file: String, bytes: Int, total: Int?)
    case stored(component: String, version: String, bytes: Int)
}

extension BundleStore {
    /// The largest published file that is accepted.
    package static let maximumFileBytes = 32 << 20

    /// Fetches a release, checks it and stores it; what is stored already is checked and kept, unless `isReplacing`.
    ///
    /// `checksums` are SHA-256 by file name, for files whose sum the catalogue does not know; they never override a known one.
    ///
    /// - Throws: `PackagingError`; nothing is stored then, and what was there stays.
    @discardableResult
    package func pull(
        _ pin: BundlePin,
        from source: BundleSource = BundleSource(),
        checksums: [String: String] = [:],
        isReplacing: Bool = false,
        progress: @Sendable (BundleProgress) -> Void = { _ in }
    ) async throws -> BundleIndex {
        let sums = try Self.sums(of: pin, given: checksums)
        if !isReplacing, let index = try? index(pin.component, pin.version), (try? verify(index)) != nil {
            progress(.present(component: pin.component, version: pin.version))
            return index
        }
        let scratch = try ScratchFolder(below: folder)
        defer { scratch.remove() }
        var index = BundleIndex(component: pin.component, version: pin.version, files: [], images: pin.images)
        try await Downloader.with { downloader in
            for (position, file) in pin.files.enumerated() {
                let url = try source.url(of: file)
                progress(.fetching(file: file.name, position: position + 1, count: pin.files.count, url: url))
                let data = try await downloader.fetch(url, limit: Self.maximumFileBytes) { bytes, total in
                    progress(.received(file: file.name, bytes: bytes, total: total))
                }
                let sum = Checksum.hexadecimal(data)
                guard sum == sums[position] else {
                    throw PackagingError.checksum(
                        of: "\(url) (\(pin.component) \(pin.version))",
                        expected: sums[position],
                        found: sum
                    )
                }
                let number = position + 1
                let name = "\(number < 10 ? "0" : "")\(number)-\(file.name)"
                _ = try ManifestYAML.objects(String(decoding: data, as: UTF8.self), name: url)
                let output = try OutputFile(scratch.path + "/" + name)
                try output.write(data)
                _ = try output.finish()
                index.files.append(.init(name: name, url: file.url, sha256: sum, bytes: data.count))
            }
        }
        if let problem = index.problem() { throw problem }
        try install(index, from: scratch.path)
        progress(.stored(component: pin.component, version: pin.version, bytes: index.bytes))
        return index
    }

    private static func sums(of pin: BundlePin, given: [String: String]) throws -> [String] {
        guard !pin.files.isEmpty else {
            throw PackagingError(
                .unknownBundle,
                "\(pin.component) \(pin.version) publishes no manifest, so there is nothing to pull",
                remedy: "bring only its image to the cluster: " + pin.images.map(\.pinned).joined(separator: ", ")
            )
        }
        for name in given.keys where !pin.files.contains(where: { $0.name == name }) {
            throw PackagingError(
                .unknownBundle,
                "\(pin.component) \(pin.version) has no file '\(name)'",
                remedy: "name one of " + pin.files.map(\.name).joined(separator: ", ")
            )
        }
        return try pin.files.map { file in
            if let sum = given[file.name] {
                guard Checksum.isValid(sum) else {
                    throw PackagingError(
                        .checksumUnknown,
                        "'\(sum)' is no SHA-256 sum",
                        remedy: "give 64 hexadecimal digits"
                    )
                }
                if let known = file.sha256, known != sum {
                    throw PackagingError(
                        .checksumMismatch,
                        "the SHA-256 \(sum) given for \(file.name) is not the pinned one, \(known)",
                        remedy: "leave --sha256 away"
                    )
                }
                return sum
            }
            guard let sum = file.sha256 else {
                throw PackagingError(
                    .checksumUnknown,
                    "nobody says which SHA-256 \(file.url) must have",
                    remedy: "get the sum from its publisher and give it with --sha256 \(file.name)=SUM"
                )
            }
            return sum
        }
    }
}
