internal import KubeCore

/// The string formats of OpenAPI that the server checks; unknown ones admit everything.
enum StringFormat {
    static func admits(_ text: String, _ format: String) -> Bool {
        switch format {
        case "date-time", "datetime": Timestamp.microseconds(text) != nil
        case "date": text.utf8.count == 10 && Timestamp.microseconds(text + "T00:00:00Z") != nil
        case "duration": GoDuration.nanoseconds(text) != nil
        case "uuid", "uuid3", "uuid4", "uuid5": isUUID(text)
        case "ipv4": isIPv4(text)
        case "ipv6": isIPv6(text)
        case "cidr": isCIDR(text)
        case "mac": isMAC(text)
        case "email": isEmail(text)
        case "hostname": isHostname(text)
        case "uri": text.contains(":") && !text.contains(" ")
        case "byte": isBase64(text)
        default: true
        }
    }

    private static func isHex(_ text: Substring) -> Bool {
        !text.isEmpty && text.allSatisfy { $0.isASCII && $0.isHexDigit }
    }

    private static func isUUID(_ text: String) -> Bool {
        let digits = text.filter { $0 != "-" }
        return digits.count == 32 && isHex(digits[...])
    }

    static func isIPv4(_ text: String) -> Bool {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4
            && parts.allSatisfy { part in
                UInt8(part) != nil && part.allSatisfy(\.isNumber) && (part.count == 1 || part.first != "0")
            }
    }

    static func isIPv6(_ text: String) -> Bool {
        let halves = text.components(separatedBy: "::")
        guard halves.count <= 2, text.contains(":") else { return false }
        var groups = 0
        for half in halves where !half.isEmpty {
            for group in half.split(separator: ":", omittingEmptySubsequences: false) {
                if group.contains("."), isIPv4(String(group)) {
                    groups += 2
                } else {
                    guard group.count <= 4, isHex(group) else { return false }
                    groups += 1
                }
            }
        }
        return halves.count == 2 ? groups < 8 : groups == 8
    }

    private static func isCIDR(_ text: String) -> Bool {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2, let length = Int(parts[1]), length >= 0 else { return false }
        return isIPv4(parts[0]) ? length <= 32 : isIPv6(parts[0]) && length <= 128
    }

    private static func isMAC(_ text: String) -> Bool {
        let parts = text.split(omittingEmptySubsequences: false) { $0 == ":" || $0 == "-" }
        return parts.count == 6 && parts.allSatisfy { $0.count == 2 && isHex($0) }
    }

    private static func isEmail(_ text: String) -> Bool {
        let parts = text.split(separator: "@", omittingEmptySubsequences: false)
        return parts.count == 2 && !parts[0].isEmpty && isHostname(String(parts[1]))
    }

    private static func isHostname(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.count <= 253
            && text.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { label in
                !label.isEmpty && label.count <= 63 && label.first != "-" && label.last != "-"
                    && label.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-" || $0 == "_") }
            }
    }

    static func isBase64(_ text: String) -> Bool {
        let body = text.utf8.filter { $0 != 0x0A && $0 != 0x0D }
        let padding = body.reversed().prefix { $0 == UInt8(ascii: "=") }.count
        guard body.count % 4 == 0, padding <= 2 else { return false }
        return body.dropLast(padding).allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "/"):
                true
            default: false
            }
        }
    }
}

extension String {
    fileprivate func components(separatedBy separator: String) -> [Substring] {
        var parts: [Substring] = []
        var rest = self[...]
        while let range = rest.firstRange(of: separator) {
            parts.append(rest[..<range.lowerBound])
            rest = rest[range.upperBound...]
        }
        return parts + [rest]
    }
}
