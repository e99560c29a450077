internal import ControlPlaneAPI
internal import KubeCore
internal import Logging

/// The control plane's end of the way to one cluster's agent.
struct StoredExtensionLink: ExtensionLink, CustomStringConvertible, CustomDebugStringConvertible {
    let core: Core
    let clusterType: String
    let resourceGroup: String
    let clusterName: String

    var description: String { "StoredExtensionLink(\(clusterType)/\(clusterName))" }
    var debugDescription: String { description }

    func desired() async -> AsyncStream<[DesiredExtension]> {
        let (stream, continuation) = AsyncStream.makeStream(
            of: [DesiredExtension].self,
            bufferingPolicy: .bufferingNewest(1)
        )
        // Ends with the stream: its consumer going away cancels it.
        let task = Task {
            var last: [DesiredExtension]?
            for await _ in core.store.changes.signals([DocumentKind.extension.rawValue]) {
                do {
                    let wanted = try await wanted()
                    if wanted != last { continuation.yield(wanted) }
                    last = wanted
                } catch is CancellationError {
                    break
                } catch {
                    core.logger.error("reading extensions failed", metadata: ["error": "\(error)"])
                }
            }
            continuation.finish()
        }
        continuation.onTermination = { _ in task.cancel() }
        return stream
    }

    private func wanted() async throws -> [DesiredExtension] {
        let link = self
        return try await core.store.read { t in
            try t.listAll(.extension).map(ExtensionService.desired).filter { wanted in
                wanted.clusterType.lowercased() == link.clusterType.lowercased()
                    && wanted.resourceGroup.lowercased() == link.resourceGroup.lowercased()
                    && wanted.clusterName.lowercased() == link.clusterName.lowercased()
            }
        }
    }

    func report(_ report: ExtensionReport) async throws {
        let cluster = core.connection.clusterID(
            clusterType: report.clusterType,
            resourceGroup: report.resourceGroup,
            clusterName: report.clusterName
        )
        let id = ExtensionService.id(cluster: cluster, name: report.name)
        try await core.store.write { t in
            guard var document = try t.find(id),
                document.hidden["generation"]?.intValue == report.generation
            else { return }
            let operation = document.hidden["operation"]?.stringValue ?? ""
            if report.isGone, document.hidden["isDeleting"]?.boolValue == true {
                try t.remove(id)
                try Operations.finish(t, id: operation, error: nil)
                return
            }
            let before = document.body
            let isDeleting = document.hidden["isDeleting"]?.boolValue == true
            // What is being deleted stays "Deleting" until it is gone or deleting it has failed.
            if !isDeleting || report.provisioningState == "Failed" {
                document[property: "provisioningState"] = .string(report.provisioningState)
            }
            document[property: "statuses"] = try JSON(encoding: report.statuses)
            document[property: "errorInfo"] = report.errorInfo?.json
            if let version = report.currentVersion { document[property: "currentVersion"] = .string(version) }
            if document.body != before { try t.put(&document) }
            switch report.provisioningState {
            case "Succeeded" where !isDeleting: try Operations.finish(t, id: operation, error: nil)
            case "Failed", "Canceled":
                let error =
                    report.errorInfo
                    ?? ErrorDetail(code: "ExtensionOperationFailed", message: "The extension operation failed.")
                try Operations.finish(t, id: operation, error: error)
            default: break
            }
        }
    }
}
