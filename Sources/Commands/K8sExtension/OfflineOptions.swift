internal import ArgumentParser
internal import Extension
internal import Foundation
internal import KubeCore
internal import MLTypes
internal import Scheduling

/// A cluster that is only thought of, for commands that need none.
struct OfflineOptions: ParsableArguments {
    @Option(help: "Nodes of the cluster that is thought of.") var nodes: Int = 3

    @Option(help: "Its distribution, such as aks, k3s or openshift.") var distribution: String?

    @Option(help: "Image of the first-party components.") var image: String = Product.image

    @Flag(help: "As on the embedded cluster: our own stand-ins for other people's programs.") var embedded = false

    func validate() throws {
        guard nodes >= 1 else { throw ValidationError("--nodes \(nodes): must be at least 1") }
    }

    func facts(_ kind: ClusterKind) -> ClusterFacts {
        ClusterFacts(
            clusterType: kind == .managed ? .managed : .connected,
            nodeCount: nodes,
            distribution: embedded ? ClusterFacts.embeddedDistribution : distribution ?? ""
        )
    }

    func profile(url: String, caPEM: String) -> ClusterProfile {
        ClusterProfile(
            image: image,
            version: Product.version,
            controlPlaneURL: url,
            controlPlaneCA: caPEM,
            extraCRDs: VolcanoCRDs.all
        )
    }
}

extension GivenSettings {
    /// The settings as an extension that has no others would have them.
    ///
    /// - Throws: `CommandError` with every problem.
    func whole() throws(CommandError) -> ExtensionSettings {
        do {
            return try ExtensionSettings.make(
                settings: plain,
                protectedSettings: protected,
                allowsUnknown: allowsUnknown
            )
        } catch {
            throw GivenSettings.refusal(error.problems)
        }
    }
}
