internal import Foundation
internal import KubeCore
internal import Synchronization

/// The answer of an exec plugin.
struct ExecCredential: Sendable {
    var answer: CredentialSource.Answer
    /// How long it is good for; nil = for the life of this process.
    var remaining: Duration?

    private static let timeLimit: Duration = .seconds(60)

    /// Parses the `ExecCredential` object that a plugin printed.
    init(parsing output: [UInt8], plugin: KubeConfig.ExecPlugin, now: Date = Date()) throws(KubeConfigError) {
        let json: JSON
        do {
            json = try JSON(parsing: output)
        } catch {
            throw KubeConfigError("exec plugin \(plugin.command) printed no JSON: \(error.message)")
        }
        guard json["kind"]?.stringValue == "ExecCredential", json["apiVersion"]?.stringValue == plugin.apiVersion else {
            throw KubeConfigError("exec plugin \(plugin.command) printed no ExecCredential of \(plugin.apiVersion)")
        }
        let status = json["status"]
        let token = status?["token"]?.stringValue.flatMap { $0.isEmpty ? nil : $0 }
        let certificate = status?["clientCertificateData"]?.stringValue
        let key = status?["clientKeyData"]?.stringValue
        guard token != nil || (certificate != nil && key != nil) else {
            throw KubeConfigError("exec plugin \(plugin.command) printed neither a token nor a client certificate")
        }
        answer = CredentialSource.Answer(authorization: token.map { "Bearer " + $0 })
        if let certificate, let key {
            answer.clientCertificate = .init(certificatePEM: certificate, keyPEM: key)
        }
        if let text = status?["expirationTimestamp"]?.stringValue {
            let whole = try? Date(text, strategy: .iso8601)
            let fraction = try? Date(text, strategy: Date.ISO8601FormatStyle(includingFractionalSeconds: true))
            guard let expiry = whole ?? fraction else {
                throw KubeConfigError("exec plugin \(plugin.command): bad expirationTimestamp \"\(text)\"")
            }
            // Renewed a little early, so that a request in flight does not outlive it.
            remaining = .seconds(max(0, expiry.timeIntervalSince(now) - 10))
        }
    }

    static func run(_ plugin: KubeConfig.ExecPlugin, cluster: JSON?) async throws -> ExecCredential {
        var spec: [String: JSON] = ["interactive": false]
        if let cluster { spec["cluster"] = cluster }
        let info: [String: JSON] = [
            "apiVersion": .string(plugin.apiVersion), "kind": "ExecCredential", "spec": .object(spec),
        ]
        var environment = ProcessInfo.processInfo.environment
        environment.merge(plugin.environment) { _, own in own }
        environment["KUBERNETES_EXEC_INFO"] = JSON.object(info).text
        let output = try await capture(plugin, environment: environment)
        return try ExecCredential(parsing: output, plugin: plugin)
    }

    /// Runs the program off the cooperative threads, since reading its output blocks.
    private static func capture(
        _ plugin: KubeConfig.ExecPlugin,
        environment: [String: String]
    ) async throws -> [UInt8] {
        try await withCheckedThrowingContinuation { continuation in
            DispatchQueue.global().async {
                let process = Process()
                let pipe = Pipe()
                process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
                process.arguments = [plugin.command] + plugin.arguments
                process.environment = environment
                process.standardOutput = pipe
                process.standardInput = FileHandle.nullDevice
                do {
                    try process.run()
                    let id = process.processIdentifier
                    let isDone = Mutex(false)
                    DispatchQueue.global().asyncAfter(deadline: .now() + 60) {
                        isDone.withLock { if !$0 { kill(id, SIGKILL) } }
                    }
                    let output = try pipe.fileHandleForReading.readToEnd() ?? Data()
                    process.waitUntilExit()
                    isDone.withLock { $0 = true }
                    guard process.terminationStatus == 0 else {
                        throw KubeConfigError(
                            "exec plugin \(plugin.command) ended with status \(process.terminationStatus)",
                            remedy: plugin.installHint
                        )
                    }
                    continuation.resume(returning: Array(output))
                } catch {
                    continuation.resume(throwing: error)
                }
            }
        }
    }
}
