internal import ArgumentParser
internal import ControlPlaneClient
internal import KubeCore

extension K8sExtension {
    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Installs the extension.",
            discussion: """
                Progress is shown per component while waiting. An existing extension of this name gets the given settings \
                instead of its own; protected settings that are not repeated are kept.

                EXAMPLES
                  outrigger k8s-extension create --name amlext --extension-type Microsoft.AzureML.Kubernetes \\
                    --config enableTraining=True enableInference=True inferenceRouterServiceType=LoadBalancer \\
                    allowInsecureConnections=True --cluster-type connectedClusters --cluster-name local \\
                    --resource-group local --scope cluster
                  outrigger k8s-extension create --name amlext --extension-type Microsoft.AzureML.Kubernetes \\
                    --config enableInference=True inferenceRouterServiceType=nodePort sslCname=score.example.com \\
                    --config-protected sslCertPemFile=cert.pem sslKeyPemFile=key.pem --cluster-type managedClusters \\
                    --cluster-name prod --resource-group ml --scope cluster --dry-run
                """
        )
        @OptionGroup var target: ExtensionOptions
        @OptionGroup var settings: SettingsOptions
        @OptionGroup var versioning: CreateVersionOptions
        @OptionGroup var plan: PlanOptions
        @OptionGroup var waiting: WaitOptions
        @OptionGroup var view: ViewOptions
        @Option(help: "Type; Microsoft.AzureML.Kubernetes.") var extensionType: String
        @Option(help: "cluster; the extension cannot be limited to a namespace.") var scope: String?
        @Option(help: "Always azureml.") var releaseNamespace: String?
        @Option(help: "For --scope namespace, which this extension has not.") var targetNamespace: String?
        @Flag(help: "Take everything back when it does not become ready.") var atomic = false
        @Flag(help: "Show what would change and the health checks; change nothing.") var dryRun = false

        func run() async throws {
            _ = try target.cluster.kind()
            let remark = try ScopeRules.check(
                scope: scope,
                releaseNamespace: releaseNamespace,
                targetNamespace: targetNamespace
            )
            if let remark { Message.warning(remark) }
            let request = ExtensionRequest(
                extensionType: extensionType,
                versioning: try versioning.read(),
                settings: try settings.read(extensionType: extensionType),
                plan: try plan.read()
            )
            try await target.withSession { session, id in
                if dryRun {
                    let result = try await session.operate(
                        id + "/preview",
                        request.createBody,
                        query: ExtensionQuery.preview("create", request.settings, isAtomic: atomic),
                        what: "the preview of \(target.name)"
                    )
                    return try Preview.write(result, name: target.name, as: view.output)
                }
                let answer = try await session.client.put(
                    id,
                    request.createBody,
                    query: ExtensionQuery.change(request.settings, isAtomic: atomic)
                )
                let result =
                    waiting.noWait
                    ? answer.body
                    : try await ExtensionWait(session, id: id, seconds: waiting.timeout).end(of: answer) ?? answer.body
                try (view.output ?? .json).write(ExtensionView.view(result), columns: ExtensionView.columns)
            }
        }
    }
}

/// Version options of `create`, which have defaults.
struct CreateVersionOptions: ParsableArguments {
    @Option(help: "Train that versions come from (default: Stable).") var releaseTrain: String?
    @Option(help: "Version to stay at; switches automatic upgrades off.") var version: String?
    @Option(
        name: [.customLong("auto-upgrade-minor-version"), .customLong("auto-upgrade")],
        help: "true or false: upgrade to new minor versions (default: true, with --version false)."
    )
    var autoUpgradeMinorVersion: TrueOrFalse?

    func read() throws -> ExtensionRequest.Versioning {
        try ExtensionRequest.Versioning(
            version: version,
            releaseTrain: releaseTrain,
            autoUpgrade: autoUpgradeMinorVersion?.isTrue
        ).checked()
    }
}

/// The plan of a type from a marketplace.
struct PlanOptions: ParsableArguments {
    @Option(help: "Name of the plan, for types from a marketplace.") var planName: String?
    @Option(help: "Product of the plan.") var planProduct: String?
    @Option(help: "Publisher of the plan.") var planPublisher: String?

    func read() throws -> ExtensionRequest.Plan? {
        try ExtensionRequest.Plan.read(name: planName, product: planProduct, publisher: planPublisher)
    }
}

/// Queries of the extension's routes.
///
/// Pure.
enum ExtensionQuery {
    static func change(_ settings: GivenSettings, isAtomic: Bool) -> [String: String] {
        var query: [String: String] = [:]
        if settings.allowsUnknown { query["allowUnknown"] = "true" }
        if isAtomic { query["atomic"] = "true" }
        return query
    }

    static func preview(_ operation: String, _ settings: GivenSettings, isAtomic: Bool = false) -> [String: String] {
        change(settings, isAtomic: isAtomic).merging(["operation": operation]) { $1 }
    }
}
