internal import Foundation

/// Percent decoding and the query of a request line.
struct RequestQuery: Sendable {
    private let pairs: [(name: String, value: String)]
    /// As it came, without the question mark.
    let raw: String

    init(_ raw: String) {
        self.raw = raw
        pairs = raw.split(separator: "&").map { pair in
            let halves = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let value = halves.count > 1 ? String(halves[1]).replacing("+", with: " ") : ""
            return (percentDecoded(String(halves[0])), percentDecoded(value))
        }
    }

    /// The first value of this name, whatever its case.
    subscript(name: String) -> String? {
        let wanted = name.lowercased()
        return pairs.first { $0.name.lowercased() == wanted }?.value
    }

    /// The value of a parameter whose plus signs are literal (base64 in shared access signatures).
    func rawValue(_ name: String) -> String? {
        for pair in raw.split(separator: "&") {
            let halves = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if halves.count == 2, halves[0] == name { return percentDecoded(String(halves[1])) }
        }
        return nil
    }

    func all(_ name: String) -> [String] {
        let wanted = name.lowercased()
        return pairs.filter { $0.name.lowercased() == wanted }.map(\.value)
    }

    func flag(_ name: String) -> Bool { self[name]?.lowercased() == "true" }
}

/// The text with `%XX` resolved; text that is no valid encoding comes back as it is.
func percentDecoded(_ text: String) -> String {
    text.contains("%") ? (text.removingPercentEncoding ?? text) : text
}

private let unreserved: CharacterSet = {
    var set = CharacterSet.alphanumerics.intersection(CharacterSet(charactersIn: "\u{0}"..."\u{7f}"))
    set.insert(charactersIn: "-._~")
    return set
}()

private let unreservedAndSlash: CharacterSet = {
    var set = unreserved
    set.insert("/")
    return set
}()

/// Encodes everything but unreserved characters; slashes are kept in paths.
func percentEncoded(_ text: String, keepSlashes: Bool = false) -> String {
    text.addingPercentEncoding(withAllowedCharacters: keepSlashes ? unreservedAndSlash : unreserved) ?? text
}

/// RFC 3339 in UTC with milliseconds, as ARM answers it.
func rfc3339(_ seconds: Double) -> String {
    Date(timeIntervalSince1970: seconds).formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
}

/// Seconds since 1970 of an RFC 3339 text, with or without fractions.
func epochSeconds(_ text: String) -> Double? {
    if let date = try? Date(text, strategy: Date.ISO8601FormatStyle(includingFractionalSeconds: true)) {
        return date.timeIntervalSince1970
    }
    return (try? Date(text, strategy: Date.ISO8601FormatStyle()))?.timeIntervalSince1970
}

/// Seconds since 1970 now.
func nowSeconds() -> Double { Date().timeIntervalSince1970 }
