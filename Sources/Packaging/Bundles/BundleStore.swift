internal import Foundation
package import KubeCore

/// Third-party releases on this machine's disk: `<folder>/<component>/<version>/{index.json, files}`.
///
/// A bundle is there whole or not at all; everything is checked against its sums whenever it is read.
package struct BundleStore: Sendable, Hashable {
    /// `bundles` of the instance's data folder.
    package let folder: String

    package init(folder: String) { self.folder = folder }

    static let indexName = "index.json"

    func path(_ component: String, _ version: String) -> String { "\(folder)/\(component)/\(version)" }

    /// Every bundle that is stored, by component and version.
    package func list() throws -> [BundleIndex] {
        var found: [BundleIndex] = []
        for component in try names(in: folder) {
            for version in try names(in: folder + "/" + component) {
                if let index = try index(component, version) { found.append(index) }
            }
        }
        return found
    }

    /// The index of one bundle; nil when it is not stored.
    ///
    /// Both may come from outside: what is no name of a file is not stored, whatever lies there.
    package func index(_ component: String, _ version: String) throws -> BundleIndex? {
        guard BundleIndex.isName(component), BundleIndex.isName(version) else { return nil }
        let path = path(component, version) + "/" + Self.indexName
        guard FileManager.default.fileExists(atPath: path) else { return nil }
        let index: BundleIndex
        do {
            index = try JSONDecoder().decode(BundleIndex.self, from: try Data(contentsOf: URL(fileURLWithPath: path)))
        } catch {
            throw damaged(component, version, "its index cannot be read: \(error)")
        }
        guard index.component == component, index.version == version else {
            throw damaged(component, version, "its index is that of \(index.component) \(index.version)")
        }
        if let problem = index.problem() { throw damaged(component, version, problem.message) }
        return index
    }

    /// The objects of a release in the order of its files, images with their digests where these are known; nil when no such
    /// bundle is stored.
    ///
    /// - Throws: `PackagingError` when a file is not what its sum says, or holds something else than objects.
    package func objects(_ component: String, _ version: String) throws -> [JSON]? {
        guard let index = try index(component, version) else { return nil }
        var objects: [JSON] = []
        for file in index.files {
            let data = try content(of: file, in: index)
            objects += try ManifestYAML.objects(String(decoding: data, as: UTF8.self), name: file.name)
        }
        let pins = Dictionary(index.images.filter { $0.digest != nil }.map { ($0.name, $0.pinned) }) { first, _ in first
        }
        return objects.map { Self.pinned($0, pins) }
    }

    /// Reads every file of a bundle and compares its sum.
    package func verify(_ index: BundleIndex) throws {
        for file in index.files { _ = try content(of: file, in: index) }
    }

    /// Removes a bundle; nothing happens when it is not there.
    package func remove(_ component: String, _ version: String) throws {
        guard BundleIndex.isName(component), BundleIndex.isName(version) else { return }
        let path = path(component, version)
        guard FileManager.default.fileExists(atPath: path) else { return }
        try FileManager.default.removeItem(atPath: path)
    }

    func content(of file: BundleIndex.File, in index: BundleIndex) throws -> Data {
        let path = path(index.component, index.version) + "/" + file.name
        guard let data = FileManager.default.contents(atPath: path) else {
            throw damaged(index.component, index.version, "\(file.name) is missing")
        }
        let sum = Checksum.hexadecimal(data)
        guard sum == file.sha256 else {
            throw damaged(index.component, index.version, "\(file.name) has the SHA-256 \(sum), not \(file.sha256)")
        }
        return data
    }

    /// Puts a complete folder in the place of the bundle, taking away what was there.
    func install(_ index: BundleIndex, from folder: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        let output = try OutputFile(folder + "/" + Self.indexName)
        try output.write(try encoder.encode(index))
        _ = try output.finish()
        let target = path(index.component, index.version)
        try FileManager.default.createDirectory(
            atPath: (target as NSString).deletingLastPathComponent,
            withIntermediateDirectories: true
        )
        // A folder cannot be renamed over one that holds files.
        let old = folder + ".old"
        if FileManager.default.fileExists(atPath: target) { try moveIntoPlace(target, old) }
        try moveIntoPlace(folder, target)
        if FileManager.default.fileExists(atPath: old) { try FileManager.default.removeItem(atPath: old) }
    }

    private func names(in folder: String) throws -> [String] {
        guard FileManager.default.fileExists(atPath: folder) else { return [] }
        return try FileManager.default.contentsOfDirectory(atPath: folder).filter { !$0.hasPrefix(".") }.sorted()
    }

    private func damaged(_ component: String, _ version: String, _ reason: String) -> PackagingError {
        PackagingError(
            .checksumMismatch,
            "bundle \(component) \(version) in \(folder) is damaged: \(reason)",
            remedy: "run: outrigger bundle pull \(component) --replace (or import it again)"
        )
    }

    private static func pinned(_ value: JSON, _ pins: [String: String]) -> JSON {
        switch value {
        case .array(let elements): return .array(elements.map { pinned($0, pins) })
        case .object(let members):
            var result = members.mapValues { pinned($0, pins) }
            if let name = members["image"]?.stringValue, let pin = pins[name] { result["image"] = .string(pin) }
            return .object(result)
        default: return value
        }
    }
}
