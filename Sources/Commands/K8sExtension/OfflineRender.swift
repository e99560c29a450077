internal import Extension
internal import KubeCore
internal import Packaging

/// What is rendered without a cluster, with the releases of others that are on this machine.
struct OfflineRender {
    let layout: InstanceLayout

    func input(
        name: String,
        settings: ExtensionSettings,
        facts: ClusterFacts,
        profile: ClusterProfile
    ) throws -> RenderInput {
        var input = RenderInput(extensionName: name, settings: settings, facts: facts, profile: profile)
        let store = BundleStore(folder: layout.bundles)
        for reference in input.neededBundles {
            guard let objects = try store.objects(reference.component, reference.version) else { continue }
            input.bundles[reference.component] = objects.map { KubeObject($0) }
        }
        return input
    }
}
