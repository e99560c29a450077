internal import KubeCore

/// The formats of the `format` library: names, labels and a few of OpenAPI's.
enum NamedFormat {
    static let all: Set<String> = [
        "dns1123Label", "dns1123Subdomain", "dns1035Label", "dns1123LabelPrefix", "dns1123SubdomainPrefix",
        "dns1035LabelPrefix", "qualifiedName", "labelValue", "uri", "uuid", "byte", "date", "datetime",
    ]

    /// What keeps the text from having the format; nil when it has it.
    static func problem(_ format: String, _ text: String) -> String? {
        isValid(format, text) ? nil : "does not match the format \(format)"
    }

    private static func isValid(_ format: String, _ text: String) -> Bool {
        // A prefix may end where the generated rest begins.
        let body = format.hasSuffix("Prefix") && text.hasSuffix("-") ? text + "a" : text
        switch format {
        case "dns1123Label", "dns1123LabelPrefix":
            return body.utf8.count <= 63 && !body.contains(".") && LabelSyntax.isSubdomain(body[...])
        case "dns1123Subdomain", "dns1123SubdomainPrefix": return LabelSyntax.isSubdomain(body[...])
        case "dns1035Label", "dns1035LabelPrefix":
            let startsWithLetter = body.first.map { ("a"..."z").contains($0) } ?? false
            return startsWithLetter && body.utf8.count <= 63 && !body.contains(".")
                && LabelSyntax.isSubdomain(body[...])
        case "qualifiedName": return LabelSyntax.isQualifiedName(text)
        case "labelValue": return LabelSyntax.isLabelValue(text)
        case "datetime": return StringFormat.admits(text, "date-time")
        default: return StringFormat.admits(text, format)
        }
    }
}
