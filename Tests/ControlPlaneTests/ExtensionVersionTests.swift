import ControlPlaneAPI
import Testing

@testable import ControlPlane

struct ExtensionVersionTests {
    @Test("Version numbers come in the order of semver")
    func order() {
        let sorted = [
            "0.9", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-rc.2", "1.0.0-rc.10", "1.0.0", "1.2",
            "1.10.0+b",
        ]
        #expect(sorted.shuffled().sorted(by: ExtensionVersions.precedes) == sorted)
        #expect(VersionNumber("1.0.0+a") == VersionNumber("1.0.0+a"))
        for text in ["", "x", "1.", "1.2.3.4", "v1", "1.x"] { #expect(VersionNumber(text) == nil) }
        #expect(ExtensionVersions.precedes("odd", "0.0.1"))
    }

    static let catalogue = ExtensionVersions(
        [
            ("1.0.0", "Stable"), ("1.1.0", "Stable"), ("1.1.1", "Stable"), ("2.0.0", "Stable"),
            ("2.1.0-rc.1", "Preview"), ("1.2.0", "Preview"),
        ]
        .shuffled().map { ExtensionVersion(version: $0.0, releaseTrain: $0.1, image: "image:" + $0.0) }
    )

    struct Rule: CustomTestStringConvertible {
        var testDescription: String
        var mode = AutoUpgradeMode.compatible
        var version: String?
        var train = "stable"
        var installed: String?
        var want: String?
    }

    static let rules: [Rule] = [
        .init(testDescription: "create takes the newest of the train", want: "2.0.0"),
        .init(testDescription: "create without upgrades, too", mode: .none, want: "2.0.0"),
        .init(testDescription: "the other train has its own", train: "PREVIEW", want: "2.1.0-rc.1"),
        .init(testDescription: "an update stays in its major version", installed: "1.0.0", want: "1.1.1"),
        .init(testDescription: "patch stays in its minor version", mode: .patch, installed: "1.0.0", want: "1.0.0"),
        .init(testDescription: "patch takes patches", mode: .patch, installed: "1.1.0", want: "1.1.1"),
        .init(testDescription: "without upgrades it stays", mode: .none, installed: "1.0.0", want: "1.0.0"),
        .init(testDescription: "a named version", mode: .none, version: "1.1.0", installed: "2.0.0", want: "1.1.0"),
        .init(testDescription: "of another train", mode: .none, version: "1.2.0", want: "1.2.0"),
        .init(testDescription: "never back by itself", installed: "1.2.0", want: "1.2.0"),
        .init(testDescription: "another train with more", train: "preview", installed: "1.1.1", want: "1.2.0"),
        .init(testDescription: "what is gone from the list stays", mode: .none, installed: "0.5.0", want: "0.5.0"),
        .init(testDescription: "no version of its major", installed: "3.0.0", want: "3.0.0"),
    ]

    @Test("The version to run follows from mode, version, train and what is there", arguments: rules)
    func resolve(_ rule: Rule) throws {
        let found = try Self.catalogue.resolve(
            mode: rule.mode,
            version: rule.version,
            train: rule.train,
            installed: rule.installed
        )
        #expect(found?.version == rule.want)
    }

    @Test("What does not exist is refused, with what does")
    func unknown() {
        let train = #expect(throws: ARMError.self) { try Self.catalogue.train("Nightly") }
        #expect(train?.error.message.contains("Stable") == true)
        #expect(train?.error.message.contains("Preview") == true)
        let version = #expect(throws: ARMError.self) {
            try Self.catalogue.resolve(mode: .none, version: "7.0.0", train: "Stable", installed: nil)
        }
        #expect(version?.status == 400)
        #expect(version?.error.message.contains("2.1.0-rc.1 (Preview)") == true)
    }
}
