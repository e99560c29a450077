import Foundation
import Testing

@testable import JobRuntime

@Suite struct ProgramCopyTests {
    @Test func `Mapped libraries are found once each, with their loader`() {
        let maps = """
            55d0c0000000-55d0c0001000 r--p 00000000 08:01 123 /usr/local/bin/outrigger
            7f0000000000-7f0000001000 r--p 00000000 08:01 124 /usr/lib/x86_64-linux-gnu/libz.so.1.2.13
            7f0000001000-7f0000002000 r-xp 00001000 08:01 124 /usr/lib/x86_64-linux-gnu/libz.so.1.2.13
            7f0000003000-7f0000004000 r--p 00000000 08:01 125 /usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
            7ffc00000000-7ffc00001000 rw-p 00000000 00:00 0 [stack]
            """
        let found = ProgramCopy.libraries(inMaps: maps)
        #expect(
            found == [
                "/usr/lib/x86_64-linux-gnu/libz.so.1.2.13", "/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
            ]
        )
        #expect(found.map(ProgramCopy.isLoader) == [false, true])
    }

    @Test func `A library goes by the names of the links that lead to it`() throws {
        let folder = NSTemporaryDirectory() + "program-copy-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        for name in ["libz.so.1.2.13", "libzz.so.1"] { try Data().write(to: URL(fileURLWithPath: folder + "/" + name)) }
        for (link, target) in [
            ("libz.so.1", "libz.so.1.2.13"), ("libz.so", "libz.so.1.2.13"), ("libz.so.2", "libzz.so.1"),
        ] {
            try FileManager.default.createSymbolicLink(atPath: folder + "/" + link, withDestinationPath: target)
        }
        #expect(ProgramCopy.names(of: folder + "/libz.so.1.2.13") == ["libz.so.1.2.13", "libz.so", "libz.so.1"])
    }
}
