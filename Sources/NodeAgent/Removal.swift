internal import Glibc
package import Logging

extension NodeAgent {
    /// Ends everything that node agents of this instance have left on this machine: containers, mounts, namespaces,
    /// control groups, sockets, logs.
    ///
    /// Works from disk alone; no agent of the instance may run. Volumes of claims stay.
    ///
    /// - Throws: `NodeAgentError` that names what could not be removed, after trying everything.
    package static func removeEverything(
        dataDirectory given: String,
        instanceName: String,
        runcPath: String = "/usr/sbin/runc",
        logger: Logger
    ) async throws {
        let dataDirectory = Files.canonical(given)
        var problems: [String] = []
        func attempt(_ body: () throws -> Void) {
            do { try body() } catch { problems.append("\(error)") }
        }
        let group = "/outrigger/" + instanceName
        // Monitors write their containers' exit status and leave once the containers are dead.
        for _ in 0..<200 {
            if Cgroups.kill(group) { break }
            await pause()
        }
        let nodes = Files.list(dataDirectory + "/nodes")
        for node in nodes {
            let paths = NodePaths(dataDirectory: dataDirectory, nodeName: node)
            await waitForMonitors(paths)
            for id in Files.list(paths.runcRoot) {
                do {
                    _ = try await Command.run(runcPath, ["--root", paths.runcRoot, "delete", "--force", id])
                } catch {
                    problems.append("\(error)")
                }
            }
            attempt { try Mounts.unmountAll(below: paths.node) }
            attempt { try Files.remove(paths.node) }
            attempt { try Files.remove(paths.runcRoot) }
            attempt { try Files.remove(paths.socket) }
            attempt { try Files.remove(paths.podLogs) }
        }
        let namespaces = dataDirectory + "/run/netns"
        for name in Files.list(namespaces) {
            attempt { try Mounts.unmount(namespaces + "/" + name) }
            attempt { try Files.remove(namespaces + "/" + name) }
        }
        attempt { try Files.remove(namespaces) }
        attempt { try Mounts.unmountAll(below: dataDirectory) }
        var isGone = false
        for _ in 0..<100 where !isGone {
            isGone = Cgroups.remove(group)
            if !isGone {
                _ = Cgroups.kill(group)
                await pause()
            }
        }
        if !isGone { problems.append("control group \(group) is still in use") }
        _ = Cgroups.folders("/outrigger").map { rmdir($0) }
        guard problems.isEmpty else {
            for problem in problems { logger.error("not removed", metadata: ["problem": "\(problem)"]) }
            throw NodeAgentError(
                .system,
                "not everything was removed: " + problems.joined(separator: "; "),
                remedy: "run `outrigger down` again"
            )
        }
    }

    private static func waitForMonitors(_ paths: NodePaths) async {
        var containers: [ContainerPaths] = []
        for uid in Files.list(paths.pods) {
            let pod = paths.pod(uid)
            for name in Files.list(pod.containers) {
                for attempt in Files.list(pod.containers + "/" + name).compactMap({ Int($0) }) {
                    containers.append(pod.container(name, attempt: attempt))
                }
            }
        }
        for _ in 0..<200 {
            containers.removeAll { !$0.isMonitorAlive }
            if containers.isEmpty { return }
            await pause()
        }
    }

    private static func pause() async {
        do { try await Task.sleep(for: .milliseconds(20)) } catch { return }
    }
}
