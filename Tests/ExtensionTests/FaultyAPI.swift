import KubeCore
import Synchronization
import TestSupport

/// A cluster's API in which calls can be made to fail, before or after they are carried out.
final class FaultyAPI: ForwardingAPI {
    typealias Hook = @Sendable (APICall) throws -> Void

    let base: any ResourceAPI
    private let hooks = Mutex<(before: Hook?, after: Hook?)>((nil, nil))

    init(_ base: any ResourceAPI, before: Hook? = nil, after: Hook? = nil) {
        self.base = base
        hooks.withLock { $0 = (before, after) }
    }

    func set(before: Hook?) { hooks.withLock { $0.before = before } }

    func forward<T>(_ call: APICall, _ body: () async throws -> T) async throws -> T {
        let hooks = hooks.withLock { $0 }
        if !call.isDryRun { try hooks.before?(call) }
        let result = try await body()
        if !call.isDryRun { try hooks.after?(call) }
        return result
    }
}
