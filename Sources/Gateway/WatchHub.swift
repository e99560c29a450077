internal import KubeCore
internal import KubeRuntime
internal import Synchronization

/// Hands the changes of the three kinds to any number of streams.
///
/// Each stream first gets what is there, then every change in order.
final class WatchHub: Sendable {
    struct Change: Sendable, Equatable {
        var type: String
        var resource: String
        var object: KubeObject?

        /// A blank line, so that both sides notice a dead connection.
        static let heartbeat = Change(type: "", resource: "", object: nil)

        var line: [UInt8] {
            guard !type.isEmpty else { return [0x0a] }
            var members: [String: JSON] = ["type": .string(type)]
            if !resource.isEmpty { members["resource"] = .string(resource) }
            members["object"] = object?.json
            return JSON.object(members).bytes + [0x0a]
        }
    }

    private struct State {
        var objects: [String: [ObjectKey: KubeObject]] = [:]
        var streams: [Int: AsyncStream<Change>.Continuation] = [:]
        var nextStream = 0
        var isClosed = false
    }

    /// A stream that is this many changes behind is closed; its reader comes back and starts from the whole picture.
    private static let buffer = 4096
    static let maximumStreams = 16

    private let state = Mutex(State())

    /// Takes one change from an informer.
    func take(_ resource: String, _ event: InformerEvent) {
        state.withLock { state in
            let change: Change
            switch event {
            case .added(let object):
                state.objects[resource, default: [:]][object.key] = object
                change = Change(type: "ADDED", resource: resource, object: object)
            case .updated(_, let object):
                state.objects[resource, default: [:]][object.key] = object
                change = Change(type: "MODIFIED", resource: resource, object: object)
            case .deleted(let object):
                state.objects[resource]?[object.key] = nil
                change = Change(type: "DELETED", resource: resource, object: object)
            }
            for (id, stream) in state.streams {
                if case .enqueued = stream.yield(change) { continue }
                stream.finish()
                state.streams[id] = nil
            }
        }
    }

    /// Sends a heartbeat to every stream that has room for it, and frees the places of those whose readers are gone.
    func beat() {
        state.withLock { state in
            for (id, stream) in state.streams {
                if case .terminated = stream.yield(.heartbeat) { state.streams[id] = nil }
            }
        }
    }

    /// Ends all streams, and refuses new ones.
    func close() {
        let streams = state.withLock { state in
            state.isClosed = true
            defer { state.streams = [:] }
            return Array(state.streams.values)
        }
        for stream in streams { stream.finish() }
    }

    /// Changes from now on, after the present objects; nil when there are too many streams.
    func open() -> (present: [Change], changes: AsyncStream<Change>)? {
        state.withLock { state in
            guard !state.isClosed, state.streams.count < Self.maximumStreams else { return nil }
            let id = state.nextStream
            state.nextStream += 1
            let (stream, continuation) = AsyncStream.makeStream(
                of: Change.self,
                bufferingPolicy: .bufferingOldest(Self.buffer)
            )
            continuation.onTermination = { [weak self] _ in
                // From inside `take` this would lock again; there the stream is removed already.
                guard let self, case .some = self.state.withLockIfAvailable({ $0.streams.removeValue(forKey: id) })
                else { return }
            }
            state.streams[id] = continuation
            var present: [Change] = []
            for (resource, objects) in state.objects.sorted(by: { $0.key < $1.key }) {
                for object in objects.values.sorted(by: { $0.key.description < $1.key.description }) {
                    present.append(Change(type: "ADDED", resource: resource, object: object))
                }
            }
            return (present, stream)
        }
    }
}
