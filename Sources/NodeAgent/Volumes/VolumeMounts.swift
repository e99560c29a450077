internal import Glibc
internal import KubeCore

/// Turns a container's `volumeMounts` into mounts.
enum VolumeMounts {
    /// `hostPaths` has the host path of each volume by name; `expand` replaces `$(NAME)` in `subPathExpr`.
    ///
    /// - Throws: `.configuration` for a subPath that is invalid or leaves its volume.
    static func make(
        _ container: ContainerModel,
        pod: PodModel,
        hostPaths: [String: String],
        expand: (String) -> String
    ) throws -> [ContainerMount] {
        var mounts: [ContainerMount] = []
        for mount in container.volumeMounts {
            let name = mount["name"]?.stringValue ?? ""
            guard var source = hostPaths[name], let destination = mount["mountPath"]?.stringValue else {
                throw NodeAgentError(
                    .configuration,
                    "volume \"\(name)\" of container \"\(container.name)\" is not set up"
                )
            }
            let subPath = mount["subPathExpr"]?.stringValue.map(expand) ?? mount["subPath"]?.stringValue ?? ""
            if !subPath.isEmpty { source = try resolve(subPath, in: source) }
            let volume = pod.volumes.first { $0["name"]?.stringValue == name }
            let isReadOnlyKind = ["configMap", "secret", "projected", "downwardAPI"].contains { volume?[$0] != nil }
            let claimReadOnly = volume?[path: "persistentVolumeClaim", "readOnly"]?.boolValue ?? false
            let isReadOnly = isReadOnlyKind || claimReadOnly || mount["readOnly"]?.boolValue ?? false
            let propagation =
                switch mount["mountPropagation"]?.stringValue {
                case "HostToContainer": "rslave"
                case "Bidirectional": "rshared"
                default: "rprivate"
                }
            let absolute = destination.hasPrefix("/") ? destination : "/" + destination
            mounts.append(.bind(source, at: clean(absolute), readOnly: isReadOnly, propagation: propagation))
        }
        return mounts
    }

    /// Outer folders first, otherwise in the given order.
    static func sorted(_ mounts: [ContainerMount]) -> [ContainerMount] {
        mounts.enumerated().sorted { left, right in
            let leftDepth = left.element.destination.split(separator: "/").count
            let rightDepth = right.element.destination.split(separator: "/").count
            return leftDepth == rightDepth ? left.offset < right.offset : leftDepth < rightDepth
        }.map(\.element)
    }

    private static func clean(_ path: String) -> String {
        "/" + path.split(separator: "/").filter { $0 != "." }.joined(separator: "/")
    }

    /// The path of `subPath` below `volume`, made as a folder when it is not there; links may not lead out of the
    /// volume.
    static func resolve(_ subPath: String, in volume: String) throws -> String {
        let parts = subPath.split(separator: "/").map(String.init)
        guard !subPath.hasPrefix("/"), !parts.contains("..") else {
            throw NodeAgentError(.configuration, "subPath \"\(subPath)\" must be a relative path without \"..\"")
        }
        guard let root = real(volume) else { throw NodeAgentError(.configuration, "volume folder \(volume) is gone") }
        // New folders are as open as the volume itself, whatever the process's umask.
        let mode = Files.status(root).map { $0.st_mode & 0o7777 } ?? 0o755
        var present = root
        for part in parts {
            let next = present + "/" + part
            if Files.status(next) == nil {
                try Files.makeDirectory(next)
                try Files.setMode(next, mode)
            }
            guard let resolved = real(next), resolved == root || resolved.hasPrefix(root + "/") else {
                throw NodeAgentError(.configuration, "subPath \"\(subPath)\" leads out of its volume")
            }
            present = resolved
        }
        return present
    }

    private static func real(_ path: String) -> String? {
        guard let found = realpath(path, nil) else { return nil }
        defer { free(found) }
        return String(cString: found)
    }
}
