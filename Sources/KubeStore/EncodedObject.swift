package import KubeCore

/// The canonical JSON bytes of an object and the place of `metadata.resourceVersion` in them.
///
/// The version is known only when the object is committed; keeping its place lets the single writer fill it in without
/// encoding again.
package struct EncodedObject: Sendable {
    package let bytes: [UInt8]
    /// Where the digits of the version stand, quotes not included.
    package let versionSlot: Range<Int>

    package init(bytes: [UInt8], versionSlot: Range<Int>) {
        self.bytes = bytes
        self.versionSlot = versionSlot
    }

    /// Encodes `object` with an empty version.
    package init(_ object: KubeObject) {
        var buffer: [UInt8] = []
        buffer.reserveCapacity(1024)
        var slot = 0
        let members = object.json.objectValue ?? [:]
        var keys = Array(members.keys)
        if members["metadata"] == nil { keys.append("metadata") }
        keys.sort()
        buffer.append(UInt8(ascii: "{"))
        for (index, key) in keys.enumerated() {
            if index > 0 { buffer.append(UInt8(ascii: ",")) }
            JSON.appendQuoted(key, to: &buffer)
            buffer.append(UInt8(ascii: ":"))
            if key == "metadata" {
                slot = EncodedObject.appendMetadata(members[key]?.objectValue ?? [:], to: &buffer)
            } else {
                members[key]?.appendBytes(to: &buffer)
            }
        }
        buffer.append(UInt8(ascii: "}"))
        bytes = buffer
        versionSlot = slot..<slot
    }

    private static func appendMetadata(_ metadata: [String: JSON], to buffer: inout [UInt8]) -> Int {
        var slot = 0
        var keys = Array(metadata.keys)
        if metadata["resourceVersion"] == nil { keys.append("resourceVersion") }
        keys.sort()
        buffer.append(UInt8(ascii: "{"))
        for (index, key) in keys.enumerated() {
            if index > 0 { buffer.append(UInt8(ascii: ",")) }
            JSON.appendQuoted(key, to: &buffer)
            buffer.append(UInt8(ascii: ":"))
            if key == "resourceVersion" {
                buffer.append(UInt8(ascii: "\""))
                slot = buffer.count
                buffer.append(UInt8(ascii: "\""))
            } else {
                metadata[key]?.appendBytes(to: &buffer)
            }
        }
        buffer.append(UInt8(ascii: "}"))
        return slot
    }

    /// The same object with this version.
    package func stamped(_ revision: Int64) -> EncodedObject {
        let digits = Array(String(revision).utf8)
        var stamped: [UInt8] = []
        stamped.reserveCapacity(bytes.count - versionSlot.count + digits.count)
        stamped += bytes[..<versionSlot.lowerBound]
        stamped += digits
        stamped += bytes[versionSlot.upperBound...]
        return EncodedObject(
            bytes: stamped,
            versionSlot: versionSlot.lowerBound..<versionSlot.lowerBound + digits.count
        )
    }

    /// Whether both say the same apart from the version.
    package func isSame(as other: EncodedObject) -> Bool {
        bytes.count - versionSlot.count == other.bytes.count - other.versionSlot.count
            && versionSlot.lowerBound == other.versionSlot.lowerBound
            && bytes[..<versionSlot.lowerBound] == other.bytes[..<other.versionSlot.lowerBound]
            && bytes[versionSlot.upperBound...] == other.bytes[other.versionSlot.upperBound...]
    }
}
