internal import Foundation
internal import Synchronization
internal import Testing

/// Drops, for a few seconds every few seconds, all packets from a cluster's pods to a port of this machine.
///
/// Neither side is told: to both it looks like a cable that was pulled.
final class PacketCutter: Sendable {
    private let table: String
    private let rule: [String]
    private let count = Mutex(0)

    /// `bridge`: where the pods' packets come in.
    init(table: String, bridge: String, port: Int) throws {
        self.table = table
        rule = ["iifname", "\"\(bridge)\"", "tcp", "dport", "\(port)", "drop"]
    }

    var cuts: Int { count.withLock { $0 } }

    /// Cuts while `body` runs; the rule is gone afterwards, whatever happens.
    func cutting<T: Sendable>(_ body: () async throws -> T) async throws -> T {
        let result: Result<T, any Error>
        do {
            result = .success(
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask { try await self.loop() }
                    let value = try await body()
                    group.cancelAll()
                    return value
                }
            )
        } catch {
            result = .failure(error)
        }
        // Not part of the cancelled test, and it has to go all the same.
        await Task { await self.restore() }.value
        return try result.get()
    }

    private func loop() async throws {
        while !Task.isCancelled {
            do {
                try await nft("add", "table", "inet", table)
                try await nft(
                    "add",
                    "chain",
                    "inet",
                    table,
                    "input",
                    "{ type filter hook input priority -200; policy accept; }"
                )
                try await nft(["add", "rule", "inet", table, "input"] + rule)
                count.withLock { $0 += 1 }
                try await Task.sleep(for: .seconds(3))
                await restore()
                try await Task.sleep(for: .seconds(4))
            } catch is CancellationError {
                return
            }
        }
    }

    private func restore() async {
        do { _ = try await Program.run("nft", ["delete", "table", "inet", table]) } catch {}
    }

    private func nft(_ arguments: String...) async throws { try await nft(arguments) }

    private func nft(_ arguments: [String]) async throws {
        let outcome = try await Program.run("nft", arguments)
        guard outcome.status == 0 else { throw ProgramFailure(description: outcome.description) }
    }
}
