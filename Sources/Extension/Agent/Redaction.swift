internal import Foundation
internal import KubeCore

/// Takes known secrets out of texts that leave the cluster.
struct Redaction: Sendable {
    static let mark = "<redacted>"
    /// Shorter values would hit ordinary words.
    private static let shortest = 6

    private let secrets: [String]

    /// Also finds the values' base64 form, and each longer line of those with several.
    init(_ values: [String]) {
        var secrets: Set<String> = []
        for value in values {
            let trimmed = value.trimmingCharacters(in: .whitespacesAndNewlines)
            for form in [trimmed, Base64.decode(trimmed) ?? ""] where form.utf8.count >= Self.shortest {
                secrets.insert(form)
                secrets.insert(Base64.encode(form))
                for line in form.split(whereSeparator: \.isNewline) where line.utf8.count >= 40 && !line.hasPrefix("-")
                {
                    secrets.insert(String(line))
                }
            }
        }
        // The longest first: one may be part of another.
        self.secrets = secrets.sorted { $0.utf8.count > $1.utf8.count }
    }

    func apply(_ text: String) -> String {
        secrets.reduce(text) { $0.contains($1) ? $0.replacing($1, with: Self.mark) : $0 }
    }

    /// The object without what only its owner may see.
    static func object(_ object: KubeObject) -> KubeObject {
        var object = object
        object["metadata", "managedFields"] = nil
        object["metadata", "annotations", "kubectl.kubernetes.io/last-applied-configuration"] = nil
        guard object.kind == "Secret" else { return object }
        for key in ["data", "stringData"] {
            guard let members = object[key]?.objectValue else { continue }
            object[key] = .object(members.mapValues { _ in .string(mark) })
        }
        return object
    }
}
