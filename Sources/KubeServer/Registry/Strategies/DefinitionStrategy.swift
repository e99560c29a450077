internal import KubeCore

/// CustomResourceDefinitions: names are claimed and the kinds served as part of the write.
struct DefinitionStrategy: Strategy {
    static let cleanupFinalizer = "customresourcecleanup.apiextensions.k8s.io"

    var tracksGeneration: Bool { true }

    func prepareForCreate(_ object: inout KubeObject, _ context: StrategyContext) throws {
        if object["spec", "conversion"] == nil { object["spec", "conversion"] = ["strategy": "None"] }
        if !object.finalizers.contains(DefinitionStrategy.cleanupFinalizer) {
            object.finalizers.append(DefinitionStrategy.cleanupFinalizer)
        }
        object["status"] = [:]
        DefinitionStrategy.claimNames(&object, context.registry)
    }

    func prepareForUpdate(_ object: inout KubeObject, old: KubeObject, _ context: StrategyContext) throws {
        guard context.subresource == nil else { return }
        if object["spec", "conversion"] == nil { object["spec", "conversion"] = ["strategy": "None"] }
        if !object.isTerminating { DefinitionStrategy.claimNames(&object, context.registry) }
    }

    func prepareForDelete(_ object: inout KubeObject, _ context: StrategyContext) {
        object["status", "conditions"] = Conditions.set(
            object["status", "conditions"],
            [
                "type": "Terminating", "status": "True", "reason": "InstanceDeletionPending",
                "message": "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon",
            ],
            now: context.registry.now
        )
    }

    /// Sets acceptedNames, storedVersions and the conditions NamesAccepted and Established.
    private static func claimNames(_ object: inout KubeObject, _ registry: Registry) {
        let names = object["spec", "names"] ?? [:]
        var accepted: JSON = ["plural": names["plural"] ?? "", "kind": names["kind"] ?? ""]
        for field in ["singular", "listKind", "shortNames", "categories"] {
            if let value = names[field] { accepted[field] = value }
        }
        let conflict = conflict(object, registry)
        let now = registry.now
        var conditions = object["status", "conditions"]
        conditions = Conditions.set(
            conditions,
            [
                "type": "NamesAccepted", "status": conflict == nil ? "True" : "False",
                "reason": .string(conflict?.reason ?? "NoConflicts"),
                "message": .string(conflict?.message ?? "no conflicts found"),
            ],
            now: now
        )
        let wasEstablished = object.isConditionTrue("Established")
        let isEstablished = conflict == nil || wasEstablished
        conditions = Conditions.set(
            conditions,
            [
                "type": "Established", "status": isEstablished ? "True" : "False",
                "reason": isEstablished ? "InitialNamesAccepted" : "NotAccepted",
                "message": .string(
                    isEstablished ? "the initial names have been accepted" : "not all names are accepted"
                ),
            ],
            now: now
        )
        object["status", "conditions"] = conditions
        if conflict == nil { object["status", "acceptedNames"] = accepted }
        var stored = object["status", "storedVersions"]?.stringArray ?? []
        let storage = (object["spec", "versions"]?.arrayValue ?? []).first { $0["storage"]?.boolValue == true }
        if let name = storage?["name"]?.stringValue, !stored.contains(name) { stored.append(name) }
        object["status", "storedVersions"] = JSON(stored)
    }

    /// The last name that another kind of the group has: upstream checks plural, singular, short names, kind, list kind.
    private static func conflict(_ object: KubeObject, _ registry: Registry) -> (reason: String, message: String)? {
        let group = object["spec", "group"]?.stringValue ?? ""
        let others = registry.table.all.filter { $0.type.group == group && $0.definitionName != object.name }
        var plurals: Set<String> = []
        var kinds: Set<String> = []
        for other in others {
            plurals.formUnion([other.type.plural, other.kind.singular])
            plurals.formUnion(other.kind.shortNames)
            kinds.formUnion([other.type.kind, other.kind.listKind])
        }
        let names = object["spec", "names"] ?? [:]
        var found: (String, String)?
        func check(_ name: String?, _ taken: Set<String>, _ reason: String) {
            guard let name, taken.contains(name) else { return }
            found = (reason, "\"\(name)\" is already in use")
        }
        check(names["plural"]?.stringValue, plurals, "PluralConflict")
        check(names["singular"]?.stringValue, plurals, "SingularConflict")
        for short in names["shortNames"]?.stringArray ?? [] { check(short, plurals, "ShortNamesConflict") }
        check(names["kind"]?.stringValue, kinds, "KindConflict")
        check(names["listKind"]?.stringValue, kinds, "ListKindConflict")
        return found
    }

    func validate(_ object: KubeObject, _ context: StrategyContext) -> [FieldError] {
        var errors: [FieldError] = []
        let group = object["spec", "group"]?.stringValue ?? ""
        let plural = object["spec", "names", "plural"]?.stringValue ?? ""
        if group.isEmpty { errors.append(FieldError("spec.group", .required)) }
        if plural.isEmpty { errors.append(FieldError("spec.names.plural", .required)) }
        if (object["spec", "names", "kind"]?.stringValue ?? "").isEmpty {
            errors.append(FieldError("spec.names.kind", .required))
        }
        let scope = object["spec", "scope"]?.stringValue ?? ""
        if scope.isEmpty { errors.append(FieldError("spec.scope", .required)) }
        errors += PodRules.choice(object["spec", "scope"], ["Cluster", "Namespaced"], "spec.scope")
        if !plural.isEmpty, !group.isEmpty, object.name != plural + "." + group {
            errors.append(
                FieldError(
                    "metadata.name",
                    .invalid,
                    "must be spec.names.plural+\".\"+spec.group",
                    badValue: .string(object.name)
                )
            )
        }
        let versions = object["spec", "versions"]?.arrayValue ?? []
        if versions.isEmpty { errors.append(FieldError("spec.versions", .required)) }
        if versions.filter({ $0["storage"]?.boolValue == true }).count != 1 {
            errors.append(
                FieldError(
                    "spec.versions",
                    .invalid,
                    "must have exactly one version marked as storage version",
                    badValue: .array(versions.map { $0["name"] ?? "" })
                )
            )
        }
        for (index, version) in versions.enumerated() where version["schema", "openAPIV3Schema"] == nil {
            errors.append(
                FieldError("spec.versions[\(index)].schema.openAPIV3Schema", .required, "schemas are required")
            )
        }
        errors += DefinitionRules.errors(object["spec"] ?? [:])
        if !errors.isEmpty { return errors }
        do throws(SchemaCompileError) {
            _ = try Kind.compile(definition: object)
        } catch {
            errors += error.errors
        }
        return errors
    }

    func validateUpdate(_ object: KubeObject, old: KubeObject, _ context: StrategyContext) -> [FieldError] {
        var errors: [FieldError] = []
        for field in ["group", "scope"] { errors += TemplateRules.immutable(field, object, old) }
        for field in ["plural", "kind"] where object["spec", "names", field] != old["spec", "names", field] {
            errors.append(
                FieldError(
                    "spec.names." + field,
                    .invalid,
                    "field is immutable",
                    badValue: object["spec", "names", field] ?? .null
                )
            )
        }
        let names = Set((object["spec", "versions"]?.arrayValue ?? []).compactMap { $0["name"]?.stringValue })
        for (index, stored) in (object["status", "storedVersions"]?.stringArray ?? []).enumerated()
        where !names.contains(stored) {
            errors.append(
                FieldError(
                    "status.storedVersions[\(index)]",
                    .invalid,
                    "missing from spec.versions; must be deleted or migrated first",
                    badValue: .string(stored)
                )
            )
        }
        return errors
    }

    func finish(_ object: KubeObject?, old: KubeObject?, isCommitted: Bool, _ context: StrategyContext) async {
        guard isCommitted, !context.isDryRun else { return }
        guard let object else {
            context.registry.table.replace(definition: old?.name ?? "", with: [])
            return
        }
        if object["spec", "conversion", "strategy"] == "Webhook" {
            RequestScope.current?.warn(
                "spec.conversion.strategy: webhooks are not called; versions differ by apiVersion only"
            )
        }
        context.registry.register(definition: object)
        if object.isTerminating { await context.registry.cleanUp(definition: object.name) }
    }
}

/// Objects of CRDs: all their rules are in the schema.
struct CustomStrategy: Strategy {
    var tracksGeneration: Bool { true }
}
