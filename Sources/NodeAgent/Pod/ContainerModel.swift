internal import KubeCore

/// One container of a pod's spec.
struct ContainerModel: Sendable, Hashable {
    let json: JSON
    let name: String
    /// Listed under `initContainers`, sidecar or not.
    let isInit: Bool

    init(_ json: JSON, isInit: Bool) {
        self.json = json
        self.isInit = isInit
        name = json["name"]?.stringValue ?? ""
    }

    /// An init container that runs beside the others.
    var isSidecar: Bool { isInit && json["restartPolicy"]?.stringValue == "Always" }
    var image: String { json["image"]?.stringValue ?? "" }
    var command: [String] { json["command"]?.stringArray ?? [] }
    var args: [String] { json["args"]?.stringArray ?? [] }
    var workingDir: String { json["workingDir"]?.stringValue ?? "" }
    var environment: [JSON] { json["env"]?.arrayValue ?? [] }
    var environmentSources: [JSON] { json["envFrom"]?.arrayValue ?? [] }
    var volumeMounts: [JSON] { json["volumeMounts"]?.arrayValue ?? [] }
    var ports: [JSON] { json["ports"]?.arrayValue ?? [] }
    var securityContext: JSON { json["securityContext"] ?? .object([:]) }
    var wantsStdin: Bool { json["stdin"]?.boolValue ?? false }
    var wantsStdinOnce: Bool { json["stdinOnce"]?.boolValue ?? false }
    var wantsTerminal: Bool { json["tty"]?.boolValue ?? false }
    var terminationMessagePath: String { json["terminationMessagePath"]?.stringValue ?? "/dev/termination-log" }
    var fallsBackToLogs: Bool { json["terminationMessagePolicy"]?.stringValue == "FallbackToLogsOnError" }
    var imagePullPolicy: String { json["imagePullPolicy"]?.stringValue ?? "" }

    var postStart: HookAction? { json[path: "lifecycle", "postStart"].flatMap(HookAction.init) }
    var preStop: HookAction? { json[path: "lifecycle", "preStop"].flatMap(HookAction.init) }
    /// Number of the signal that asks the container to stop; TERM unless `lifecycle.stopSignal` names another.
    var stopSignal: Int32 { SignalNumber.parse(json[path: "lifecycle", "stopSignal"]?.stringValue ?? "") ?? 15 }

    func probe(_ kind: ProbeKind) -> ProbeSpec? { json[kind.rawValue].flatMap { ProbeSpec($0, kind: kind) } }

    func limit(_ resource: String) -> Quantity? { quantity("limits", resource) }
    /// The request; the limit where none is given, as the API server defaults it.
    func request(_ resource: String) -> Quantity? { quantity("requests", resource) ?? limit(resource) }

    private func quantity(_ kind: String, _ resource: String) -> Quantity? {
        json[path: "resources", kind, resource].flatMap { try? Quantity($0) }
    }
}

/// `httpGet`, as probes and hooks use it.
struct HTTPTarget: Sendable, Hashable {
    var scheme: String
    /// Empty = the pod's address.
    var host: String
    var port: JSON
    var path: String
    var headers: [(name: String, value: String)]

    init(_ json: JSON) {
        scheme = (json["scheme"]?.stringValue ?? "HTTP").lowercased()
        host = json["host"]?.stringValue ?? ""
        port = json["port"] ?? .int(80)
        let path = json["path"]?.stringValue ?? "/"
        self.path = path.hasPrefix("/") ? path : "/" + path
        headers = (json["httpHeaders"]?.arrayValue ?? []).map {
            ($0["name"]?.stringValue ?? "", $0["value"]?.stringValue ?? "")
        }
    }

    static func == (left: HTTPTarget, right: HTTPTarget) -> Bool {
        left.scheme == right.scheme && left.host == right.host && left.port == right.port && left.path == right.path
            && left.headers.map(\.name) == right.headers.map(\.name)
            && left.headers.map(\.value) == right.headers.map(\.value)
    }

    func hash(into hasher: inout Hasher) {
        hasher.combine(host)
        hasher.combine(port)
        hasher.combine(path)
    }
}

/// What a lifecycle hook does.
enum HookAction: Sendable, Hashable {
    case exec([String])
    case httpGet(HTTPTarget)
    case sleep(seconds: Int)

    init?(_ json: JSON) {
        if let command = json[path: "exec", "command"]?.stringArray {
            self = .exec(command)
        } else if let target = json["httpGet"] {
            self = .httpGet(HTTPTarget(target))
        } else if let seconds = json[path: "sleep", "seconds"]?.intValue {
            self = .sleep(seconds: seconds)
        } else {
            return nil
        }
    }
}

extension ContainerModel {
    /// The number of a port that a probe or hook names by number or by name.
    func portNumber(_ port: JSON) -> Int? {
        if let number = port.intValue { return number }
        guard let text = port.stringValue else { return nil }
        if let number = Int(text) { return number }
        return ports.first { $0["name"]?.stringValue == text }?["containerPort"]?.intValue
    }
}

enum SignalNumber {
    private static let numbers: [String: Int32] = [
        "SIGHUP": 1, "SIGINT": 2, "SIGQUIT": 3, "SIGABRT": 6, "SIGKILL": 9, "SIGUSR1": 10, "SIGUSR2": 12, "SIGPIPE": 13,
        "SIGALRM": 14, "SIGTERM": 15, "SIGCONT": 18, "SIGSTOP": 19, "SIGWINCH": 28,
    ]

    /// `SIGTERM` or a number.
    static func parse(_ text: String) -> Int32? { numbers[text] ?? Int32(text) }
}
