internal import Foundation

/// The index of an exported archive.
private struct ArchiveIndex: Codable {
    /// Of the archive's layout.
    var format = 1
    var bundles: [BundleIndex]
}

extension BundleStore {
    /// Writes bundles, nil for everything that is stored, into one tar archive, `index.json` first; the index of what is in it.
    ///
    /// The same bundles give the same bytes.
    @discardableResult
    package func export(_ bundles: [BundleIndex]? = nil, to path: String) throws -> [BundleIndex] {
        let bundles = try (bundles ?? list()).sorted { ($0.component, $0.version) < ($1.component, $1.version) }
        guard !bundles.isEmpty else {
            throw PackagingError(
                .unknownBundle,
                "no bundle is stored in \(folder)",
                remedy: "run on a machine with internet: outrigger bundle pull"
            )
        }
        let temporary = path + ".partial"
        defer { try? FileManager.default.removeItem(atPath: temporary) }
        let archive = try TarWriter(temporary)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try archive.add(TarEntry(name: Self.indexName), content: try encoder.encode(ArchiveIndex(bundles: bundles)))
        for bundle in bundles {
            for file in bundle.files {
                let content = try content(of: file, in: bundle)
                try archive.add(
                    TarEntry(name: "\(bundle.component)/\(bundle.version)/\(file.name)"),
                    content: content
                )
            }
        }
        _ = try archive.finish()
        try moveIntoPlace(temporary, path)
        return bundles
    }

    /// Stores the bundles of an archive: all of them, or none when anything in it is wrong.
    ///
    /// Every file is checked against the archive's index, and what the catalogue knows also against the catalogue.
    @discardableResult
    package func importArchive(_ path: String) throws -> [BundleIndex] {
        let reader = try TarReader(path)
        defer { reader.close() }
        guard let first = try reader.nextEntry(), first.name == Self.indexName else {
            throw PackagingError(
                .badArchive,
                "\(path) does not start with \(Self.indexName)",
                remedy: "import a file that 'outrigger bundle export' wrote"
            )
        }
        let archive = try Self.readIndex(try reader.content(of: first, limit: 4 << 20), path: path)
        let scratch = try ScratchFolder(below: folder)
        defer { scratch.remove() }
        try unpack(reader, archive.bundles, to: scratch.path, path: path)
        for bundle in archive.bundles {
            try install(bundle, from: "\(scratch.path)/\(bundle.component)/\(bundle.version)")
        }
        return archive.bundles
    }

    private static func readIndex(_ data: Data, path: String) throws -> ArchiveIndex {
        let index: ArchiveIndex
        do {
            index = try JSONDecoder().decode(ArchiveIndex.self, from: data)
        } catch {
            throw PackagingError(.badArchive, "\(indexName) of \(path) cannot be read: \(error)")
        }
        guard index.format == 1 else {
            throw PackagingError(
                .badArchive,
                "\(path) has the format \(index.format); this program knows 1",
                remedy: "use the version of outrigger that wrote it"
            )
        }
        for bundle in index.bundles {
            if let problem = bundle.problem() { throw problem }
        }
        guard Set(index.bundles.map { "\($0.component)/\($0.version)" }).count == index.bundles.count else {
            throw PackagingError(.badArchive, "\(indexName) of \(path) names a bundle twice")
        }
        return index
    }

    private func unpack(_ reader: TarReader, _ bundles: [BundleIndex], to scratch: String, path: String) throws {
        var missing: [String: (BundleIndex, BundleIndex.File)] = [:]
        for bundle in bundles {
            try FileManager.default.createDirectory(
                atPath: "\(scratch)/\(bundle.component)/\(bundle.version)",
                withIntermediateDirectories: true
            )
            for file in bundle.files {
                missing["\(bundle.component)/\(bundle.version)/\(file.name)"] = (bundle, file)
            }
        }
        while let entry = try reader.nextEntry() {
            guard entry.kind == .file else { continue }
            guard let (bundle, file) = missing.removeValue(forKey: entry.name) else {
                throw PackagingError(.badArchive, "\(path) holds '\(entry.name)', which its index does not name")
            }
            let data = try reader.content(of: entry, limit: UInt64(Self.maximumFileBytes))
            let sum = Checksum.hexadecimal(data)
            guard sum == file.sha256 else {
                throw PackagingError.checksum(
                    of: "\(file.name) of \(bundle.component) \(bundle.version) in \(path)",
                    expected: file.sha256,
                    found: sum
                )
            }
            _ = try ManifestYAML.objects(String(decoding: data, as: UTF8.self), name: entry.name)
            let output = try OutputFile("\(scratch)/\(entry.name)")
            try output.write(data)
            _ = try output.finish()
        }
        if let name = missing.keys.sorted().first {
            throw PackagingError(.badArchive, "\(path) lacks '\(name)', which its index names")
        }
    }
}
