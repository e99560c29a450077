internal import KubeCore

/// The grammar of an object's name.
package enum NameRule: Sendable, Hashable {
    /// RFC 1123 subdomain, the rule of most kinds.
    case subdomain
    /// RFC 1123 label: namespaces.
    case label
    /// RFC 1035 label: services.
    case dns1035
    /// Anything that can be one part of a path: RBAC.
    case pathSegment

    /// What is wrong with `name`; nil when nothing is.
    func problem(_ name: String) -> String? {
        switch self {
        case .subdomain: NameRule.subdomainProblem(name)
        case .label: NameRule.labelProblem(name)
        case .dns1035: NameRule.dns1035Problem(name)
        case .pathSegment:
            if name == "." || name == ".." {
                "may not be '\(name)'"
            } else if name.contains("/") {
                "may not contain '/'"
            } else if name.contains("%") {
                "may not contain '%'"
            } else {
                nil
            }
        }
    }

    static func subdomainProblem(_ name: String) -> String? {
        if name.utf8.count > 253 { return "must be no more than 253 characters" }
        if LabelSyntax.isSubdomain(name[...]) { return nil }
        return
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "
            + "and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
            + #"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"#
    }

    static func labelProblem(_ name: String) -> String? {
        if name.utf8.count > 63 { return "must be no more than 63 characters" }
        if !name.contains("."), LabelSyntax.isSubdomain(name[...]) { return nil }
        return
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end "
            + "with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
            + "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
    }

    static func dns1035Problem(_ name: String) -> String? {
        if name.utf8.count > 63 { return "must be no more than 63 characters" }
        let startsWithLetter = name.utf8.first.map { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) } ?? false
        if startsWithLetter, !name.contains("."), LabelSyntax.isSubdomain(name[...]) { return nil }
        return "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic "
            + "character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation "
            + "is '[a-z]([-a-z0-9]*[a-z0-9])?')"
    }
}
