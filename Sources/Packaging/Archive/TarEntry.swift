/// One member of a tar archive, without its content.
struct TarEntry: Sendable, Hashable {
    enum Kind: Sendable, Hashable {
        case file
        case directory
        case symbolicLink(target: String)
    }

    /// Relative; without a slash at either end.
    var name: String
    var kind: Kind = .file
    var mode: Int = 0o644
    var user = 0
    var group = 0
    var size: UInt64 = 0
    /// Seconds since 1970.
    var modified: Int64 = 0

    /// Whether unpacking it stays below the folder it is unpacked in.
    var isSafe: Bool {
        let parts = name.split(separator: "/", omittingEmptySubsequences: false)
        return !name.isEmpty && !name.utf8.contains(0) && !parts.contains { $0.isEmpty || $0 == "." || $0 == ".." }
    }
}
