package import KubeCore

/// OpenAPI documents, made from the kinds alone.
///
/// They are large: keep the bytes, keyed by the set of kinds.
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
    package static func documents(_ kinds: [Kind]) -> [Document] {
        var seen: Set<String> = []
        return kinds.filter { seen.insert($0.type.apiVersion).inserted }.map {
            document(group: $0.type.group, version: $0.type.version, kinds)
        }
    }

    /// The document of one group version.
    package static func document(group: String, version: String, _ kinds: [Kind]) -> Document {
        let members = kinds.filter { $0.type.group == group && $0.type.version == version }
        var schemas = OpenAPISchemas(prefix: "#/components/schemas/")
        var paths: [String: JSON] = [:]
        for kind in members {
            schemas.add(kind)
            OpenAPIPaths.add(kind, schemas: schemas, to: &paths)
        }
        let document: JSON = [
            "openapi": "3.0.0", "info": ["title": "Kubernetes", "version": "unversioned"], "paths": .object(paths),
            "components": ["schemas": .object(schemas.all)],
        ]
        let bytes = document.bytes
        let path = group.isEmpty ? "api/" + version : "apis/" + group + "/" + version
        return Document(path: path, bytes: bytes, hash: hash(bytes))
    }

    /// `/openapi/v3`: the paths and their hashed addresses.
    package static func index(_ documents: [Document]) -> JSON {
        var paths: [String: JSON] = [:]
        for document in documents {
            let address = "/openapi/v3/\(document.path)?hash=\(document.hash)"
            paths[document.path] = ["serverRelativeURL": .string(address)]
        }
        return ["paths": .object(paths)]
    }

    /// `/openapi/v2`.
    package static func version2(_ kinds: [Kind], version: String) -> JSON {
        var schemas = OpenAPISchemas(prefix: "#/definitions/")
        var paths: [String: JSON] = [:]
        for kind in kinds {
            schemas.add(kind)
            OpenAPIPaths.addVersion2(kind, schemas: schemas, to: &paths)
        }
        return [
            "swagger": "2.0", "info": ["title": "Kubernetes", "version": .string(version)], "paths": .object(paths),
            "definitions": .object(schemas.all),
        ]
    }

    /// FNV-1a, twice with different starts: 128 bits that only have to differ when the bytes do.
    private static func hash(_ bytes: [UInt8]) -> String {
        var first: UInt64 = 0xCBF2_9CE4_8422_2325
        var second: UInt64 = 0x9E37_79B9_7F4A_7C15
        for byte in bytes {
            first = (first ^ UInt64(byte)) &* 0x0000_0100_0000_01B3
            second = (second ^ UInt64(byte)) &* 0x0000_0100_0000_01B3
        }
        return [first, second].map { value in
            let text = String(value, radix: 16, uppercase: true)
            return String(repeating: "0", count: 16 - text.count) + text
        }.joined()
    }
}
