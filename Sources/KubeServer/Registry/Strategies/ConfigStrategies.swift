internal import Foundation
internal import KubeCore
internal import KubeStore

/// Rules of ConfigMaps' and Secrets' keys.
enum DataRules {
    static func keyErrors(_ data: JSON?, path: String) -> [FieldError] {
        (data?.objectValue ?? [:]).keys.sorted().compactMap { key in
            isKey(key) ? nil : FieldError("\(path)[\(key)]", .invalid, keyText, badValue: .string(key))
        }
    }

    static func isKey(_ key: String) -> Bool {
        !key.isEmpty && key.utf8.count <= 253 && key != "." && !key.hasPrefix("..")
            && key.utf8.allSatisfy { isAllowed($0) }
    }

    static let keyText =
        "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or "
        + "'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"

    private static func isAllowed(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
            true
        default: false
        }
    }

    /// At most 1 MiB; `encoded` fields hold base64, of which the plain bytes count.
    static func sizeErrors(_ object: KubeObject, plain: [String], encoded: [String], path: String) -> [FieldError] {
        func sum(_ fields: [String], _ size: (String) -> Int) -> Int {
            fields.reduce(0) { total, field in
                (object.json[field]?.objectValue ?? [:]).values.reduce(total) { $0 + size($1.stringValue ?? "") }
            }
        }
        let size = sum(plain) { $0.utf8.count } + sum(encoded) { decodedSize($0) }
        return size > 1_048_576 ? [FieldError(path, .tooLong, "may not be more than 1048576 bytes")] : []
    }

    private static func decodedSize(_ text: String) -> Int {
        let padding = text.hasSuffix("==") ? 2 : text.hasSuffix("=") ? 1 : 0
        return text.utf8.count / 4 * 3 - padding
    }

    static func immutableErrors(_ object: KubeObject, _ old: KubeObject, _ fields: [String]) -> [FieldError] {
        guard old["immutable"]?.boolValue == true else { return [] }
        var errors: [FieldError] = []
        if object["immutable"]?.boolValue != true {
            errors.append(FieldError("immutable", .forbidden, "field is immutable when `immutable` is set"))
        }
        for field in fields where object.json[field] != old.json[field] {
            errors.append(FieldError(field, .forbidden, "field is immutable when `immutable` is set"))
        }
        return errors
    }
}

struct ConfigMapStrategy: Strategy {
    func validate(_ object: KubeObject, _ context: StrategyContext) -> [FieldError] {
        var errors = DataRules.keyErrors(object["data"], path: "data")
        errors += DataRules.keyErrors(object["binaryData"], path: "binaryData")
        let data = object["data"]?.objectValue ?? [:]
        for key in (object["binaryData"]?.objectValue ?? [:]).keys.sorted() where data[key] != nil {
            errors.append(
                FieldError("data[\(key)]", .invalid, "duplicate of key present in binaryData", badValue: .string(key))
            )
        }
        return errors + DataRules.sizeErrors(object, plain: ["data"], encoded: ["binaryData"], path: "[]")
    }

    func validateUpdate(_ object: KubeObject, old: KubeObject, _ context: StrategyContext) -> [FieldError] {
        DataRules.immutableErrors(object, old, ["data", "binaryData"])
    }
}

struct SecretStrategy: Strategy {
    func prepareForCreate(_ object: inout KubeObject, _ context: StrategyContext) throws {
        SecretStrategy.fold(&object)
        if (object["type"]?.stringValue ?? "").isEmpty { object["type"] = "Opaque" }
    }

    func prepareForUpdate(_ object: inout KubeObject, old: KubeObject, _ context: StrategyContext) throws {
        SecretStrategy.fold(&object)
        if (object["type"]?.stringValue ?? "").isEmpty { object["type"] = old["type"] }
    }

    /// `stringData` is write-only: it becomes part of `data`.
    private static func fold(_ object: inout KubeObject) {
        guard let plain = object["stringData"]?.objectValue else { return }
        object["stringData"] = nil
        var data = object["data"]?.objectValue ?? [:]
        for (key, value) in plain {
            data[key] = .string(Data((value.stringValue ?? "").utf8).base64EncodedString())
        }
        object["data"] = .object(data)
    }

    func validate(_ object: KubeObject, _ context: StrategyContext) -> [FieldError] {
        var errors = DataRules.keyErrors(object["data"], path: "data")
        errors += DataRules.sizeErrors(object, plain: [], encoded: ["data"], path: "data")
        for (key, value) in (object["data"]?.objectValue ?? [:]).sorted(by: { $0.key < $1.key }) {
            guard let text = value.stringValue, Data(base64Encoded: text) != nil else {
                errors.append(FieldError("data[\(key)]", .invalid, "must be base64", badValue: .string("<redacted>")))
                continue
            }
        }
        let required: [String: [String]] = [
            "kubernetes.io/tls": ["tls.crt", "tls.key"], "kubernetes.io/dockerconfigjson": [".dockerconfigjson"],
            "kubernetes.io/dockercfg": [".dockercfg"], "kubernetes.io/ssh-auth": ["ssh-privatekey"],
        ]
        let data = object["data"]?.objectValue ?? [:]
        for key in required[object["type"]?.stringValue ?? ""] ?? [] where data[key] == nil {
            errors.append(FieldError("data[\(key)]", .required))
        }
        if object["type"] == "kubernetes.io/basic-auth", data["username"] == nil, data["password"] == nil {
            errors.append(FieldError("data[username]", .required))
            errors.append(FieldError("data[password]", .required))
        }
        for (type, key) in [("dockerconfigjson", ".dockerconfigjson"), ("dockercfg", ".dockercfg")]
        where object["type"]?.stringValue == "kubernetes.io/" + type {
            guard let text = data[key]?.stringValue, let bytes = Data(base64Encoded: text) else { continue }
            if (try? JSON(parsing: Array(bytes))) == nil {
                let detail = "invalid character in the JSON of a docker configuration"
                errors.append(FieldError("data[\(key)]", .invalid, detail, badValue: "<secret contents redacted>"))
            }
        }
        if object["type"] == "kubernetes.io/service-account-token",
            (object.annotations["kubernetes.io/service-account.name"] ?? "").isEmpty
        {
            errors.append(FieldError("metadata.annotations[kubernetes.io/service-account.name]", .required))
        }
        return errors
    }

    func validateUpdate(_ object: KubeObject, old: KubeObject, _ context: StrategyContext) -> [FieldError] {
        var errors = DataRules.immutableErrors(object, old, ["data"])
        if object["type"] != old["type"] {
            errors.append(FieldError("type", .invalid, "field is immutable", badValue: object["type"] ?? .null))
        }
        return errors
    }
}

struct VolumeStrategy: Strategy {
    func prepareForCreate(_ object: inout KubeObject, _ context: StrategyContext) throws {
        object["status"] = ["phase": "Pending"]
    }

    func validate(_ object: KubeObject, _ context: StrategyContext) -> [FieldError] {
        var errors: [FieldError] = []
        if object["spec", "capacity", "storage"] == nil { errors.append(FieldError("spec.capacity", .required)) }
        if (object["spec", "accessModes"]?.arrayValue ?? []).isEmpty {
            errors.append(FieldError("spec.accessModes", .required))
        }
        return errors
    }
}

struct ClaimStrategy: Strategy {
    func admit(_ object: inout KubeObject, old: KubeObject?, _ context: StrategyContext) async throws {
        guard old == nil, object["spec", "storageClassName"] == nil else { return }
        let defaults = context.registry.store.list("storageclasses.storage.k8s.io").objects.map(\.object)
            .filter { $0.annotations["storageclass.kubernetes.io/is-default-class"] == "true" }
        let newest = defaults.max { ($0.creationTimestamp ?? "", $1.name) < ($1.creationTimestamp ?? "", $0.name) }
        if let newest { object["spec", "storageClassName"] = .string(newest.name) }
    }

    func prepareForCreate(_ object: inout KubeObject, _ context: StrategyContext) throws {
        object["status"] = ["phase": "Pending"]
    }

    func validate(_ object: KubeObject, _ context: StrategyContext) -> [FieldError] {
        ClaimStrategy.specErrors(object["spec"] ?? [:], "spec")
    }

    static func specErrors(_ spec: JSON, _ path: String) -> [FieldError] {
        var errors: [FieldError] = []
        let modes = spec["accessModes"]?.stringArray ?? []
        if modes.isEmpty {
            errors.append(FieldError(path + ".accessModes", .required, "at least 1 access mode is required"))
        }
        for mode in modes {
            errors += PodRules.choice(
                .string(mode),
                ["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"],
                path + ".accessModes"
            )
        }
        if modes.count > 1, modes.contains("ReadWriteOncePod") {
            let text = "may not use ReadWriteOncePod with other access modes"
            errors.append(FieldError(path + ".accessModes", .forbidden, text))
        }
        errors += PodRules.choice(spec["volumeMode"], ["Block", "Filesystem"], path + ".volumeMode")
        if let name = spec["storageClassName"]?.stringValue, !name.isEmpty,
            let problem = NameRule.subdomainProblem(name)
        {
            errors.append(FieldError(path + ".storageClassName", .invalid, problem, badValue: .string(name)))
        }
        let storage = spec["resources"]?["requests"]?["storage"]
        if let storage {
            do throws(QuantityParseError) {
                let quantity = try Quantity(storage)
                if quantity.isNegative || quantity.isZero {
                    errors.append(
                        FieldError(
                            path + ".resources[storage]",
                            .invalid,
                            "must be greater than zero",
                            badValue: storage
                        )
                    )
                }
            } catch {
                errors.append(FieldError(path + ".resources[storage]", .invalid, error.description, badValue: storage))
            }
        } else {
            errors.append(FieldError(path + ".resources[storage]", .required))
        }
        return errors
    }

    func validateUpdate(_ object: KubeObject, old: KubeObject, _ context: StrategyContext) -> [FieldError] {
        guard context.subresource == nil else { return [] }
        var after = object["spec"] ?? [:]
        let before = old["spec"] ?? [:]
        let isBound = !(before["volumeName"]?.stringValue ?? "").isEmpty
        if !isBound { after["volumeName"] = before["volumeName"] }
        after["resources"] = before["resources"]
        after["volumeAttributesClassName"] = before["volumeAttributesClassName"]
        if after == before { return [] }
        return [
            FieldError(
                "spec",
                .forbidden,
                "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
            )
        ]
    }
}
