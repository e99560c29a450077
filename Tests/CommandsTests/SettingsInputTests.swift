internal import Testing

@testable import Commands

@Suite struct SettingsInputTests {
    @Test func `A pair is split at its first equals sign`() throws {
        let settings = try SettingsInput.pairs(["a=b=c", "nodeSelector.x=", "e= f "], option: "--config")
        #expect(settings == ["a": "b=c", "nodeSelector.x": "", "e": " f "])
    }

    @Test func `The last of equal keys wins`() throws {
        #expect(try SettingsInput.pairs(["a=1", "a=2"], option: "--config") == ["a": "2"])
    }

    @Test(arguments: ["enableTraining", "=True", ""])
    func `A malformed pair is an error of usage`(pair: String) {
        let error = #expect(throws: CommandError.self) { try SettingsInput.pairs([pair], option: "--config") }
        #expect(error?.exitStatus == 2)
        #expect(error?.message.contains("--config") == true)
    }

    @Test func `Pairs and a file exclude each other`() {
        let error = #expect(throws: CommandError.self) {
            try SettingsInput.read(["a=b"], file: "/nowhere.json", option: "--config")
        }
        #expect(error?.exitStatus == 2)
        #expect(error?.message.contains("exclude") == true)
    }

    @Test func `A file that is not there is an error of usage`() {
        let error = #expect(throws: CommandError.self) {
            try SettingsInput.read([], file: "/nowhere.json", option: "--config")
        }
        #expect(error?.exitStatus == 2)
    }

    @Test func `A file holds text, numbers and booleans`() throws {
        let text = #"{"enableTraining": true, "enableInference": "False", "n": 3, "d": 1.5}"#
        let settings = try SettingsInput.settings(json: Array(text.utf8), file: "f.json")
        #expect(settings == ["enableTraining": "True", "enableInference": "False", "n": "3", "d": "1.5"])
    }

    @Test(arguments: ["", "{", "[]", "{}", #"{"a": {"b": 1}}"#, #"{"a": [1]}"#, #"{"a": null}"#])
    func `A file of another form is an error of usage`(text: String) {
        let error = #expect(throws: CommandError.self) {
            try SettingsInput.settings(json: Array(text.utf8), file: "f.json")
        }
        #expect(error?.exitStatus == 2)
        #expect(error?.message.contains("f.json") == true)
    }

    @Test func `Tags without a value have an empty one`() throws {
        #expect(try KeyValues.tags(["a=b=c", "x", ""]) == ["a": "b=c", "x": ""])
        #expect(throws: CommandError.self) { try KeyValues.tags(["=x"]) }
    }
}
