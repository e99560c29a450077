import Foundation
import Testing

@testable import Extension

@Suite struct SettingsReferenceTests {
    /// Lines of `docs/reference/settings.md` that describe a setting.
    private static func rows() throws -> [String] {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../..")
        let page = try String(contentsOf: root.appendingPathComponent("docs/reference/settings.md"), encoding: .utf8)
        return page.split(separator: "\n").map(String.init).filter { $0.hasPrefix("| `") }
    }

    @Test(arguments: SettingKey.all)
    func pageDescribesTheSetting(_ key: SettingKey) throws {
        let row = try #require(
            try Self.rows().first { $0.hasPrefix("| `\(key.name)`") },
            "no row for \(key.name): run scripts/generate-cli-reference"
        )
        #expect(row.hasSuffix("| \(key.effect) |"))
        for alias in key.aliases { #expect(row.contains("also `\(alias)`")) }
        if let value = key.defaultValue { #expect(row.contains("| `\(value)` |")) }
        #expect(row.contains("protected") == key.isProtected)
    }

    @Test func pageDescribesNothingElse() throws {
        let free = ["| `nodeSelector.", "| `workLoadToleration["]
        let described = try Self.rows().filter { row in !free.contains { row.hasPrefix($0) } }
        #expect(described.count == SettingKey.all.count)
    }
}
