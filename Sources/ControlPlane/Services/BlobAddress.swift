/// A container and a name in it.
///
/// As a folder, the name is empty or ends in a slash.
struct BlobAddress: Sendable, Hashable {
    var container: String
    var name: String

    /// Last part of the storage host's name; the account is always `store`.
    static let suffix = "outrigger"
    static let account = "store.blob." + suffix

    /// Reads an address of our blob endpoint, whatever host and port it names: those change between starts.
    init?(url: String) {
        guard url.hasPrefix("https://") || url.hasPrefix("http://") else { return nil }
        let path = url.split(separator: "?", maxSplits: 1)[0].split(separator: "/", omittingEmptySubsequences: false)
        var segments = path.dropFirst(3).map { percentDecoded(String($0)) }
        guard let first = segments.first, first.hasPrefix("store.blob.") || BlobAddress.isContainer(first) else {
            return nil
        }
        if first.hasPrefix("store.blob.") { segments.removeFirst() }
        guard let container = segments.first else { return nil }
        self.init(container: container, name: segments.dropFirst().joined(separator: "/"))
    }

    init(container: String, name: String) {
        self.container = container
        self.name = name
    }

    /// Containers that may also stand first in a path.
    static func isContainer(_ name: String) -> Bool {
        name == "azureml" || name.hasPrefix("azureml-") || name.hasPrefix("code-")
    }

    /// Address below a base URL of ours.
    func url(base: String) -> String {
        base + "/" + BlobAddress.account + "/" + container
            + (name.isEmpty ? "" : "/" + percentEncoded(name, keepSlashes: true))
    }

    /// The same name as a folder.
    var asFolder: BlobAddress {
        BlobAddress(container: container, name: name.isEmpty || name.hasSuffix("/") ? name : name + "/")
    }

    func appending(_ path: String) -> BlobAddress {
        BlobAddress(container: container, name: asFolder.name + path)
    }
}
