/// `KEY=VALUE` arguments such as `--tags`.
///
/// Pure.
enum KeyValues {
    /// Split at the first `=`; a key alone has an empty value, as in the reference command line.
    static func tags(_ arguments: [String]) throws(CommandError) -> [String: String] {
        var tags: [String: String] = [:]
        for argument in arguments where !argument.isEmpty {
            let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard let key = parts.first, !key.isEmpty else {
                throw CommandError(
                    "--tags \(argument): a tag has no key",
                    remedy: "write for example env=test",
                    exitStatus: 2
                )
            }
            tags[key] = parts.count > 1 ? parts[1] : ""
        }
        return tags
    }
}
