internal import ArgumentParser
internal import KubeCore

extension K8sExtension {
    struct Check: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "check",
            abstract: "Checks a cluster's health for the extension, before or after it is installed.",
            discussion: """
                Each check says what was looked at, what was found and how to mend it. With settings they are checked as if they \
                were installed. The exit status is 1 when a check failed.

                EXAMPLES
                  outrigger k8s-extension check --name amlext --cluster-type connectedClusters --cluster-name local \\
                    --resource-group local --config enableTraining=True      # before create
                  outrigger k8s-extension check --name amlext --cluster-type connectedClusters --cluster-name local \\
                    --resource-group local --operation delete -o json
                """
        )
        @OptionGroup var target: ExtensionOptions
        @OptionGroup var settings: SettingsOptions
        @OptionGroup var view: ViewOptions
        @Option(
            help: "install, upgrade, rollback, delete or test (default: the one that fits).",
            completion: .list(CheckedOperation.allCases.map(\.rawValue))
        )
        var operation: CheckedOperation?

        func run() async throws {
            _ = try target.cluster.kind()
            let given = try settings.read()
            let report = try await target.withSession { session, id in
                let isInstalled = try await session.find(id) != nil
                let operation = operation ?? CheckedOperation.usual(isInstalled: isInstalled, changes: !given.isEmpty)
                var query = ExtensionQuery.change(given, isAtomic: false)
                query["operation"] = operation.rawValue
                let request = ExtensionRequest(versioning: .init(), settings: given)
                return try await session.operate(
                    id + "/check",
                    ExtensionProbe.body(request, isInstalled: isInstalled),
                    query: query,
                    what: "the health check of \(target.name)"
                )
            }
            switch view.output {
            case .json, .yaml: try view.output?.write(report, columns: [])
            case .none?: break
            case .table, nil: print(HealthReport.text(report), terminator: "")
            }
            try HealthReport.refuseFailures(report, name: target.name)
        }
    }

    enum CheckedOperation: String, ExpressibleByArgument, CaseIterable, Sendable {
        case install
        case upgrade
        case rollback
        case delete
        case test

        /// What is asked when nobody says.
        static func usual(isInstalled: Bool, changes: Bool) -> CheckedOperation {
            isInstalled ? (changes ? .upgrade : .test) : .install
        }
    }
}

/// The body with which a question about an extension is asked.
///
/// Pure.
enum ExtensionProbe {
    /// Of an extension that is there, only what was given changes; of another one the whole is given.
    static func body(_ request: ExtensionRequest, isInstalled: Bool) -> JSON {
        isInstalled ? request.updateBody : request.createBody
    }
}

extension HealthReport {
    /// A heading and the table of checks.
    static func text(_ report: JSON) -> String {
        var head: [String] = []
        if let operation = report["operation"]?.stringValue { head.append("for \(operation)") }
        if let version = report["kubernetesVersion"]?.stringValue { head.append("Kubernetes \(version)") }
        if let distribution = report["distribution"]?.stringValue { head.append(distribution) }
        if let date = report["date"]?.stringValue { head.append(date) }
        if let duration = report["durationMs"]?.intValue { head.append("\(duration) ms") }
        let title = head.isEmpty ? "" : head.joined(separator: ", ") + "\n\n"
        return title + table(report["checks"]?.arrayValue ?? [])
    }
}
