internal import ArgumentParser
internal import Extension
internal import KubeClient
internal import KubeCore
internal import Logging

/// Which cluster, by kubeconfig.
struct KubeConfigOptions: ParsableArguments {
    @Option(
        help: "File with the cluster's address and credentials (default: $KUBECONFIG, then ~/.kube/config).",
        completion: .file()
    )
    var kubeConfig: String?

    @Option(help: "Context in that file (default: its current one).") var kubeContext: String?

    func load() throws -> KubeConfig {
        do {
            return try KubeConfig.current(path: kubeConfig, context: kubeContext)
        } catch {
            throw CommandError(
                error.message,
                remedy: error.remedy?.replacing("--kubeconfig", with: "--kube-config")
                    .replacing("--context", with: "--kube-context"),
                exitStatus: 2
            )
        }
    }
}

/// A cluster that a command works in directly.
struct ClusterAccess: Sendable {
    let api: HTTPResourceAPI
    let configuration: KubeConfig
    let version: ServerVersion

    /// Connects, runs `body`, and closes the connections whatever happens.
    ///
    /// - Throws: `CommandError` that names the server when it does not answer or does not know the user.
    static func with<T>(_ configuration: KubeConfig, _ body: (ClusterAccess) async throws -> T) async throws -> T {
        let api: HTTPResourceAPI
        do {
            api = try HTTPResourceAPI(
                configuration: configuration,
                requestTimeout: .seconds(30),
                userAgent: "outrigger/" + Product.version,
                logger: Logger(label: "kube-client") { _ in SwiftLogNoOpLogHandler() }
            )
        } catch let error as KubeConfigError {
            throw CommandError(error.message, remedy: error.remedy, exitStatus: 2)
        }
        do {
            let access = ClusterAccess(
                api: api,
                configuration: configuration,
                version: try await version(api, configuration)
            )
            let result = try await explaining(configuration) { try await body(access) }
            try? await api.shutdown()
            return result
        } catch {
            try? await api.shutdown()
            throw error
        }
    }

    private static func version(_ api: HTTPResourceAPI, _ configuration: KubeConfig) async throws -> ServerVersion {
        do {
            return try await api.serverVersion()
        } catch let error as APIError where error.code == 401 {
            throw CommandError(
                "the cluster at \(configuration.server) does not accept the kubeconfig's credentials",
                cause: error.description,
                remedy: "sign in to the cluster again, or name another context with --kube-context"
            )
        } catch is CancellationError {
            throw CancellationError()
        } catch {
            throw CommandError(
                "the cluster at \(configuration.server) does not answer",
                cause: "\(error)",
                remedy: "check the address in the kubeconfig, and that this machine reaches it"
            )
        }
    }

    private static func explaining<T>(_ configuration: KubeConfig, _ body: () async throws -> T) async throws -> T {
        do {
            return try await body()
        } catch let error as APIError {
            throw CommandError(
                "the cluster at \(configuration.server) refuses: \(error)",
                remedy: error.code == 403 ? "use a kubeconfig whose user may do this" : nil
            )
        }
    }

    /// Questions that are under way at once.
    private static let width = 16

    /// Those of `rights` that the user has not, in their order.
    func missing(_ rights: [AccessRight]) async throws -> [AccessRight] {
        var pending = AccessRight.distinct(rights)[...]
        var missing: [AccessRight] = []
        while !pending.isEmpty {
            let some = Array(pending.prefix(Self.width))
            pending = pending.dropFirst(Self.width)
            let refused = try await withThrowingTaskGroup(of: AccessRight?.self) { group in
                for right in some { group.addTask { try await isAllowed(right) ? nil : right } }
                var refused: Set<AccessRight> = []
                for try await right in group { if let right { refused.insert(right) } }
                return refused
            }
            missing += some.filter(refused.contains)
        }
        return missing
    }

    func isAllowed(_ right: AccessRight) async throws -> Bool {
        let type = ResourceType(
            group: "authorization.k8s.io",
            version: "v1",
            plural: "selfsubjectaccessreviews",
            kind: "SelfSubjectAccessReview",
            isNamespaced: false
        )
        let answer = try await api.create(type, right.review)
        return answer["status", "allowed"]?.boolValue == true
    }

    /// Server-side apply of each, in order.
    func apply(_ objects: [RenderedObject], _ each: (RenderedObject) -> Void) async throws {
        for object in objects {
            try await api.apply(object.type, object.object, fieldManager: AgentManifests.fieldManager)
            each(object)
        }
    }
}
