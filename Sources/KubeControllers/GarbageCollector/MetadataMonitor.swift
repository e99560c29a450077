internal import KubeCore
internal import KubeRuntime

/// Lists and watches one kind and hands on each object; unlike an informer it keeps nothing.
struct MetadataMonitor: Sendable {
    enum Change: Sendable {
        case present(KubeObject)
        case gone(uid: String)
        /// The complete set of uids after a list; what is not in it is gone.
        case listed(Set<String>)
    }

    let api: any ResourceAPI
    let type: ResourceType
    /// False once the kind is no longer served: the monitor then ends.
    let isServed: @Sendable () -> Bool
    let onChange: @Sendable (Change) -> Void

    /// Returns when cancelled or when the kind is gone.
    func run() async {
        var backoff = Backoff(initial: .milliseconds(100), maximum: .seconds(10))
        while !Task.isCancelled, isServed() {
            do {
                var version = try await list()
                backoff.reset()
                while !Task.isCancelled, isServed() { version = try await watch(from: version, &backoff) }
            } catch is CancellationError {
                return
            } catch let error as APIError where error.isExpired {
                continue
            } catch {
                guard await sleepUnlessCancelled(backoff.next()) else { return }
            }
        }
    }

    private func list() async throws -> String {
        var uids: Set<String> = []
        var token: String?
        var version = "0"
        repeat {
            let page = try await api.list(
                type,
                namespace: nil,
                options: ListOptions(limit: 500, continueToken: token)
            )
            for object in page.items {
                uids.insert(object.uid)
                onChange(.present(object))
            }
            token = page.continueToken
            version = page.resourceVersion
        } while token != nil
        onChange(.listed(uids))
        return version
    }

    private func watch(from start: String, _ backoff: inout Backoff) async throws -> String {
        var version = start
        var sawEvent = false
        let options = WatchOptions(resourceVersion: version, timeoutSeconds: Int.random(in: 300...600))
        for try await event in try await api.watch(type, namespace: nil, options: options) {
            sawEvent = true
            backoff.reset()
            switch event {
            case .added(let object), .modified(let object):
                version = object.resourceVersion ?? version
                onChange(.present(object))
            case .deleted(let object):
                version = object.resourceVersion ?? version
                onChange(.gone(uid: object.uid))
            case .bookmark(let object): version = object.resourceVersion ?? version
            }
        }
        if !sawEvent { _ = await sleepUnlessCancelled(backoff.next()) }
        return version
    }
}
