internal import ControlPlaneAPI
internal import Foundation
internal import Synchronization

/// The control plane did not take a report; not the cluster's fault.
struct ReportError: Error, CustomStringConvertible {
    var underlying: any Error
    var description: String { "the control plane did not take a report: \(underlying)" }
}

/// Sends reports to the control plane, each only once: a report that says what the last one said is dropped.
final class ExtensionReporter: Sendable {
    private let link: any ExtensionLink
    private let last = Mutex<[String: ExtensionReport]>([:])

    init(link: any ExtensionLink) { self.link = link }

    /// - Throws: `ReportError`, or `CancellationError`.
    func send(
        _ desired: DesiredExtension,
        state: String,
        statuses: [ExtensionStatusEntry],
        error: ErrorDetail? = nil,
        version: String? = nil,
        isGone: Bool = false
    ) async throws {
        var report = ExtensionReport(
            clusterType: desired.clusterType,
            resourceGroup: desired.resourceGroup,
            clusterName: desired.clusterName,
            name: desired.name,
            generation: desired.generation,
            provisioningState: state,
            statuses: statuses,
            errorInfo: error,
            currentVersion: version,
            isGone: isGone
        )
        let previous = last.withLock { $0[desired.id] }
        // An entry keeps the time at which it was first said.
        report.statuses = statuses.map { entry in
            let same = previous?.statuses.first {
                $0.code == entry.code && $0.displayStatus == entry.displayStatus && $0.level == entry.level
                    && $0.message == entry.message
            }
            return same ?? entry
        }
        guard report != previous else { return }
        do {
            try await link.report(report)
        } catch let error as CancellationError {
            throw error
        } catch {
            throw ReportError(underlying: error)
        }
        last.withLock { $0[desired.id] = isGone ? nil : report }
    }

    /// The next report is sent whatever it says.
    func forget(_ id: String) { last.withLock { $0[id] = nil } }

    static func entry(_ code: String, _ display: String, _ level: Level, _ message: String) -> ExtensionStatusEntry {
        ExtensionStatusEntry(
            code: code,
            displayStatus: display,
            level: level.rawValue,
            message: message,
            time: Date.now.formatted(.iso8601)
        )
    }

    static func entries(_ problems: [SettingProblem], _ level: Level) -> [ExtensionStatusEntry] {
        problems.map { problem in
            entry(problem.code.rawValue, problem.setting, level, "\(problem.message). \(problem.remedy).")
        }
    }

    static func entries(_ checks: [HealthCheck]) -> [ExtensionStatusEntry] {
        checks.filter { $0.status != .passed }.map { check in
            entry(check.code, check.name, check.status == .failed ? .error : .warning, check.sentence)
        }
    }

    enum Level: String {
        case error = "Error"
        case warning = "Warning"
        case information = "Information"
    }
}

extension DesiredExtension {
    /// One extension of a cluster; the same cluster may be known under two types.
    var id: String { clusterType + "/" + name }
}
