internal import Dispatch
internal import Foundation
internal import Synchronization

/// Waits for a set of processes, reaps strays, passes SIGTERM on, and ends the rest when one fails.
final class ProcessSupervisor: Sendable {
    private let children: [ChildProcess]
    private let logs: [LogTee]
    /// Set once the processes were told to stop.
    private let isStopping = Mutex(false)

    init(children: [ChildProcess], logs: [LogTee]) {
        self.children = children
        self.logs = logs
    }

    /// Exit codes in the order of the children, after all output has been read.
    func waitForAll() async -> [Int] {
        let source = DispatchSource.makeSignalSource(signal: SIGTERM, queue: .global())
        source.setEventHandler { self.stop() }
        source.resume()
        let exits = await withCheckedContinuation { (continuation: CheckedContinuation<[Int], Never>) in
            // waitpid and read block, so they get threads of their own.
            let readers = DispatchGroup()
            for (child, log) in zip(children, logs) {
                let thread = Thread {
                    log.drain(child.output)
                    readers.leave()
                }
                readers.enter()
                thread.start()
            }
            Thread {
                let exits = self.reap()
                // A daemon that the command left may hold the pipe open for ever: the group is ended first.
                for child in self.children { kill(-child.pid, SIGKILL) }
                _ = readers.wait(timeout: .now() + 5)
                continuation.resume(returning: exits)
            }.start()
        }
        source.cancel()
        return exits
    }

    private func reap() -> [Int] {
        var exits: [pid_t: Int] = [:]
        while exits.count < children.count {
            var status: Int32 = 0
            let pid = waitpid(-1, &status, 0)
            if pid < 0 {
                if errno == EINTR { continue }
                break
            }
            guard children.contains(where: { $0.pid == pid }) else { continue }
            exits[pid] = ChildProcess.exitCode(status)
            if exits[pid] != 0, exits.count < children.count { stop() }
        }
        return children.map { exits[$0.pid] ?? 255 }
    }

    /// SIGTERM to every process group, SIGKILL ten seconds later.
    private func stop() {
        let isFirst = isStopping.withLock { stopping in
            defer { stopping = true }
            return !stopping
        }
        guard isFirst else { return }
        for child in children { kill(-child.pid, SIGTERM) }
        DispatchQueue.global().asyncAfter(deadline: .now() + 10) {
            for child in self.children { kill(-child.pid, SIGKILL) }
        }
    }
}
