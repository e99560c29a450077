internal import ControlPlaneAPI
internal import KubeCore
internal import KubeRuntime
internal import Logging
internal import Synchronization

/// Answers the control plane's questions, each once.
final class RequestAnswerer: Sendable {
    private let link: any ExtensionLink
    private let answers: AgentAnswers
    private let logger: Logger
    /// Questions that were taken and are still being asked.
    private let taken = Mutex<Set<String>>([])

    private static let attempts = 5
    private static let limit = Duration.seconds(110)

    init(link: any ExtensionLink, answers: AgentAnswers, logger: Logger) {
        self.link = link
        self.answers = answers
        self.logger = logger
    }

    /// Those among all open questions that were not taken before.
    func take(_ open: [AgentRequest]) -> [AgentRequest] {
        taken.withLock { taken in
            // What is no longer asked need not be remembered.
            taken.formIntersection(open.map(\.id))
            return open.filter { taken.insert($0.id).inserted }
        }
    }

    func answer(_ request: AgentRequest) async {
        let answer: AgentAnswer
        do {
            answer = AgentAnswer(id: request.id, result: try await withinLimit(request))
        } catch is CancellationError {
            return
        } catch {
            answer = AgentAnswer(id: request.id, error: await Self.detail(error, answers.api))
        }
        var backoff = Backoff(initial: .milliseconds(500), maximum: .seconds(10))
        for _ in 0..<Self.attempts {
            do {
                return try await link.answer(answer)
            } catch is CancellationError {
                return
            } catch {
                logger.warning("an answer was not taken", metadata: ["id": "\(request.id)", "error": "\(error)"])
            }
            guard await sleepUnlessCancelled(backoff.next()) else { return }
        }
    }

    /// The one who asks has given up by then.
    private func withinLimit(_ request: AgentRequest) async throws -> JSON {
        try await withThrowingTaskGroup(of: JSON?.self) { group in
            group.addTask { try await self.answers.answer(request) }
            group.addTask {
                try await Task.sleep(for: Self.limit)
                return nil
            }
            defer { group.cancelAll() }
            guard let first = try await group.next(), let result = first else {
                throw ExtensionError("the cluster took longer than \(Int(Self.limit.seconds)) s to answer")
            }
            return result
        }
    }

    private static func detail(_ error: any Error, _ api: any ResourceAPI) async -> ErrorDetail {
        if let error = error as? SettingsError { return error.detail }
        let fault = await ClusterFault.make(error, review: AccessReview(api: api))
        return ErrorDetail(code: fault.code, message: fault.message)
    }
}
