/// What of this machine's root a `host` image shows.
enum HostImage {
    /// Folders that start empty in every container and may be written to (mode in octal).
    static let freshFolders: [(path: String, mode: String)] = [
        ("/root", "700"), ("/tmp", "1777"), ("/var/tmp", "1777"),
    ]

    /// Folders that hold people's files, keys or other programs' state: shown empty.
    static let hiddenFolders = [
        "/home", "/media", "/mnt", "/lost+found", "/etc/ssh", "/etc/ssl/private", "/etc/sudoers.d", "/etc/kubernetes",
        "/etc/wireguard",
        "/etc/NetworkManager/system-connections", "/etc/letsencrypt", "/etc/cron.d", "/etc/docker", "/etc/rancher",
        "/var/backups", "/var/mail", "/var/spool", "/var/log", "/var/lib/docker", "/var/lib/containerd",
        "/var/lib/containers",
        "/var/lib/kubelet", "/var/lib/etcd", "/var/lib/rancher", "/var/lib/cloud", "/var/lib/private", "/var/lib/sudo",
        "/var/lib/systemd",
    ]

    /// Files that hold secrets: shown empty.
    static let hiddenFiles = [
        "/etc/shadow", "/etc/shadow-", "/etc/gshadow", "/etc/gshadow-", "/etc/sudoers", "/etc/security/opasswd",
        "/etc/krb5.keytab",
        "/etc/crypttab", "/etc/environment.d", "/.dockerenv",
    ]

    private static let diskTypes: Set<String> = [
        "ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "overlay", "bcachefs",
    ]

    /// File systems mounted below the root that hold a part of the system (`/usr`, `/opt`, …): an overlay of `/`
    /// leaves them out, so each gets an overlay of its own.
    static func systemMounts(_ table: [Mounts.Entry], excluding hidden: [String]) -> [String] {
        var found: [String] = []
        for entry in table where diskTypes.contains(entry.type) && entry.target != "/" {
            let isHidden = hidden.contains { entry.target == $0 || entry.target.hasPrefix($0 + "/") }
            let isSystem = ["/usr", "/opt", "/var", "/etc", "/bin", "/sbin", "/lib", "/lib64", "/srv", "/nix"].contains
            {
                entry.target == $0 || entry.target.hasPrefix($0 + "/")
            }
            if isSystem, !isHidden, Files.isDirectory(entry.target), !found.contains(entry.target) {
                found.append(entry.target)
            }
        }
        return found
    }

    /// Everything that is hidden: `hiddenFolders` that exist, and the instance's own data.
    static func hidden(dataDirectory: String) -> [String] {
        var folders = hiddenFolders.filter { path in
            // A link such as /var/mail -> spool/mail is hidden where it points to.
            Files.isRealDirectory(path)
        }
        // Below a folder that starts empty there is nothing to hide, and no place to mount on.
        let isGone = (hiddenFolders + freshFolders.map(\.path)).contains { dataDirectory.hasPrefix($0 + "/") }
        if !isGone { folders.append(dataDirectory) }
        return folders
    }
}
