package import KubeCore

/// OpenAPI documents, made from the kinds alone. They are large: keep the bytes, keyed by the set of kinds.
package enum OpenAPI {
    /// One `/openapi/v3/…` document and its hash.
    package struct Document: Sendable {
        /// `api/v1`, `apis/apps/v1`.
        package var path: String
        package var bytes: [UInt8]
        /// Hexadecimal; changes with the bytes.
        package var hash: String
    }

    /// The document of every group version.
    package static func documents(_ kinds: [Kind]) -> [Document] { [] }

    /// The document of one group version.
    package static func document(group: String, version: String, _ kinds: [Kind]) -> Document {
        Document(path: "", bytes: [], hash: "")
    }

    /// `/openapi/v3`: the paths and their hashed addresses.
    package static func index(_ documents: [Document]) -> JSON { .null }

    /// `/openapi/v2`.
    package static func version2(_ kinds: [Kind], version: String) -> JSON { .null }
}
