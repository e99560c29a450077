internal import KubeCore
internal import MLTypes

/// Objects under names that the extension needs which somebody else keeps, Helm for example.
enum OwnershipChecker {
    /// Shared by nature: namespaces and queues may well be there before.
    private static let shared: Set<ResourceType> = [.namespaces, MLResources.queues]

    static func run(_ input: HealthInput) throws -> [HealthCheck] {
        let checked = "names that the extension needs are free"
        let present = try input.observation.present.get()
        let known = Set(input.inventory?.objects ?? [])
        let foreign = input.objects.map(\.reference).filter { reference in
            guard !shared.contains(reference.type), !known.contains(reference), let object = present[reference] else {
                return false
            }
            return object.labels[ExtensionRenderer.managedByLabel] != ExtensionRenderer.fieldManager
                && object.annotations[MLLabels.unmanaged] != "true"
        }
        guard !foreign.isEmpty else { return [.passed("ownership", checked: checked, found: "they are")] }
        let list = foreign.prefix(5).map { reference in
            reference.description + (owner(present[reference]).map { " of " + $0 } ?? "")
        }
        let more = foreign.count > 5 ? " and \(foreign.count - 5) more" : ""
        return [
            .failed(
                "ownership",
                .ownedByOther,
                checked: checked,
                found: "there already: \(list.joined(separator: ", "))\(more)",
                fix:
                    "Remove them (for a Helm release with `helm uninstall`), or switch off the part that brings them, such as installVolcano or installPromOp"
            )
        ]
    }

    private static func owner(_ object: KubeObject?) -> String? {
        guard let object else { return nil }
        if let release = object.annotations["meta.helm.sh/release-name"] { return "Helm release '\(release)'" }
        if let manager = object.labels[ExtensionRenderer.managedByLabel] { return "'\(manager)'" }
        let managers = (object["metadata", "managedFields"]?.arrayValue ?? [])
            .filter { ($0["subresource"]?.stringValue ?? "").isEmpty }
            .sorted { ($0["time"]?.stringValue ?? "") < ($1["time"]?.stringValue ?? "") }
        return managers.compactMap { $0["manager"]?.stringValue }.first.map { "'\($0)'" }
    }
}
