import Foundation
import KubeCore
import Testing

@testable import Packaging

@Suite(.timeLimit(.minutes(1))) struct BundleArchiveTests {
    /// A store with one bundle.
    private func withStore(_ body: (BundleStore, String) async throws -> Void) async throws {
        try await withFolder { folder in
            try await HTTPServer.with({ Fixture.answer($1) }) { server in
                let store = BundleStore(folder: folder + "/from")
                try await store.pull(Fixture.pin(), from: BundleSource(mirror: server.url + "/mirror"))
                try await body(store, folder)
            }
        }
    }

    @Test("An exported bundle is the same on a machine without internet; exports are reproducible")
    func roundTrip() async throws {
        try await withStore { store, folder in
            try store.export(to: folder + "/1.tar")
            try store.export(to: folder + "/2.tar")
            #expect(try Checksum.file(folder + "/1.tar") == Checksum.file(folder + "/2.tar"))
            let other = BundleStore(folder: folder + "/to")
            #expect(try other.importArchive(folder + "/1.tar") == store.list())
            #expect(try other.objects("demo", "v1.0.0") == store.objects("demo", "v1.0.0"))
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder + "/to") == ["demo"])
            // Again over what is there.
            #expect(try other.importArchive(folder + "/1.tar").count == 1)
        }
    }

    @Test("What is no name of a bundle leads nowhere else")
    func names() async throws {
        try await withStore { store, folder in
            let inner = BundleStore(folder: folder + "/from/demo")
            let index = try store.objects("demo", "v1.0.0")
            #expect(index != nil)
            for name in ["../demo", "..", ".", "", "demo/v1.0.0"] {
                #expect(try inner.objects(name, "v1.0.0") == nil)
                #expect(try store.objects("demo", name) == nil)
                try inner.remove(name, "v1.0.0")
                try store.remove("demo", name)
            }
            #expect(try store.objects("demo", "v1.0.0") == index)
        }
    }

    private func archive(_ path: String, index: JSON, files: [(String, String)]) throws {
        let tar = try TarWriter(path)
        try tar.add(TarEntry(name: "index.json"), content: index.bytes)
        for (name, text) in files { try tar.add(TarEntry(name: name), content: Data(text.utf8)) }
        _ = try tar.finish()
    }

    private func index(
        component: String = "demo",
        file: String = "01-a.yaml",
        sum: String,
        url: String = "https://x/a.yaml"
    ) -> JSON {
        let files: JSON = [["name": .string(file), "url": .string(url), "sha256": .string(sum), "bytes": 1]]
        return [
            "format": 1,
            "bundles": [["component": .string(component), "version": "v1", "files": files, "images": []]],
        ]
    }

    @Test("An archive in which anything is wrong stores nothing")
    func refusals() async throws {
        try await withFolder { folder in
            let store = BundleStore(folder: folder + "/to")
            let path = folder + "/a.tar"
            let text = Fixture.second
            let sum = Fixture.sum(text)
            func error(_ index: JSON, _ files: [(String, String)]) async -> PackagingError? {
                await failure {
                    try archive(path, index: index, files: files)
                    try store.importArchive(path)
                }
            }
            let changed = await error(index(sum: sum), [("demo/v1/01-a.yaml", text + "\n")])
            #expect(changed?.code == .checksumMismatch)
            #expect(changed?.message.contains(sum) == true)
            let missing = await error(index(sum: sum), [])
            #expect(missing?.message.contains("lacks 'demo/v1/01-a.yaml'") == true)
            let more = await error(index(sum: sum), [("demo/v1/01-a.yaml", text), ("demo/v1/b", "x")])
            #expect(more?.message.contains("'demo/v1/b'") == true)
            for name in ["../a", ".hidden", "a/b", ""] {
                #expect(await error(index(file: name, sum: sum), [])?.code == .badArchive)
                #expect(await error(index(component: name, sum: sum), [])?.code == .badArchive)
            }
            #expect(await error(["format": 2, "bundles": []], [])?.message.contains("format 2") == true)
            #expect(await error(["format": 1], [])?.code == .badArchive)
            try Data("no archive".utf8).write(to: URL(fileURLWithPath: path))
            #expect(await failure { try store.importArchive(path) }?.code == .badArchive)
            #expect(
                await failure { try store.importArchive(folder + "/none") }?.message.contains("no such file") == true
            )
            #expect(try store.list().isEmpty)
        }
    }

    @Test(
        "A release of the catalogue with other sums than the catalogue's is refused even when its archive is consistent"
    )
    func catalogueWins() async throws {
        try await withFolder { folder in
            let pin = BundleCatalogue.volcano
            var index = index(component: "volcano", sum: Fixture.sum(Fixture.second), url: pin.files[0].url)
            index["bundles"] = .array(
                (index["bundles"]?.arrayValue ?? []).map { bundle in
                    var bundle = bundle
                    bundle["version"] = .string(pin.version)
                    return bundle
                }
            )
            try archive(folder + "/a.tar", index: index, files: [("volcano/\(pin.version)/01-a.yaml", Fixture.second)])
            let error = await failure { try BundleStore(folder: folder + "/to").importArchive(folder + "/a.tar") }
            #expect(error?.code == .checksumMismatch)
            #expect(error?.message.contains(pin.files[0].sha256 ?? "-") == true)
        }
    }

    @Test("The catalogue is consistent: names, addresses at commits, sums")
    func catalogue() throws {
        #expect(Set(BundleCatalogue.all.map(\.component)).count == BundleCatalogue.all.count)
        for pin in BundleCatalogue.all {
            #expect(try BundleCatalogue.pin(pin.component) == pin)
            #expect(!pin.images.isEmpty)
            for file in pin.files {
                #expect(file.sha256.map(Checksum.isValid) == true, "\(file.url)")
                let parts = file.url.split(separator: "/")
                #expect(parts.count > 4 && parts[4].count == 40, "\(file.url)")
            }
            for image in pin.images { #expect(try "\(ImageName(image.pinned))" == image.pinned) }
        }
        #expect(throws: PackagingError.self) { try BundleCatalogue.pin("volcanoo") }
    }
}
