internal import ArgumentParser
internal import ControlPlaneAPI
internal import ControlPlaneClient
internal import KubeCore

/// `--timeout` of commands that wait for an extension.
struct WaitOptions: ParsableArguments {
    @Flag(help: "Do not wait for the end.") var noWait = false

    @Option(help: ArgumentHelp("How long to wait, in seconds; the work goes on after that.", valueName: "seconds"))
    var timeout: Int = 3600

    func validate() throws {
        guard timeout > 0 else { throw ValidationError("--timeout \(timeout): must be more than 0 seconds") }
    }
}

/// Follows an extension to the end of its operation, with a line for each component that changes.
struct ExtensionWait {
    let session: ARMSession
    let id: String
    let timeout: Duration

    init(_ session: ARMSession, id: String, seconds: Int = 3600) {
        self.session = session
        self.id = id
        timeout = .seconds(seconds)
    }

    private var name: String { Views.lastComponent(id) }

    /// The extension as it is at the end; nil when it is gone.
    func end(of answer: ControlPlaneClient.Answer) async throws -> JSON? {
        var last: JSON?
        do {
            return try await session.client.wait(for: answer, resource: id, timeout: timeout, poll: .milliseconds(200))
            {
                step in
                if let resource = step.resource { last = resource }
                say(step.resource, status: step.status)
            }
        } catch let error as ARMError where error.error.code == "OperationTimedOut" {
            throw timedOut(last)
        } catch let error as ARMError where error.status != 404 {
            throw failed(error, last)
        }
    }

    /// Waits until nothing is under way any more; the answer is the resource, whether it went well or not.
    func settled() async throws -> JSON {
        let start = ContinuousClock.now
        while true {
            let resource = try await session.get(id)
            let state = resource["properties"]?["provisioningState"]?.stringValue ?? "Succeeded"
            if ["Succeeded", "Failed", "Canceled"].contains(state) { return resource }
            say(resource, status: state)
            guard ContinuousClock.now - start < timeout else { throw timedOut(resource) }
            try await Task.sleep(for: .milliseconds(500))
        }
    }

    private func say(_ resource: JSON?, status: String) {
        let properties = resource?["properties"]
        let state = properties?["provisioningState"]?.stringValue ?? status
        let message = properties?["statusMessage"]?.stringValue.map { ": " + $0 } ?? ""
        let isOver = ["Succeeded", "Failed", "Canceled"].contains(state)
        let headline = resource == nil && isOver ? "\(name): gone" : "\(name): \(state)\(message)"
        if !isOver { session.progress.say(headline, about: name) }
        for line in ComponentLine.all(properties?["statuses"]) {
            // What was said of components before says nothing of their removal.
            if state == "Deleting", line.status != "Deleting", line.level != "Error" { continue }
            session.progress.say("  \(line.text)", about: "\(name)/\(line.subject)")
        }
        if isOver { session.progress.say(headline, about: name) }
    }

    private func failed(_ error: ARMError, _ resource: JSON?) -> CommandError {
        let said = error.description
        // An atomic change that failed has been taken back.
        let isWell = resource?["properties"]?["provisioningState"]?.stringValue == "Succeeded"
        let reasons = ComponentLine.waiting(resource?["properties"]?["statuses"]).map(\.text)
            .filter { !said.contains($0) }
        return CommandError(
            "extension \(name): \(said)",
            cause: reasons.isEmpty ? nil : reasons.joined(separator: "; "),
            remedy: isWell
                ? "correct what was given and try again; the extension itself is well"
                : "look into it with 'outrigger k8s-extension diagnose', correct it with 'update', or 'delete' it"
        )
    }

    private func timedOut(_ resource: JSON?) -> CommandError {
        let properties = resource?["properties"]
        let state = properties?["provisioningState"]?.stringValue ?? "InProgress"
        let waiting = ComponentLine.waiting(properties?["statuses"]).map(\.text)
        return CommandError(
            "extension \(name) is still \(state) after \(timeout.components.seconds) s; the work goes on",
            cause: waiting.isEmpty
                ? "its agent has reported nothing yet; is the cluster connected?" : waiting.joined(separator: "; "),
            remedy: "look with 'outrigger k8s-extension show --wait', or at 'outrigger k8s-extension diagnose'"
        )
    }
}
