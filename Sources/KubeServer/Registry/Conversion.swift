internal import KubeCore
internal import KubeStore

/// How a served version and the kept one differ.
enum Conversion: Sendable {
    case same
    /// Only `apiVersion` differs (CRDs with conversion None, kinds with several equal versions).
    case apiVersion(served: String, kept: String)
    /// `events.k8s.io/v1` over the core Event.
    case event

    /// An object as this version shows it.
    func present(_ kept: KubeObject) -> KubeObject {
        switch self {
        case .same: return kept
        case .apiVersion(let served, _):
            var object = kept
            object["apiVersion"] = .string(served)
            return object
        case .event: return Conversion.rename(kept, Conversion.eventFields, to: "events.k8s.io/v1")
        }
    }

    /// An object of this version as it is kept.
    func keep(_ served: KubeObject) -> KubeObject {
        switch self {
        case .same: return served
        case .apiVersion(_, let kept):
            var object = served
            object["apiVersion"] = .string(kept)
            return object
        case .event: return Conversion.rename(served, Conversion.eventFields.map { ($0.1, $0.0) }, to: "v1")
        }
    }

    func present(_ stored: StoredObject) -> KubeObject { present(stored.object) }

    /// The bytes as this version shows them.
    ///
    /// `apiVersion` is the first key of the canonical form, so it is replaced in place.
    func bytes(_ stored: StoredObject) -> [UInt8] {
        switch self {
        case .same: return stored.bytes
        case .apiVersion(let served, let kept):
            let old = Array(#"{"apiVersion":"\#(kept)""#.utf8)
            guard stored.bytes.starts(with: old) else { return present(stored).json.bytes }
            return Array(#"{"apiVersion":"\#(served)""#.utf8) + stored.bytes[old.count...]
        case .event: return present(stored).json.bytes
        }
    }

    private static let eventFields: [(String, String)] = [
        ("message", "note"), ("involvedObject", "regarding"), ("source", "deprecatedSource"),
        ("firstTimestamp", "deprecatedFirstTimestamp"), ("lastTimestamp", "deprecatedLastTimestamp"),
        ("count", "deprecatedCount"), ("reportingComponent", "reportingController"),
    ]

    private static func rename(_ object: KubeObject, _ fields: [(String, String)], to apiVersion: String) -> KubeObject
    {
        var members = object.json.objectValue ?? [:]
        for (from, to) in fields {
            if let value = members.removeValue(forKey: from) { members[to] = value }
        }
        members["apiVersion"] = .string(apiVersion)
        return KubeObject(.object(members))
    }
}
