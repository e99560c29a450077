internal import Dispatch
internal import Glibc
internal import Synchronization

/// Tells when files appear in folders of containers: the monitor's `started` and `exit.json`.
///
/// One inotify descriptor for all.
///
/// Only a hint that makes things fast: whoever waits also looks again after a while.
final class ExitWatcher: Sendable {
    private struct State {
        var handlers: [Int32: @Sendable () -> Void] = [:]
        var descriptors: [String: Int32] = [:]
        var isClosed = false
    }

    private let descriptor: Int32
    private let state = Mutex(State())
    // Dispatch sources may be used from any thread; only their protocol does not say so.
    private nonisolated(unsafe) let source: any DispatchSourceRead

    /// - Throws: `.system` when this machine's inotify instances are used up.
    init() throws {
        let descriptor = inotify_init1(Int32(IN_CLOEXEC) | Int32(IN_NONBLOCK))
        guard descriptor >= 0 else {
            throw NodeAgentError(
                .system,
                "inotify_init1: \(String(cString: strerror(errno)))",
                remedy: "raise fs.inotify.max_user_instances"
            )
        }
        self.descriptor = descriptor
        source = DispatchSource.makeReadSource(fileDescriptor: descriptor, queue: .global())
        source.setEventHandler { [weak self] in self?.drain() }
        source.setCancelHandler { close(descriptor) }
        source.activate()
    }

    deinit { source.cancel() }

    /// Calls `handler` (quickly, on any thread) after each rename into `folder`.
    func watch(_ folder: String, _ handler: @escaping @Sendable () -> Void) {
        let watch = inotify_add_watch(descriptor, folder, UInt32(IN_MOVED_TO))
        guard watch >= 0 else { return }
        state.withLock { state in
            state.handlers[watch] = handler
            state.descriptors[folder] = watch
        }
    }

    func forget(_ folder: String) {
        let watch = state.withLock { state -> Int32? in
            guard let watch = state.descriptors.removeValue(forKey: folder) else { return nil }
            state.handlers[watch] = nil
            return watch
        }
        if let watch { inotify_rm_watch(descriptor, watch) }
    }

    private func drain() {
        var buffer = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = read(descriptor, &buffer, buffer.count)
            guard count > 0 else { return }
            var touched: Set<Int32> = []
            buffer.withUnsafeBytes { bytes in
                var offset = 0
                while offset + MemoryLayout<inotify_event>.size <= count {
                    let event = bytes.loadUnaligned(fromByteOffset: offset, as: inotify_event.self)
                    touched.insert(event.wd)
                    offset += MemoryLayout<inotify_event>.size + Int(event.len)
                }
            }
            let handlers = state.withLock { state in touched.compactMap { state.handlers[$0] } }
            for handler in handlers { handler() }
        }
    }
}

/// A bell that one task waits for; rings while nobody waits are kept as one.
final class Bell: Sendable {
    private struct State {
        var isRung = false
        var waiter: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())

    func ring() {
        let waiter = state.withLock { state -> CheckedContinuation<Void, Never>? in
            guard let waiter = state.waiter else {
                state.isRung = true
                return nil
            }
            state.waiter = nil
            return waiter
        }
        waiter?.resume()
    }

    /// Returns when rung, after `limit`, or when cancelled.
    func wait(atMost limit: Duration) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.wait() }
            group.addTask {
                do { try await Task.sleep(for: limit) } catch { return }
            }
            await group.next()
            group.cancelAll()
        }
    }

    private func wait() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
                let isDone = state.withLock { state in
                    if state.isRung || Task.isCancelled {
                        state.isRung = false
                        return true
                    }
                    state.waiter = continuation
                    return false
                }
                if isDone { continuation.resume() }
            }
        } onCancel: {
            let waiter = state.withLock { state -> CheckedContinuation<Void, Never>? in
                defer { state.waiter = nil }
                return state.waiter
            }
            waiter?.resume()
        }
    }
}
