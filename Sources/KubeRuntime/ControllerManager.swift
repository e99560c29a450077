package import ServiceLifecycle

/// Runs informers and controllers together: informers first, controllers once all informers know the present state.
package final class ControllerManager: Service {
    private let informers: [Informer]
    private let controllers: [Controller]
    private let extras: [any Service]

    /// `extras`: services that also need synced informers, such as a scheduler loop.
    package init(informers: [Informer], controllers: [Controller], extras: [any Service] = []) {
        self.informers = informers
        self.controllers = controllers
        self.extras = extras
    }

    package func run() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for informer in informers { group.addTask { try await informer.run() } }
            group.addTask { [informers, controllers, extras] in
                do {
                    try await cancelWhenGracefulShutdown {
                        for informer in informers { try await informer.waitForSync() }
                    }
                } catch is CancellationError {
                    return
                }
                try await withThrowingTaskGroup(of: Void.self) { inner in
                    for controller in controllers { inner.addTask { try await controller.run() } }
                    for service in extras { inner.addTask { try await service.run() } }
                    try await inner.waitForAll()
                }
            }
            try await group.waitForAll()
        }
    }
}
