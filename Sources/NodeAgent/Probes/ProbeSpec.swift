internal import KubeCore

enum ProbeKind: String, Sendable, Hashable, CaseIterable {
    case startup = "startupProbe"
    case liveness = "livenessProbe"
    case readiness = "readinessProbe"

    /// As events name it.
    var title: String {
        switch self {
        case .startup: "Startup"
        case .liveness: "Liveness"
        case .readiness: "Readiness"
        }
    }
}

/// A probe with upstream's defaults.
struct ProbeSpec: Sendable, Hashable {
    enum Action: Sendable, Hashable {
        case exec([String])
        case httpGet(HTTPTarget)
        case tcpSocket(host: String, port: JSON)
        case grpc(port: Int, service: String)
    }

    var kind: ProbeKind
    var action: Action
    var initialDelaySeconds: Int
    var periodSeconds: Int
    var timeoutSeconds: Int
    var successThreshold: Int
    var failureThreshold: Int
    /// Grace for a container that this probe kills; nil = the pod's.
    var terminationGracePeriodSeconds: Int?

    init?(_ json: JSON, kind: ProbeKind) {
        if let command = json[path: "exec", "command"]?.stringArray {
            action = .exec(command)
        } else if let target = json["httpGet"] {
            action = .httpGet(HTTPTarget(target))
        } else if let target = json["tcpSocket"] {
            action = .tcpSocket(host: target["host"]?.stringValue ?? "", port: target["port"] ?? .int(80))
        } else if let target = json["grpc"] {
            action = .grpc(port: target["port"]?.intValue ?? 0, service: target["service"]?.stringValue ?? "")
        } else {
            return nil
        }
        self.kind = kind
        initialDelaySeconds = json["initialDelaySeconds"]?.intValue ?? 0
        periodSeconds = max(1, json["periodSeconds"]?.intValue ?? 10)
        timeoutSeconds = max(1, json["timeoutSeconds"]?.intValue ?? 1)
        successThreshold = max(1, json["successThreshold"]?.intValue ?? 1)
        failureThreshold = max(1, json["failureThreshold"]?.intValue ?? 3)
        terminationGracePeriodSeconds = json["terminationGracePeriodSeconds"]?.intValue
    }
}

/// Counts a probe's results against its thresholds.
///
/// Holds no clock and does no I/O.
struct ProbeCounter: Sendable, Equatable {
    enum Change: Sendable, Equatable {
        case none
        case becameSuccessful
        case becameFailed
    }

    let successThreshold: Int
    let failureThreshold: Int
    /// The verdict that counts; nil until a threshold was reached the first time.
    private(set) var isSuccessful: Bool?
    private var lastResult: Bool?
    private var run = 0

    init(successThreshold: Int, failureThreshold: Int, isSuccessful: Bool? = nil) {
        self.successThreshold = successThreshold
        self.failureThreshold = failureThreshold
        self.isSuccessful = isSuccessful
    }

    mutating func record(_ success: Bool) -> Change {
        run = lastResult == success ? run + 1 : 1
        lastResult = success
        guard run >= (success ? successThreshold : failureThreshold) else { return .none }
        let old = isSuccessful
        isSuccessful = success
        if success { return old == true ? .none : .becameSuccessful }
        return old == false ? .none : .becameFailed
    }
}
