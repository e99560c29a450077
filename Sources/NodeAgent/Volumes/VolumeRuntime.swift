internal import Glibc
internal import KubeCore

/// Sets up a pod's volumes and finds the host path of each.
struct VolumeRuntime: Sendable {
    let paths: NodePaths
    let api: any ResourceAPI

    /// Makes all volumes of the pod ready, or brings those that follow API objects up to date; safe to repeat.
    ///
    /// - Returns: host path by volume name.
    /// - Throws: `.volume` with upstream's wording of what is missing.
    func prepare(_ pod: PodModel, content: VolumeContent) async throws -> [String: String] {
        var result: [String: String] = [:]
        for volume in pod.volumes {
            let name = volume["name"]?.stringValue ?? ""
            do {
                result[name] = try await prepare(volume, name: name, pod: pod, content: content)
            } catch let error as NodeAgentError {
                throw NodeAgentError(
                    .volume,
                    "MountVolume.SetUp failed for volume \"\(name)\" : \(error.message)",
                    remedy: error.remedy
                )
            } catch let error as APIError {
                throw NodeAgentError(.volume, "MountVolume.SetUp failed for volume \"\(name)\" : \(error.message)")
            }
        }
        return result
    }

    private func prepare(_ volume: JSON, name: String, pod: PodModel, content: VolumeContent) async throws -> String {
        let path = paths.pod(pod.uid).volume(name)
        let fsGroup = pod.securityContext["fsGroup"]?.intValue
        if let source = volume["emptyDir"] {
            try emptyDirectory(source, path: path, fsGroup: fsGroup)
            return path
        }
        if let source = volume["hostPath"] { return try hostPath(source) }
        if let claim = volume[path: "persistentVolumeClaim", "claimName"]?.stringValue {
            return try await claimed(claim, pod: pod, fsGroup: fsGroup)
        }
        if volume["ephemeral"] != nil { return try await claimed(pod.name + "-" + name, pod: pod, fsGroup: fsGroup) }
        guard let files = try await content.files(volume) else {
            let kind = volume.objectValue?.keys.sorted().first { $0 != "name" } ?? "of no kind"
            throw NodeAgentError(
                .volume,
                "volumes of kind \(kind) are not supported by this node",
                remedy: "use emptyDir, hostPath, configMap, secret, projected, downwardAPI or a persistentVolumeClaim"
            )
        }
        try Files.makeDirectory(path)
        // Secrets never reach the disk.
        let isSecret = volume["secret"] != nil || volume["projected"] != nil
        if isSecret, !isMountPoint(path) { try Mounts.memory(on: path, sizeBytes: nil, mode: "0755") }
        try AtomicFolder(path: path, gid: fsGroup).write(files)
        return path
    }

    private func isMountPoint(_ path: String) -> Bool {
        guard let own = Files.status(path), let parent = Files.status(path + "/..") else { return false }
        return own.st_dev != parent.st_dev
    }

    private func emptyDirectory(_ source: JSON, path: String, fsGroup: Int?) throws {
        let isNew = !Files.exists(path)
        try Files.makeDirectory(path)
        if source["medium"]?.stringValue == "Memory", !isMountPoint(path) {
            let limit = source["sizeLimit"].flatMap { try? Quantity($0) }?.value
            try Mounts.memory(on: path, sizeBytes: limit, mode: "0777")
            try applyGroup(path, fsGroup)
        } else if isNew {
            try Files.setMode(path, 0o777)
            try applyGroup(path, fsGroup)
        }
    }

    private func applyGroup(_ path: String, _ fsGroup: Int?) throws {
        guard let fsGroup, let status = Files.status(path) else { return }
        try Files.own(path, gid: fsGroup)
        try Files.setMode(path, status.st_mode & 0o7777 | 0o2070)
    }

    private func hostPath(_ source: JSON) throws -> String {
        let path = source["path"]?.stringValue ?? ""
        guard path.hasPrefix("/"), !path.split(separator: "/").contains("..") else {
            throw NodeAgentError(.volume, "hostPath \"\(path)\" must be an absolute path without \"..\"")
        }
        let type = source["type"]?.stringValue ?? ""
        let kind = Files.status(path, followLinks: true).map { $0.st_mode & S_IFMT }
        func require(_ wanted: mode_t, _ title: String) throws {
            guard kind == wanted else {
                throw NodeAgentError(.volume, "hostPath type check failed: \(path) is not a \(title)")
            }
        }
        switch type {
        case "":
            guard kind != nil else {
                // As container runtimes do for a missing source.
                try Files.makeDirectory(path)
                return path
            }
        case "DirectoryOrCreate":
            if kind == nil { try Files.makeDirectory(path) } else { try require(S_IFDIR, "directory") }
        case "Directory": try require(S_IFDIR, "directory")
        case "FileOrCreate":
            if kind == nil { try Files.write(path, "", mode: 0o644) } else { try require(S_IFREG, "file") }
        case "File": try require(S_IFREG, "file")
        case "Socket": try require(S_IFSOCK, "socket file")
        case "CharDevice": try require(S_IFCHR, "character device")
        case "BlockDevice": try require(S_IFBLK, "block device")
        default: throw NodeAgentError(.volume, "hostPath type \"\(type)\" is unknown")
        }
        return path
    }

    private func claimed(_ claimName: String, pod: PodModel, fsGroup: Int?) async throws -> String {
        guard let claim = try await api.find(.persistentVolumeClaims, namespace: pod.namespace, name: claimName) else {
            throw NodeAgentError(.volume, "persistentvolumeclaim \"\(claimName)\" not found")
        }
        let volumeName = claim["spec", "volumeName"]?.stringValue ?? ""
        guard claim["status", "phase"]?.stringValue == "Bound", !volumeName.isEmpty else {
            throw NodeAgentError(
                .volume,
                "persistentvolumeclaim \"\(claimName)\" is not bound",
                remedy: "create a PersistentVolume of kind hostPath for it"
            )
        }
        guard let volume = try await api.find(.persistentVolumes, name: volumeName) else {
            throw NodeAgentError(.volume, "persistentvolume \"\(volumeName)\" of claim \"\(claimName)\" not found")
        }
        guard let path = volume["spec", "hostPath", "path"]?.stringValue ?? volume["spec", "local", "path"]?.stringValue
        else {
            throw NodeAgentError(
                .volume,
                "persistentvolume \"\(volumeName)\" is neither hostPath nor local, the kinds this node can mount"
            )
        }
        if !Files.exists(path) {
            try Files.makeDirectory(path)
            try Files.setMode(path, 0o777)
            try applyGroup(path, fsGroup)
        }
        return path
    }
}

extension ResourceType {
    static let persistentVolumes = ResourceType(
        group: "",
        version: "v1",
        plural: "persistentvolumes",
        kind: "PersistentVolume",
        isNamespaced: false
    )
}
