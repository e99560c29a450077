internal import Foundation
package import MLTypes

/// What the inputs and outputs of a job stand for inside its pods.
package struct JobBindings: Sendable, Hashable {
    /// Text that replaces `${{inputs.NAME}}`.
    package private(set) var inputs: [String: String] = [:]
    /// Text that replaces `${{outputs.NAME}}`.
    package private(set) var outputs: [String: String] = [:]
    package private(set) var downloads: [DeliveryManifest.Item] = []
    package private(set) var uploads: [JobManifest.Output] = []

    package init(_ spec: AmlJobSpec) {
        if let code = spec.codeURI { downloads.append(DeliveryManifest.Item(uri: code, path: RuntimePaths.code)) }
        for (name, input) in (spec.inputs ?? [:]).sorted(by: { $0.key < $1.key }) { bind(name, input) }
        for (name, output) in (spec.outputs ?? [:]).sorted(by: { $0.key < $1.key }) { bind(name, output) }
    }

    private mutating func bind(_ name: String, _ input: AmlJobSpec.Input) {
        guard let uri = input.uri, input.type != "literal" else {
            inputs[name] = input.value ?? ""
            return
        }
        if input.mode == "direct" {
            inputs[name] = uri
            return
        }
        let isFolder = uri.hasSuffix("/")
        let folder = RuntimePaths.inputs + "/" + name
        let path = isFolder ? folder : folder + "/" + Self.fileName(uri)
        downloads.append(DeliveryManifest.Item(uri: uri, path: path))
        inputs[name] = path
    }

    private mutating func bind(_ name: String, _ output: AmlJobSpec.Output) {
        if output.mode == "direct" {
            outputs[name] = output.uri
            return
        }
        let path = RuntimePaths.outputs + "/" + name
        outputs[name] = path
        uploads.append(JobManifest.Output(name: name, path: path, uri: output.uri))
    }

    private static func fileName(_ uri: String) -> String {
        let path = uri.prefix { $0 != "?" && $0 != "#" }
        let last = path.split(separator: "/").last.map(String.init) ?? ""
        let name = last.removingPercentEncoding ?? last
        // Undone, the encoding may hide a way out of the input's folder.
        return name.isEmpty || name == "." || name == ".." || name.contains("/") ? "data" : name
    }
}
