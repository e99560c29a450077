/// Syntax of Kubernetes names and labels.
package enum LabelRules {
    package static func isKey(_ text: String) -> Bool {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard let name = parts.last, parts.count <= 2, !name.isEmpty, isValue(String(name)) else { return false }
        return parts.count == 1 || isDNSName(String(parts[0]))
    }

    package static func isValue(_ text: String) -> Bool {
        guard text.utf8.count <= 63 else { return false }
        return text.isEmpty || text.wholeMatch(of: /[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?/) != nil
    }

    /// A DNS-1123 subdomain: object names and host names.
    package static func isDNSName(_ text: String) -> Bool {
        guard (1...253).contains(text.utf8.count) else { return false }
        return text.wholeMatch(of: /[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*/) != nil
    }
}
