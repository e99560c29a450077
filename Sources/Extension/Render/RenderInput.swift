package import KubeCore

/// Everything that decides what is installed.
package struct RenderInput: Sendable {
    /// Name of the extension; part of some components' names.
    package var extensionName: String
    package var settings: ExtensionSettings
    package var facts: ClusterFacts
    package var profile: ClusterProfile
    /// Changes when a certificate or token that the agent makes was renewed, so that pods start anew with it.
    package var gatewaySecretsDigest: String
    /// Authority of the certificates that the agent makes for components, PEM; empty when it is not known yet.
    package var componentCA: String
    /// Objects of upstream's releases by bundle name; one that is missing here is not installed.
    package var bundles: [String: [KubeObject]]
    /// The cluster has a Prometheus operator that is not the extension's.
    package var hasMonitoringAPI: Bool

    package init(
        extensionName: String,
        settings: ExtensionSettings,
        facts: ClusterFacts,
        profile: ClusterProfile,
        gatewaySecretsDigest: String = "",
        componentCA: String = "",
        bundles: [String: [KubeObject]] = [:],
        hasMonitoringAPI: Bool = false
    ) {
        self.extensionName = extensionName
        self.settings = settings
        self.facts = facts
        self.profile = profile
        self.gatewaySecretsDigest = gatewaySecretsDigest
        self.componentCA = componentCA
        self.bundles = bundles
        self.hasMonitoringAPI = hasMonitoringAPI
    }
}

extension RenderInput {
    /// Where third-party parts come from on this cluster.
    package var source: ThirdPartySource {
        profile.thirdParty ?? (facts.distribution == ClusterFacts.embeddedDistribution ? .standIns : .bundles)
    }

    /// The bundles that these settings want on this cluster.
    package var neededBundles: [BundleReference] {
        var needed: [BundleReference] = []
        for component in ComponentCatalogue.enabled(settings, facts) {
            guard case .bundle(let reference) = component.availability(source), !needed.contains(reference) else {
                continue
            }
            needed.append(reference)
        }
        return needed
    }

    private func isMissing(_ reference: BundleReference) -> Bool { bundles[reference.component]?.isEmpty ?? true }

    /// How the component is installed here, its settings aside.
    ///
    /// Without its bundle a part that has a stand-in uses that, and any other is absent.
    package func availability(_ component: Component) -> Component.Availability {
        if component.nameTemplate == ComponentCatalogue.prometheus.nameTemplate, source == .bundles {
            return prometheusAvailability
        }
        guard case .bundle(let reference) = component.availability(source), isMissing(reference) else {
            return component.availability(source)
        }
        return component.isImplemented ? .implemented : .absent(Self.missingText(reference))
    }

    /// The operator makes Prometheus, so it needs one.
    private var prometheusAvailability: Component.Availability {
        if settings.installPromOp {
            let reference = ThirdPartyBundle.prometheusOperator.reference
            return isMissing(reference) ? .absent(Self.missingText(reference)) : .implemented
        }
        return hasMonitoringAPI
            ? .implemented : .absent("the cluster has no Prometheus operator, and installPromOp is False")
    }

    private static func missingText(_ reference: BundleReference) -> String {
        "the control plane has no bundle of \(reference)"
    }

    /// The components that are enabled and can be installed here.
    package var components: [Component] {
        ComponentCatalogue.enabled(settings, facts).filter {
            if case .absent = availability($0) { false } else { true }
        }
    }

    /// What to say of bundles that are wanted and missing; none of it stops the installation.
    package var bundleRemarks: [SettingProblem] {
        neededBundles.filter(isMissing).map { reference in
            let name = reference.component
            let usesStandIns = name == ThirdPartyBundle.volcano.reference.component
            return SettingProblem(
                .bundleMissing,
                name,
                "\(Self.missingText(reference)); "
                    + (usesStandIns ? "the built-in programs that do \(name)'s work are used" : "it is left out"),
                remedy: "Run `outrigger bundle pull \(name)`, then update the extension"
            )
        }
    }
}
