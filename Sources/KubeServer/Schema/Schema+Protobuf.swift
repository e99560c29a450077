package import KubeCore

/// Why bytes are no protobuf message of the expected type.
package struct ProtobufDecodeError: Error, Sendable, CustomStringConvertible {
    package var message: String
    package var description: String { message }
}

/// The `k8s\0` envelope of a protobuf request body.
package struct ProtobufEnvelope: Sendable {
    package var apiVersion: String
    package var kind: String
    package var raw: [UInt8]

    /// Reads the magic number and `runtime.Unknown`.
    package init(_ bytes: [UInt8]) throws(ProtobufDecodeError) {
        throw ProtobufDecodeError(message: "not implemented")
    }
}

extension Schema {
    /// Decodes one message of this type; zeros that mean "not set" are left out.
    package func decodeProtobuf(_ bytes: [UInt8]) throws(ProtobufDecodeError) -> JSON {
        throw ProtobufDecodeError(message: "not implemented")
    }
}
