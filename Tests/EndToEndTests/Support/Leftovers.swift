internal import Foundation

/// What of a stopped instance is still on this machine.
enum Leftovers {
    static func find(data: String, networkID id: String, port: Int) async throws -> [String] {
        var left = processes(data: data, group: "/outrigger/" + id)
        left += lines(of: "/proc/self/mountinfo", containing: data + "/").map { "mount: " + $0 }
        let links = try await Program.run("ip", ["-o", "link"]).output
        left += links.split(separator: "\n").filter { $0.contains("or" + id) }.map { "interface: " + $0 }
        let routes = try await Program.run("ip", ["route", "show", "table", "all"]).output
        left += routes.split(separator: "\n").filter { $0.contains("or" + id) }.map { "route: " + $0 }
        let rules = try await Program.run("nft", ["list", "ruleset"]).output
        left += rules.split(separator: "\n").filter { $0.contains(id) }.map { "packet filter: " + $0 }
        left += controlGroups(id).map { "control group: " + $0 }
        if FileManager.default.fileExists(atPath: data) { left.append("folder: " + data) }
        left += [port, port + 1].filter { !Ports.isFree($0) }.map { "port \($0) is in use" }
        return left
    }

    /// The instance's groups in the one hierarchy of version 2, or in each hierarchy of version 1.
    private static func controlGroups(_ id: String) -> [String] {
        let root = "/sys/fs/cgroup"
        let hierarchies = ((try? FileManager.default.contentsOfDirectory(atPath: root)) ?? []).map { root + "/" + $0 }
        return ([root] + hierarchies).map { $0 + "/outrigger/" + id }.filter {
            FileManager.default.fileExists(atPath: $0)
        }
    }

    /// Interfaces on an instance's bridge, one per pod, which must go with it.
    static func interfaces(networkID id: String) -> [String] {
        (try? FileManager.default.contentsOfDirectory(atPath: "/sys/class/net/or\(id)/brif")) ?? []
    }

    /// Processes that name the folder in their command line, or are in the instance's control group.
    static func processes(data: String, group: String) -> [String] {
        let pids = ((try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []).filter { Int($0) != nil }
        return pids.compactMap { pid in
            guard Int(pid) != Int(getpid()) else { return nil }
            let command = text("/proc/\(pid)/cmdline").replacing("\0", with: " ")
            guard command.contains(data) || text("/proc/\(pid)/cgroup").contains(group) else { return nil }
            return "process \(pid): " + command
        }
    }

    private static func text(_ path: String) -> String {
        guard let data = FileManager.default.contents(atPath: path) else { return "" }
        return String(decoding: data, as: UTF8.self)
    }

    private static func lines(of path: String, containing part: String) -> [String] {
        text(path).split(separator: "\n").filter { $0.contains(part) }.map(String.init)
    }
}
