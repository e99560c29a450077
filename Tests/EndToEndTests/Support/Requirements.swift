internal import Foundation
internal import Testing

/// What this machine must offer for tests that run real pods.
enum Requirements {
    /// Folder of the package.
    static let package: String = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().path(percentEncoded: false)
        .trimmingSuffix("/")

    /// Folder of the test bundle, where the product's executables are built, too.
    static let binaries: String =
        (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
        .map { ($0 as NSString).deletingLastPathComponent } ?? "."

    static let missing: [String] = {
        var missing: [String] = []
        if getuid() != 0 { missing.append("root") }
        for program in ["runc", "nft", "ip", "curl", "python3"] where find(program) == nil { missing.append(program) }
        for name in ["outrigger", "outrigger-monitor"] where access(binaries + "/" + name, X_OK) != 0 {
            missing.append("\(binaries)/\(name) (swift build)")
        }
        let fileSystems = (try? String(contentsOfFile: "/proc/filesystems", encoding: .utf8)) ?? ""
        if !fileSystems.contains("overlay") { missing.append("overlayfs") }
        return missing
    }()

    static var reason: Comment {
        Comment(rawValue: "this machine cannot run pods: missing \(missing.joined(separator: ", "))")
    }

    private static func find(_ program: String) -> String? {
        let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map(String.init)
        return (folders + ["/usr/sbin", "/usr/bin", "/sbin", "/bin"]).map { $0 + "/" + program }
            .first { access($0, X_OK) == 0 }
    }
}

extension String {
    func trimmingSuffix(_ suffix: String) -> String { hasSuffix(suffix) ? String(dropLast(suffix.count)) : self }

    var trimmed: String { trimmingCharacters(in: .whitespacesAndNewlines) }
}
