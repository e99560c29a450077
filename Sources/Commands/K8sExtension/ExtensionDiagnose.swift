internal import ArgumentParser
internal import Foundation
internal import KubeCore

extension K8sExtension {
    struct Diagnose: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Collects objects, events and log lines of the extension in one archive, without secrets.",
            discussion: """
                EXAMPLES
                  outrigger k8s-extension diagnose --name amlext --cluster-type connectedClusters --cluster-name local \\
                    --resource-group local -o amlext.tar.gz
                """
        )
        @OptionGroup var target: ExtensionOptions
        @Option(
            name: [.customShort("o"), .customLong("output-file")],
            help: "Archive to write, .tar.gz (default: NAME-diagnose.tar.gz).",
            completion: .file(extensions: ["gz"])
        )
        var outputFile: String?

        func run() async throws {
            _ = try target.cluster.kind()
            let path = ((outputFile ?? target.name + "-diagnose.tar.gz") as NSString).expandingTildeInPath
            let files = try await target.withSession { session, id in
                let result = try await session.operate(id + "/diagnose", what: "the diagnosis of \(target.name)")
                var files = result["files"]?.stringMap ?? [:]
                // What the control plane knows belongs to it too.
                if let resource = try await session.find(id) {
                    files["control-plane/extension.json"] = ExtensionView.view(resource).prettyText + "\n"
                }
                return files
            }
            let safe = DiagnosisArchive.safe(files)
            try await DiagnosisArchive.write(safe, root: target.name + "-diagnose/", to: path)
            print("\(safe.count) files in \(path)")
        }
    }
}
