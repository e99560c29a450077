import Foundation
import Testing

@testable import Packaging

@Suite struct TarTests {
    private func entries(_ path: String) throws -> [TarEntry] {
        let reader = try TarReader(path)
        defer { reader.close() }
        var entries: [TarEntry] = []
        while let entry = try reader.nextEntry() { entries.append(entry) }
        return entries
    }

    @Test(
        "Names of every length come back, also from the tar program",
        arguments: [1, 99, 100, 101, 150, 200, 255, 256, 400]
    )
    func longNames(length: Int) async throws {
        try await withFolder { folder in
            let deep = String(repeating: "d/", count: 20)
            for name in [String(repeating: "n", count: min(length, 240)), deep + String(repeating: "x", count: length)]
            {
                let path = folder + "/a.tar"
                let archive = try TarWriter(path)
                try archive.add(
                    TarEntry(name: name, mode: 0o640, user: 3, group: 4, modified: 99),
                    content: Data("hello".utf8)
                )
                try archive.add(TarEntry(name: "after"), content: Data())
                _ = try archive.finish()
                let read = try entries(path)
                #expect(
                    read == [
                        TarEntry(name: name, mode: 0o640, user: 3, group: 4, size: 5, modified: 99),
                        TarEntry(name: "after"),
                    ]
                )
                let (listing, status) = try run("/bin/tar", ["-tf", path])
                #expect(status == 0)
                #expect(listing == name + "\nafter\n")
            }
        }
    }

    @Test("Folders, links and content come back, and tar unpacks them")
    func kinds() async throws {
        try await withFolder { folder in
            let path = folder + "/a.tar"
            let target = String(repeating: "t", count: 120)
            let archive = try TarWriter(path)
            try archive.add(TarEntry(name: "d", kind: .directory, mode: 0o1777))
            try archive.add(TarEntry(name: "d/file", mode: 0o755), content: Data(repeating: 7, count: 1025))
            try archive.add(TarEntry(name: "d/link", kind: .symbolicLink(target: target), mode: 0o777))
            _ = try archive.finish()
            let read = try entries(path)
            #expect(read.map(\.kind) == [.directory, .file, .symbolicLink(target: target)])
            #expect(read.map(\.mode) == [0o1777, 0o755, 0o777])
            let (said, status) = try run("/bin/tar", ["-xf", path, "-C", folder])
            #expect(status == 0, "\(said)")
            #expect(FileManager.default.contents(atPath: folder + "/d/file") == Data(repeating: 7, count: 1025))
            #expect(try FileManager.default.destinationOfSymbolicLink(atPath: folder + "/d/link") == target)
        }
    }

    @Test("Archives of GNU tar are read, in its own and in the pax format", arguments: ["gnu", "pax", "ustar"])
    func foreign(format: String) async throws {
        try await withFolder { folder in
            let name = String(repeating: "l", count: format == "ustar" ? 90 : 180)
            try Data("content".utf8).write(to: URL(fileURLWithPath: folder + "/" + name))
            let (_, status) = try run("/bin/tar", ["--format=" + format, "-cf", folder + "/a.tar", "-C", folder, name])
            #expect(status == 0)
            let reader = try TarReader(folder + "/a.tar")
            defer { reader.close() }
            let entry = try #require(try reader.nextEntry())
            #expect(entry.name == name)
            #expect(try reader.content(of: entry, limit: 100) == Data("content".utf8))
            #expect(try reader.nextEntry() == nil)
        }
    }

    @Test("The same members give the same bytes")
    func deterministic() async throws {
        try await withFolder { folder in
            func write(_ name: String) throws -> String {
                let archive = try TarWriter(folder + "/" + name)
                try archive.add(TarEntry(name: "a"), content: Data("x".utf8))
                return try archive.finish()
            }
            let sum = try write("1")
            #expect(try write("2") == sum)
            #expect(try Checksum.file(folder + "/1") == sum)
        }
    }

    @Test("A cut, a wrong sum and a member longer than the archive are errors")
    func broken() async throws {
        try await withFolder { folder in
            let path = folder + "/a.tar"
            let archive = try TarWriter(path)
            try archive.add(TarEntry(name: "a"), content: Data(repeating: 1, count: 2000))
            _ = try archive.finish()
            let whole = try #require(FileManager.default.contents(atPath: path))
            func error(_ data: Data) -> PackagingError? {
                do {
                    try data.write(to: URL(fileURLWithPath: path))
                    _ = try entries(path)
                    return nil
                } catch { return error as? PackagingError }
            }
            #expect(error(whole.prefix(1000))?.message.contains("longer than the archive") == true)
            #expect(error(whole.prefix(300))?.code == .badArchive)
            var changed = whole
            changed[0] = 0x62
            #expect(error(changed)?.message.contains("wrong sum") == true)
            #expect(
                error(Data("no tar, but long enough for a header".utf8) + Data(repeating: 65, count: 600))?.code
                    == .badArchive
            )
        }
    }

    @Test(
        "Names that lead out of the folder are known",
        arguments: ["../a", "/a", "a/../b", "a//b", "./a", "", "a\0b"]
    )
    func unsafe(name: String) { #expect(!TarEntry(name: name).isSafe) }

    @Test("A gzipped archive is written whole and read by tar")
    func gzipped() async throws {
        try await withFolder { folder in
            let path = folder + "/d.tar.gz"
            try await ArchiveFile.writeGzippedTar([("a/b.txt", Array("hi".utf8))], modified: 5, to: path)
            let (said, status) = try run("/bin/tar", ["-xzOf", path, "a/b.txt"])
            #expect(status == 0)
            #expect(said == "hi")
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["d.tar.gz"])
            await #expect(throws: PackagingError.self) {
                try await ArchiveFile.writeGzippedTar([("../b", [])], modified: 5, to: path)
            }
        }
    }
}
