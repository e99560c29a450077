import Foundation
import Testing

@testable import Packaging

@Suite struct ELFTests {
    /// Programs that every Debian has, with one library and with several.
    static let programs = ["/bin/ls", "/usr/bin/sort", "/bin/tar", "/usr/bin/gzip"].filter {
        FileManager.default.isExecutableFile(atPath: $0) && (try? ELFFile($0))?.interpreter != nil
    }

    @Test("Loader and libraries are those that the loader itself lists", arguments: programs)
    func libraries(program: String) throws {
        let file = try ELFFile(program)
        let interpreter = try #require(file.interpreter)
        #expect(file.needed.contains("libc.so.6"))
        let (listing, status) = try run(interpreter, ["--list", program])
        #expect(status == 0)
        let wanted = listing.split(separator: "\n").compactMap { line in
            line.split(separator: " ").first { $0.contains("/") }.map(String.init)
        }
        let found = try LibrarySearch(program: program).files().map(\.path)
        for path in wanted {
            let name = (path as NSString).lastPathComponent
            #expect(found.contains { $0.hasSuffix("/" + name) }, "\(name) of \(program)")
        }
        #expect(found.contains(interpreter))
    }

    @Test("A library says its own name")
    func soname() throws {
        let files = try LibrarySearch(program: "/bin/ls").files()
        let library = try #require(files.first { $0.path.hasSuffix("/libc.so.6") })
        #expect(try ELFFile(library.source).soname == "libc.so.6")
        #expect(try ELFFile(library.source).machine == ELFFile("/bin/ls").machine)
    }

    @Test(
        "What is no program is refused with a reason",
        arguments: [Data(), Data("#!/bin/sh\n".utf8), Data([0x7F, 0x45, 0x4C, 0x46])]
    )
    func garbage(data: Data) async throws {
        try await withFolder { folder in
            let path = folder + "/program"
            try data.write(to: URL(fileURLWithPath: path))
            let error = await failure { _ = try ELFFile(path) }
            #expect(error?.code == .badProgram)
            #expect(error?.message.contains(path) == true)
        }
    }

    @Test("A program cut or changed anywhere never brings the reader down")
    func hostile() async throws {
        let whole = try Data(contentsOf: URL(fileURLWithPath: "/bin/ls"))
        try await withFolder { folder in
            let path = folder + "/program"
            for length in [63, 64, 100, 400, 1000, 5000, whole.count / 2] {
                try whole.prefix(length).write(to: URL(fileURLWithPath: path))
                _ = await failure { _ = try ELFFile(path) }
            }
            var random = SystemRandomNumberGenerator()
            for _ in 0..<300 {
                var changed = whole
                for _ in 0..<8 {
                    changed[Int.random(in: 4..<1024, using: &random)] = .random(in: 0...255, using: &random)
                }
                try changed.write(to: URL(fileURLWithPath: path))
                _ = await failure { _ = try ELFFile(path) }
            }
        }
    }

    @Test("A library that is nowhere is named together with who needs it")
    func missingLibrary() async throws {
        // The C library's name is changed in the string table, so that the program needs something that does not exist.
        var data = try Data(contentsOf: URL(fileURLWithPath: "/bin/ls"))
        let range = try #require(data.range(of: Data("libc.so.6\0".utf8)))
        data.replaceSubrange(range, with: Data("libq.so.6\0".utf8))
        try await withFolder { folder in
            let path = folder + "/program"
            try data.write(to: URL(fileURLWithPath: path))
            let error = await failure { _ = try LibrarySearch(program: path).files() }
            #expect(error?.message.contains("libq.so.6") == true)
            #expect(error?.message.contains(path) == true)
        }
    }
}
