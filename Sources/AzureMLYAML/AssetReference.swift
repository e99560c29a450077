/// How a YAML file points at code, data, a model, an environment or a compute.
package enum AssetReference: Sendable, Hashable {
    /// Path on this machine, relative to the current directory or absolute.
    case local(String)
    /// `azureml:NAME:VERSION`.
    case version(name: String, version: String)
    /// `azureml:NAME@LABEL`.
    case label(name: String, label: String)
    /// `azureml:NAME`.
    case name(String)
    /// A full ARM id.
    case id(String)
    /// `azureml://…`, `https://…`, `runs:/…`.
    case uri(String)

    /// `folder`: where relative paths start.
    package init(_ text: String, folder: String) {
        if text.hasPrefix("azureml://") || text.hasPrefix("runs:/") || Self.hasScheme(text) {
            self = .uri(text)
        } else if text.hasPrefix("azureml:") {
            self = Self.named(String(text.dropFirst("azureml:".count)))
        } else if text.hasPrefix("/subscriptions/") {
            self = .id(text)
        } else if text.hasPrefix("file:") {
            self = .local(Self.join(folder, String(text.dropFirst("file:".count))))
        } else {
            self = .local(Self.join(folder, text))
        }
    }

    /// What stands after `azureml:`.
    static func named(_ text: String) -> AssetReference {
        if text.hasPrefix("/subscriptions/") { return .id(text) }
        if let at = text.lastIndex(of: "@") {
            return .label(name: String(text[..<at]), label: String(text[text.index(after: at)...]))
        }
        if let colon = text.lastIndex(of: ":") {
            return .version(name: String(text[..<colon]), version: String(text[text.index(after: colon)...]))
        }
        return .name(text)
    }

    private static func hasScheme(_ text: String) -> Bool {
        guard let range = text.firstRange(of: "://") else { return false }
        let scheme = text[..<range.lowerBound]
        return !scheme.isEmpty && scheme.allSatisfy { $0.isLetter || $0.isNumber || $0 == "+" || $0 == "-" }
    }

    /// `path` seen from `folder`.
    package static func join(_ folder: String, _ path: String) -> String {
        if path.hasPrefix("/") || folder == "." || folder.isEmpty { return path }
        return path == "." ? folder : folder + "/" + path
    }
}
