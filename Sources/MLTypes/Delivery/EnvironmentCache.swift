internal import KubeCore

/// Where built Python environments are kept, so that the next pod with the same environment starts at once.
///
/// Written `emptyDir`, `hostPath:/folder` or `pvc:NAME`.
package enum EnvironmentCache: Sendable, Hashable, CustomStringConvertible {
    /// Nowhere: every pod builds its own; allowed on every cluster.
    case emptyDir
    /// A folder of the node; Baseline Pod Security forbids it.
    case hostPath(String)
    /// A PersistentVolumeClaim in the namespace of the job or deployment, writable by many.
    case persistentVolumeClaim(String)

    /// nil for text of no known form, a folder that is not absolute, or an empty name.
    package init?(_ text: String) {
        if text == "emptyDir" {
            self = .emptyDir
        } else if text.hasPrefix("hostPath:/"), !text.contains("..") {
            self = .hostPath(String(text.dropFirst("hostPath:".count)))
        } else if text.hasPrefix("pvc:"), text.count > "pvc:".count {
            self = .persistentVolumeClaim(String(text.dropFirst("pvc:".count)))
        } else {
            return nil
        }
    }

    package var description: String {
        switch self {
        case .emptyDir: "emptyDir"
        case .hostPath(let path): "hostPath:" + path
        case .persistentVolumeClaim(let name): "pvc:" + name
        }
    }

    /// The volume's source, as members of a pod's `volumes` entry.
    var volumeSource: [String: JSON] {
        switch self {
        case .emptyDir: ["emptyDir": [:]]
        case .hostPath(let path): ["hostPath": ["path": .string(path), "type": "DirectoryOrCreate"]]
        case .persistentVolumeClaim(let name): ["persistentVolumeClaim": ["claimName": .string(name)]]
        }
    }
}
