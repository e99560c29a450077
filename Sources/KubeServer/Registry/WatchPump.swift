internal import Dispatch
package import KubeCore
internal import KubeStore

/// One event of a watch, with its object as bytes or parsed.
package struct WatchItem: Sendable {
    package enum Kind: String, Sendable {
        case added = "ADDED"
        case modified = "MODIFIED"
        case deleted = "DELETED"
        case bookmark = "BOOKMARK"
    }

    package let kind: Kind
    private let body: Body

    private enum Body: Sendable {
        case stored(StoredObject, Conversion)
        case made(KubeObject)
    }

    init(_ kind: Kind, _ object: StoredObject, _ conversion: Conversion) {
        self.kind = kind
        body = .stored(object, conversion)
    }

    init(bookmark: KubeObject) {
        kind = .bookmark
        body = .made(bookmark)
    }

    package var object: KubeObject {
        switch body {
        case .stored(let stored, let conversion): conversion.present(stored)
        case .made(let object): object
        }
    }

    package var bytes: [UInt8] {
        switch body {
        case .stored(let stored, let conversion): conversion.bytes(stored)
        case .made(let object): object.json.bytes
        }
    }

    package var event: WatchEvent {
        switch kind {
        case .added: .added(object)
        case .modified: .modified(object)
        case .deleted: .deleted(object)
        case .bookmark: .bookmark(object)
        }
    }

    /// Appends the event as one line of the watch protocol.
    package func appendLine(to buffer: inout [UInt8]) {
        buffer += Array(#"{"type":"\#(kind.rawValue)","object":"#.utf8)
        buffer += bytes
        buffer += [UInt8(ascii: "}"), UInt8(ascii: "\n")]
    }
}

/// Produces the events of one watch as they are asked for. One caller at a time.
///
/// Reads the shared history at the caller's pace: a caller that falls behind it gets 410 and has to list again.
package actor WatchPump {
    private let resource: Resource
    private let selection: Selection
    private let cursor: WatchCursor
    private let allowsBookmarks: Bool
    private let end: UInt64?
    private var ready: [WatchItem] = []
    private var readyIndex = 0
    private var nextBookmark: UInt64
    private var hasSentLastBookmark = false
    private var isFinished = false
    private static let bookmarkInterval: UInt64 = 60_000_000_000

    init(
        resource: Resource,
        selection: Selection,
        initial: [StoredObject]?,
        isWatchList: Bool,
        revision: Int64,
        cursor: WatchCursor,
        options: WatchOptions
    ) {
        self.resource = resource
        self.selection = selection
        self.cursor = cursor
        allowsBookmarks = options.allowBookmarks
        let now = DispatchTime.now().uptimeNanoseconds
        end = options.timeoutSeconds.flatMap { $0 > 0 ? now + UInt64($0) * 1_000_000_000 : nil }
        nextBookmark = now + WatchPump.bookmarkInterval
        ready = (initial ?? []).map { WatchItem(.added, $0, resource.conversion) }
        if isWatchList, options.allowBookmarks {
            ready.append(WatchPump.bookmark(resource.type, revision, endsInitialEvents: true))
        }
    }

    /// The next event.
    ///
    /// Nil at the end. Throws 410 when the caller was too slow or asked for a version that is gone.
    package func next() async throws -> WatchItem? {
        while readyIndex >= ready.count {
            guard try await fill() else { return nil }
        }
        defer { readyIndex += 1 }
        return ready[readyIndex]
    }

    /// All events that are there, at least one; nil at the end.
    package func nextBatch() async throws -> [WatchItem]? {
        while readyIndex >= ready.count {
            guard try await fill() else { return nil }
        }
        defer { readyIndex = ready.count }
        return readyIndex == 0 ? ready : Array(ready[readyIndex...])
    }

    private func fill() async throws -> Bool {
        if isFinished { return false }
        ready = []
        readyIndex = 0
        let batch: WatchCursor.Batch
        do throws(StoreError) {
            batch = try await cursor.next(deadline: deadline)
        } catch {
            isFinished = true
            guard case .expired(let oldest) = error else { throw Registry.apiError(error, resource, "") }
            throw APIError.expired("too old resource version: \(cursor.revision) (\(oldest))")
        }
        switch batch {
        case .closed:
            isFinished = true
            return false
        case .changes(let changes, _):
            for change in changes {
                if let item = item(change) { ready.append(item) }
            }
            return true
        case .idle(let revision): return idle(revision)
        }
    }

    private func idle(_ revision: Int64) -> Bool {
        let now = DispatchTime.now().uptimeNanoseconds
        if let end, now >= end {
            isFinished = true
            return false
        }
        guard allowsBookmarks, let due = bookmarkTime, now >= due else { return true }
        ready.append(WatchPump.bookmark(resource.type, revision, endsInitialEvents: false))
        if now >= nextBookmark { nextBookmark = now + WatchPump.bookmarkInterval }
        if let last = lastBookmark, now >= last { hasSentLastBookmark = true }
        return true
    }

    /// The bookmark two seconds before the end lets the client go on from there.
    private var lastBookmark: UInt64? {
        guard let end, !hasSentLastBookmark else { return nil }
        return end - min(end, 2_000_000_000)
    }

    private var bookmarkTime: UInt64? {
        guard allowsBookmarks else { return nil }
        return min(nextBookmark, lastBookmark ?? .max)
    }

    private var deadline: UInt64? {
        let times = [bookmarkTime, end].compactMap { $0 }
        return times.min()
    }

    private func item(_ change: StoreChange) -> WatchItem? {
        if selection.isEverything {
            let kind: WatchItem.Kind =
                switch change.kind {
                case .added: .added
                case .modified: .modified
                case .deleted: .deleted
                }
            return WatchItem(kind, change.object, resource.conversion)
        }
        let isIn = change.kind != .deleted && selection.matches(change.object)
        let wasIn = change.previous.map { selection.matches($0) } ?? false
        switch (wasIn, isIn) {
        case (true, true): return WatchItem(.modified, change.object, resource.conversion)
        case (false, true): return WatchItem(.added, change.object, resource.conversion)
        case (true, false):
            if change.kind == .deleted { return WatchItem(.deleted, change.object, resource.conversion) }
            // The object left the selection: its last selected state, at the version of the change.
            guard let previous = change.previous else { return nil }
            return WatchItem(.deleted, previous.stamped(change.revision), resource.conversion)
        case (false, false): return nil
        }
    }

    private static func bookmark(_ type: ResourceType, _ revision: Int64, endsInitialEvents: Bool) -> WatchItem {
        var metadata: [String: JSON] = ["resourceVersion": .string(String(revision))]
        if endsInitialEvents { metadata["annotations"] = ["k8s.io/initial-events-end": "true"] }
        let json: JSON = [
            "apiVersion": .string(type.apiVersion), "kind": .string(type.kind), "metadata": .object(metadata),
        ]
        return WatchItem(bookmark: KubeObject(json))
    }
}
