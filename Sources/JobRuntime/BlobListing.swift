/// The answer of a container listing (`comp=list`): names of blobs, and where the next page starts.
struct BlobListing: Sendable, Hashable {
    var names: [String]
    var marker: String?

    /// Reads the XML by its two elements of interest; the service writes no attributes, comments or CDATA there.
    init(xml: String) {
        names = Self.elements("Name", in: xml)
        marker = Self.elements("NextMarker", in: xml).first { !$0.isEmpty }
    }

    private static func elements(_ tag: String, in xml: String) -> [String] {
        var found: [String] = []
        var rest = xml[...]
        while let start = rest.firstRange(of: "<\(tag)>"),
            let end = rest[start.upperBound...].firstRange(of: "</\(tag)>")
        {
            found.append(unescape(String(rest[start.upperBound..<end.lowerBound])))
            rest = rest[end.upperBound...]
        }
        return found
    }

    private static func unescape(_ text: String) -> String {
        guard text.contains("&") else { return text }
        return text.replacing("&lt;", with: "<").replacing("&gt;", with: ">").replacing("&quot;", with: "\"")
            .replacing("&apos;", with: "'").replacing("&amp;", with: "&")
    }
}
