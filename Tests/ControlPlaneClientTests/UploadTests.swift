import ControlPlaneAPI
import Foundation
import Testing

@testable import ControlPlaneClient

@Suite struct UploadTests {
    struct IgnoreCase: Sendable, CustomTestStringConvertible {
        var rules: String
        var name: String
        var isFolder = false
        var wantIgnored: Bool
        var testDescription: String { "\(rules.debugDescription) on \(name)" }
    }

    @Test(
        "Ignore patterns are read as git reads them",
        arguments: [
            IgnoreCase(rules: "*.pyc", name: "a/b.pyc", wantIgnored: true),
            IgnoreCase(rules: "*.pyc", name: "a/b.py", wantIgnored: false),
            IgnoreCase(rules: "/data", name: "data", isFolder: true, wantIgnored: true),
            IgnoreCase(rules: "/data", name: "x/data", isFolder: true, wantIgnored: false),
            IgnoreCase(rules: "logs/", name: "logs", isFolder: false, wantIgnored: false),
            IgnoreCase(rules: "logs/", name: "x/logs", isFolder: true, wantIgnored: true),
            IgnoreCase(rules: "a/**/z", name: "a/b/c/z", wantIgnored: true),
            IgnoreCase(rules: "*.txt\n!keep.txt", name: "keep.txt", wantIgnored: false),
            IgnoreCase(rules: "# note\n\nx[0-9].bin", name: "x7.bin", wantIgnored: true),
            IgnoreCase(rules: "x[!0-9].bin", name: "x7.bin", wantIgnored: false),
        ]
    )
    func ignore(_ item: IgnoreCase) {
        #expect(IgnoreRules(item.rules).ignores(item.name, isFolder: item.isFolder) == item.wantIgnored)
    }

    @Test("A folder's hash depends on names and contents, and ignored files do not count")
    func hash() throws {
        let folder = try temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try write("print(1)", to: folder + "/train.py")
        try write("x", to: folder + "/.git/config")
        let first = try UploadPlan.read(folder)
        #expect(first.files.map(\.name) == ["train.py"])
        #expect(first.isFolder)
        try write("y", to: folder + "/.git/config")
        #expect(try UploadPlan.read(folder).hash == first.hash)
        try write("print(2)", to: folder + "/train.py")
        #expect(try UploadPlan.read(folder).hash != first.hash)
    }

    @Test("A missing path and an empty folder are named in the error")
    func missing() throws {
        let folder = try temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        #expect(throws: UploadProblem.self) { try UploadPlan.read(folder + "/nothing") }
        #expect(throws: UploadProblem.self) { try UploadPlan.read(folder) }
    }

    @Test("Only the first process of a job is streamed")
    func streamed() {
        #expect(ControlPlaneClient.isStreamed("user_logs/std_log.txt"))
        #expect(ControlPlaneClient.isStreamed("user_logs/std_log_process_00.txt"))
        #expect(!ControlPlaneClient.isStreamed("user_logs/std_log_process_01.txt"))
        #expect(!ControlPlaneClient.isStreamed("logs/other.txt"))
    }

    @Test("A character cut in two waits for its rest")
    func characters() {
        let text = Array("aé€😀".utf8)
        #expect(ControlPlaneClient.wholeCharacters(text) == text.count)
        #expect(ControlPlaneClient.wholeCharacters(Array(text.dropLast(1))) == text.count - 4)
        #expect(ControlPlaneClient.wholeCharacters(Array("é".utf8).dropLast(1).map { $0 }) == 0)
        #expect(ControlPlaneClient.wholeCharacters([]) == 0)
    }

    private func temporaryFolder() throws -> String {
        let path = NSTemporaryDirectory() + "upload-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        return path
    }

    private func write(_ text: String, to path: String) throws {
        let url = URL(filePath: path)
        try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try text.write(to: url, atomically: true, encoding: .utf8)
    }
}
