internal import Foundation
internal import Logging

/// Formats a log event as one line of text or JSON.
struct LineLogHandler: LogHandler {
    let label: String
    let format: LogOutput.Format
    var logLevel: Logger.Level
    var metadata: Logger.Metadata = [:]
    let write: @Sendable ([UInt8]) -> Void

    init(
        label: String,
        format: LogOutput.Format,
        logLevel: Logger.Level,
        write: @escaping @Sendable ([UInt8]) -> Void
    ) {
        self.label = label
        self.format = format
        self.logLevel = logLevel
        self.write = write
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var values = metadata
        if let extra = event.metadata { values.merge(extra) { $1 } }
        if let error = event.error { values["error"] = .string("\(error)") }
        let time = LogTime.now()
        let message = event.message.description
        var line: [UInt8] = []
        line.reserveCapacity(160)
        switch format {
        case .text: appendText(time: time, level: event.level, message: message, values: values, to: &line)
        case .json: appendJSON(time: time, level: event.level, message: message, values: values, to: &line)
        }
        line.append(UInt8(ascii: "\n"))
        write(line)
    }

    private func appendText(
        time: String,
        level: Logger.Level,
        message: String,
        values: Logger.Metadata,
        to line: inout [UInt8]
    ) {
        line += Array("\(time) \(level.rawValue) [\(label)] ".utf8)
        LineLogHandler.appendOneLine(message, to: &line)
        for key in values.keys.sorted() {
            guard let value = values[key] else { continue }
            line += Array(" \(key)=".utf8)
            LineLogHandler.appendTextValue(value.description, to: &line)
        }
    }

    private func appendJSON(
        time: String,
        level: Logger.Level,
        message: String,
        values: Logger.Metadata,
        to line: inout [UInt8]
    ) {
        line += Array("{\"time\":\"\(time)\",\"level\":\"\(level.rawValue)\",\"logger\":".utf8)
        LineLogHandler.appendQuoted(label, to: &line)
        line += Array(",\"message\":".utf8)
        LineLogHandler.appendQuoted(message, to: &line)
        for key in values.keys.sorted() {
            guard let value = values[key] else { continue }
            line.append(UInt8(ascii: ","))
            LineLogHandler.appendQuoted(key, to: &line)
            line.append(UInt8(ascii: ":"))
            LineLogHandler.appendJSONValue(value, to: &line)
        }
        line.append(UInt8(ascii: "}"))
    }

    private static func appendJSONValue(_ value: Logger.Metadata.Value, to line: inout [UInt8]) {
        switch value {
        case .string(let text): appendQuoted(text, to: &line)
        case .stringConvertible(let thing): appendQuoted(thing.description, to: &line)
        case .array(let elements):
            line.append(UInt8(ascii: "["))
            for (index, element) in elements.enumerated() {
                if index > 0 { line.append(UInt8(ascii: ",")) }
                appendJSONValue(element, to: &line)
            }
            line.append(UInt8(ascii: "]"))
        case .dictionary(let members):
            line.append(UInt8(ascii: "{"))
            for (index, key) in members.keys.sorted().enumerated() {
                guard let member = members[key] else { continue }
                if index > 0 { line.append(UInt8(ascii: ",")) }
                appendQuoted(key, to: &line)
                line.append(UInt8(ascii: ":"))
                appendJSONValue(member, to: &line)
            }
            line.append(UInt8(ascii: "}"))
        @unknown default: appendQuoted(value.description, to: &line)
        }
    }

    /// Line breaks in a message would let a peer forge log lines.
    private static func appendOneLine(_ text: String, to line: inout [UInt8]) {
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\n"): line += Array("\\n".utf8)
            case UInt8(ascii: "\r"): line += Array("\\r".utf8)
            default: line.append(byte)
            }
        }
    }

    private static func appendTextValue(_ text: String, to line: inout [UInt8]) {
        let isPlain = !text.isEmpty && text.utf8.allSatisfy { $0 > 0x20 && $0 != 0x22 && $0 != 0x5C && $0 != 0x7F }
        if isPlain {
            line += Array(text.utf8)
        } else {
            appendQuoted(text, to: &line)
        }
    }

    private static func appendQuoted(_ text: String, to line: inout [UInt8]) {
        let hex = Array("0123456789abcdef".utf8)
        line.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                line.append(UInt8(ascii: "\\"))
                line.append(byte)
            case UInt8(ascii: "\n"): line += Array("\\n".utf8)
            case UInt8(ascii: "\r"): line += Array("\\r".utf8)
            case UInt8(ascii: "\t"): line += Array("\\t".utf8)
            case 0..<0x20: line += Array("\\u00".utf8) + [hex[Int(byte >> 4)], hex[Int(byte & 15)]]
            default: line.append(byte)
            }
        }
        line.append(UInt8(ascii: "\""))
    }
}
