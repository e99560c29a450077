internal import KubeCore

/// Makes pods from `spec.template` of a workload.
enum PodTemplate {
    /// A pod of `owner`; with `name` nil the server completes `<owner>-`.
    static func pod(
        from template: JSON?,
        owner: KubeObject,
        name: String? = nil,
        labels: [String: String] = [:],
        annotations: [String: String] = [:]
    ) -> KubeObject {
        var pod = KubeObject(["apiVersion": "v1", "kind": "Pod"])
        var metadata: [String: JSON] = [:]
        if let name {
            metadata["name"] = .string(name)
        } else {
            metadata["generateName"] = .string(generateName(owner.name))
        }
        metadata["namespace"] = owner.namespace.map(JSON.string)
        let mergedLabels = (template?["metadata"]?["labels"]?.stringMap ?? [:]).merging(labels) { _, new in new }
        if !mergedLabels.isEmpty { metadata["labels"] = JSON(mergedLabels) }
        let mergedAnnotations = (template?["metadata"]?["annotations"]?.stringMap ?? [:])
            .merging(annotations) { _, new in new }
        if !mergedAnnotations.isEmpty { metadata["annotations"] = JSON(mergedAnnotations) }
        metadata["finalizers"] = template?["metadata"]?["finalizers"]
        metadata["ownerReferences"] = .array([owner.controllerReference().json])
        pod["metadata"] = .object(metadata)
        pod["spec"] = template?["spec"] ?? .object([:])
        return pod
    }

    /// A name prefix that leaves room for the server's five characters.
    static func generateName(_ owner: String) -> String { String(owner.prefix(57)) + "-" }

    /// A short hash of a template that depends on nothing but its content: FNV-1a over the canonical bytes, in letters that
    /// cannot form words.
    static func hash(_ template: JSON?, collisions: Int = 0) -> String {
        var bytes = (template ?? .null).bytes
        if collisions > 0 { bytes += Array("#\(collisions)".utf8) }
        return encode(fnv(bytes))
    }

    /// The template without the label that carries its hash.
    static func withoutHash(_ template: JSON?, label: String) -> JSON {
        var template = template ?? .null
        template[path: "metadata", "labels", label] = nil
        if template["metadata"]?["labels"]?.objectValue?.isEmpty == true { template[path: "metadata", "labels"] = nil }
        if template["metadata"]?.objectValue?.isEmpty == true { template["metadata"] = nil }
        // Null and absent mean the same; some clients write `creationTimestamp: null`.
        if template["metadata"]?["creationTimestamp"]?.isNull == true {
            template[path: "metadata", "creationTimestamp"] = nil
            if template["metadata"]?.objectValue?.isEmpty == true { template["metadata"] = nil }
        }
        return template
    }

    private static func fnv(_ bytes: [UInt8]) -> UInt32 {
        var hash: UInt32 = 2_166_136_261
        for byte in bytes {
            hash ^= UInt32(byte)
            hash = hash &* 16_777_619
        }
        return hash
    }

    private static func encode(_ hash: UInt32) -> String {
        let alphabet = Array("bcdfghjklmnpqrstvwxz2456789")
        return String(String(hash).compactMap(\.wholeNumberValue).map { alphabet[$0] })
    }
}
