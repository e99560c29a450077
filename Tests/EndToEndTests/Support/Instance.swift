internal import Foundation
internal import KubeCore
internal import Synchronization
internal import Testing

/// An instance of the product for tests: its own folder and ports, driven through the real program.
final class Instance: Sendable {
    /// Folder of everything: `data`, and the files that tests write.
    let folder: String
    let port: Int

    private static let count = Mutex(0)
    /// Start of the folders' names, followed by the pid of the test run and a number.
    private static let prefix = "/tmp/outrigger-e2e-"

    init() throws {
        let number = Self.count.withLock { count in
            count += 1
            return count
        }
        folder = "\(Self.prefix)\(getpid())-\(number)"
        port = try Ports.freePair()
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }

    var data: String { folder + "/data" }
    var kubeconfig: String { data + "/kubeconfig" }

    private var environment: [String: String] {
        ["OUTRIGGER_DATA_DIR": data, "KUBECONFIG": kubeconfig, "HOME": folder]
    }

    // MARK: Programs

    /// Runs the product.
    @discardableResult
    func outrigger(
        _ arguments: String...,
        expecting status: Int? = 0,
        limit: Duration = .seconds(60),
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> Outcome {
        try await outrigger(arguments, expecting: status, limit: limit, sourceLocation: sourceLocation)
    }

    @discardableResult
    func outrigger(
        _ arguments: [String],
        expecting status: Int? = 0,
        limit: Duration = .seconds(60),
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> Outcome {
        let outcome = try await Program.run(
            Requirements.binaries + "/outrigger",
            arguments,
            environment: environment,
            folder: folder,
            limit: limit
        )
        if let status {
            try #require(
                outcome.status == status,
                Comment(rawValue: outcome.description),
                sourceLocation: sourceLocation
            )
        }
        return outcome
    }

    /// Runs the product and reads its output.
    func json(
        _ arguments: String...,
        limit: Duration = .seconds(60),
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> JSON {
        let outcome = try await outrigger(arguments, limit: limit, sourceLocation: sourceLocation)
        return try JSON(parsing: outcome.output)
    }

    @discardableResult
    func kubectl(
        _ arguments: String...,
        expecting status: Int? = 0,
        limit: Duration = .seconds(60),
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> Outcome {
        let outcome = try await Program.run(
            Requirements.package + "/scripts/kubectl",
            arguments,
            environment: environment,
            folder: folder,
            limit: limit
        )
        if let status {
            try #require(
                outcome.status == status,
                Comment(rawValue: outcome.description),
                sourceLocation: sourceLocation
            )
        }
        return outcome
    }

    // MARK: Files

    /// Writes a file below the instance's folder; its path.
    @discardableResult
    func write(_ name: String, _ text: String) throws -> String {
        let path = folder + "/" + name
        try FileManager.default.createDirectory(
            atPath: (path as NSString).deletingLastPathComponent,
            withIntermediateDirectories: true
        )
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        return path
    }

    func read(_ path: String) throws -> JSON { try JSON(parsing: try String(contentsOfFile: path, encoding: .utf8)) }

    /// Id in the names of bridge, tables and control groups.
    var networkID: String {
        get throws { try #require(try read(data + "/instance.json")["network"]?["id"]?.stringValue) }
    }

    // MARK: Life

    func up() async throws { try await outrigger("up", "--detach", "--port", "\(port)", limit: .seconds(90)) }

    /// Stops the instance, removes its folder and reports everything of it that is still on the machine.
    func remove() async throws {
        if FileManager.default.fileExists(atPath: data + "/instance.json") {
            let id = try networkID
            let interfaces = Leftovers.interfaces(networkID: id)
            // Some disks take their time to give back the room of many small files.
            let outcome = try await outrigger("down", expecting: nil, limit: .seconds(180))
            #expect(outcome.status == 0, Comment(rawValue: outcome.description))
            var left = try await Leftovers.find(data: data, networkID: id, port: port)
            left += interfaces.filter { FileManager.default.fileExists(atPath: "/sys/class/net/" + $0) }
            #expect(left.isEmpty, Comment(rawValue: left.joined(separator: "\n")))
        }
        try FileManager.default.removeItem(atPath: folder)
    }

    /// Runs `body` with a new instance that is removed afterwards whatever happens.
    static func with(_ body: (Instance) async throws -> Void) async throws {
        try await removeAbandoned()
        let instance = try Instance()
        do {
            try await body(instance)
        } catch {
            await instance.removeAfterFailure()
            throw error
        }
        // A test that ran out of time is cancelled, and what it started has to go all the same.
        try await Task { try await instance.remove() }.value
    }

    private func removeAfterFailure() async {
        do {
            try await Task { try await self.remove() }.value
        } catch {
            Issue.record(error, "while removing the instance in \(folder)")
        }
    }

    /// Removes instances of test runs that were killed.
    private static func removeAbandoned() async throws {
        let parent = (prefix as NSString).deletingLastPathComponent
        let start = (prefix as NSString).lastPathComponent
        for name in try FileManager.default.contentsOfDirectory(atPath: parent) where name.hasPrefix(start) {
            let pid = name.dropFirst(start.count).prefix { $0 != "-" }
            guard let pid = pid_t(String(pid)), kill(pid, 0) != 0 else { continue }
            let folder = parent + "/" + name
            _ = try await Program.run(
                Requirements.binaries + "/outrigger",
                ["down", "--data-dir", folder + "/data"],
                limit: .seconds(60)
            )
            try FileManager.default.removeItem(atPath: folder)
        }
    }
}
