internal import KubeCore

/// Validation of a pod's containers.
enum ContainerRules {
    static func errors(_ spec: JSON, path: String, volumes: Set<String>, isTemplate: Bool) -> [FieldError] {
        var errors: [FieldError] = []
        let containers = spec["containers"]?.arrayValue ?? []
        if containers.isEmpty { errors.append(FieldError(path + ".containers", .required)) }
        var names: Set<String> = []
        for field in ["initContainers", "containers", "ephemeralContainers"] {
            for (index, container) in (spec[field]?.arrayValue ?? []).enumerated() {
                let place = "\(path).\(field)[\(index)]"
                errors += container == .null ? [] : one(container, place, volumes, field)
                let name = container["name"]?.stringValue ?? ""
                if !name.isEmpty, !names.insert(name).inserted {
                    errors.append(FieldError(place + ".name", .duplicate, badValue: .string(name)))
                }
            }
        }
        return errors + hostPortErrors(spec, path)
    }

    private static func one(_ container: JSON, _ path: String, _ volumes: Set<String>, _ field: String) -> [FieldError]
    {
        var errors: [FieldError] = []
        let name = container["name"]?.stringValue ?? ""
        if name.isEmpty {
            errors.append(FieldError(path + ".name", .required))
        } else if let problem = NameRule.labelProblem(name) {
            errors.append(FieldError(path + ".name", .invalid, problem, badValue: .string(name)))
        }
        let image = container["image"]?.stringValue ?? ""
        if image.isEmpty {
            errors.append(FieldError(path + ".image", .required))
        } else if image.first?.isWhitespace == true || image.last?.isWhitespace == true {
            let text = "must not have leading or trailing whitespace"
            errors.append(FieldError(path + ".image", .invalid, text, badValue: .string(image)))
        }
        errors += PodRules.choice(
            container["imagePullPolicy"],
            ["Always", "IfNotPresent", "Never"],
            path + ".imagePullPolicy"
        )
        errors += PodRules.choice(
            container["terminationMessagePolicy"],
            ["FallbackToLogsOnError", "File"],
            path + ".terminationMessagePolicy"
        )
        errors += portErrors(container["ports"]?.arrayValue ?? [], path + ".ports")
        errors += ResourceRules.errors(container["resources"], path: path + ".resources")
        errors += EnvironmentRules.errors(container, path)
        errors += mountErrors(container, path, volumes)
        errors += SecurityRules.container(container["securityContext"], path + ".securityContext")
        return errors + lifeErrors(container, path, field)
    }

    // MARK: Ports

    private static func portErrors(_ ports: [JSON], _ path: String) -> [FieldError] {
        var errors: [FieldError] = []
        var names: Set<String> = []
        for (index, port) in ports.enumerated() {
            let place = "\(path)[\(index)]"
            if let name = port["name"]?.stringValue, !name.isEmpty {
                if let problem = PodRules.portNameProblem(name) {
                    errors.append(FieldError(place + ".name", .invalid, problem, badValue: .string(name)))
                } else if !names.insert(name).inserted {
                    errors.append(FieldError(place + ".name", .duplicate, badValue: .string(name)))
                }
            }
            if let number = port["containerPort"]?.intValue, number != 0 {
                errors += PodRules.portNumber(number, place + ".containerPort")
            } else {
                errors.append(FieldError(place + ".containerPort", .required))
            }
            if let number = port["hostPort"]?.intValue, number != 0 {
                errors += PodRules.portNumber(number, place + ".hostPort")
            }
            errors += PodRules.choice(port["protocol"], ["SCTP", "TCP", "UDP"], place + ".protocol")
        }
        return errors
    }

    private static func hostPortErrors(_ spec: JSON, _ path: String) -> [FieldError] {
        var errors: [FieldError] = []
        var taken: Set<String> = []
        let isHost = spec["hostNetwork"]?.boolValue == true
        for (index, container) in (spec["containers"]?.arrayValue ?? []).enumerated() {
            for (portIndex, port) in (container["ports"]?.arrayValue ?? []).enumerated() {
                let place = "\(path).containers[\(index)].ports[\(portIndex)]"
                let number = port["hostPort"]?.intValue ?? 0
                if isHost, number != port["containerPort"]?.intValue {
                    let text = "must match `hostPort` when `hostNetwork` is true"
                    errors.append(
                        FieldError(place + ".containerPort", .invalid, text, badValue: port["containerPort"] ?? .null)
                    )
                }
                guard number != 0 else { continue }
                let key = "\(port["protocol"]?.stringValue ?? "TCP")/\(port["hostIP"]?.stringValue ?? "")/\(number)"
                if !taken.insert(key).inserted {
                    errors.append(FieldError(place + ".hostPort", .duplicate, badValue: .string(key)))
                }
            }
        }
        return errors
    }

    // MARK: Mounts

    private static func mountErrors(_ container: JSON, _ path: String, _ volumes: Set<String>) -> [FieldError] {
        var errors: [FieldError] = []
        var paths: Set<String> = []
        for (index, mount) in (container["volumeMounts"]?.arrayValue ?? []).enumerated() {
            let place = "\(path).volumeMounts[\(index)]"
            let name = mount["name"]?.stringValue ?? ""
            if name.isEmpty {
                errors.append(FieldError(place + ".name", .required))
            } else if !volumes.contains(name) {
                errors.append(FieldError(place + ".name", .notFound, badValue: .string(name)))
            }
            let target = mount["mountPath"]?.stringValue ?? ""
            if target.isEmpty {
                errors.append(FieldError(place + ".mountPath", .required))
            } else if !paths.insert(target).inserted {
                errors.append(FieldError(place + ".mountPath", .invalid, "must be unique", badValue: .string(target)))
            }
            let hasPath = !(mount["subPath"]?.stringValue ?? "").isEmpty
            if hasPath, !(mount["subPathExpr"]?.stringValue ?? "").isEmpty {
                let text = "subPathExpr and subPath are mutually exclusive"
                errors.append(
                    FieldError(place + ".subPathExpr", .invalid, text, badValue: mount["subPathExpr"] ?? .null)
                )
            }
            for field in ["subPath", "subPathExpr"] {
                errors += VolumeRules.relativePath(mount[field], "\(place).\(field)")
            }
            errors += PodRules.choice(
                mount["mountPropagation"],
                ["Bidirectional", "HostToContainer", "None"],
                place + ".mountPropagation"
            )
            let isPrivileged = container["securityContext"]?["privileged"]?.boolValue == true
            if mount["mountPropagation"]?.stringValue == "Bidirectional", !isPrivileged {
                let text = "Bidirectional mount propagation is available only to privileged containers"
                errors.append(FieldError(place + ".mountPropagation", .forbidden, text))
            }
        }
        return errors
    }

    // MARK: Probes and hooks

    private static func lifeErrors(_ container: JSON, _ path: String, _ field: String) -> [FieldError] {
        var errors: [FieldError] = []
        let probes = ["livenessProbe", "readinessProbe", "startupProbe"]
        if field == "ephemeralContainers" {
            for name in probes + ["lifecycle", "ports"] where !(container[name]?.isNull ?? true) {
                errors.append(FieldError("\(path).\(name)", .forbidden, "cannot be set for an Ephemeral Container"))
            }
            return errors
        }
        if let policy = container["restartPolicy"]?.stringValue {
            let allowed = field == "initContainers" ? ["Always"] : ["Always", "Never", "OnFailure"]
            errors += PodRules.choice(.string(policy), allowed, path + ".restartPolicy")
        }
        let isSidecar = container["restartPolicy"]?.stringValue == "Always"
        if field == "initContainers", !isSidecar {
            for name in probes + ["lifecycle"] where !(container[name]?.isNull ?? true) {
                let text = "may not be set for init containers without restartPolicy=Always"
                errors.append(FieldError("\(path).\(name)", .forbidden, text))
            }
            return errors
        }
        for name in probes {
            if let probe = container[name], !probe.isNull { errors += probeErrors(probe, "\(path).\(name)", name) }
        }
        for hook in ["postStart", "preStop"] {
            if let handler = container["lifecycle"]?[hook], !handler.isNull {
                errors += handlerErrors(
                    handler,
                    "\(path).lifecycle.\(hook)",
                    ["exec", "httpGet", "tcpSocket", "sleep"]
                )
            }
        }
        return errors
    }

    private static func handlerErrors(_ handler: JSON, _ path: String, _ kinds: [String]) -> [FieldError] {
        var errors: [FieldError] = []
        let given = kinds.filter { !(handler[$0]?.isNull ?? true) }
        if given.isEmpty { errors.append(FieldError(path, .required, "must specify a handler type")) }
        for extra in given.dropFirst() {
            errors.append(FieldError(path + "." + extra, .forbidden, "may not specify more than 1 handler type"))
        }
        if let exec = handler["exec"], (exec["command"]?.arrayValue ?? []).isEmpty, !exec.isNull {
            errors.append(FieldError(path + ".exec.command", .required))
        }
        if let get = handler["httpGet"], !get.isNull {
            if (get["path"]?.stringValue ?? "").isEmpty { errors.append(FieldError(path + ".httpGet.path", .required)) }
            errors += PodRules.portNumberOrName(get["port"] ?? .int(0), path + ".httpGet.port")
            errors += PodRules.choice(get["scheme"], ["HTTP", "HTTPS"], path + ".httpGet.scheme")
            for (index, header) in (get["httpHeaders"]?.arrayValue ?? []).enumerated() {
                let name = header["name"]?.stringValue ?? ""
                let isToken = !name.isEmpty && name.utf8.allSatisfy { isHeaderByte($0) }
                if isToken { continue }
                let text =
                    "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', "
                    + "regex used for validation is '[-A-Za-z0-9]+')"
                errors.append(
                    FieldError("\(path).httpGet.httpHeaders[\(index)].name", .invalid, text, badValue: .string(name))
                )
            }
        }
        if let socket = handler["tcpSocket"], !socket.isNull {
            errors += PodRules.portNumberOrName(socket["port"] ?? .int(0), path + ".tcpSocket.port")
        }
        if let call = handler["grpc"], !call.isNull {
            errors += PodRules.portNumber(call["port"]?.intValue ?? 0, path + ".grpc.port")
        }
        return errors
    }

    private static func isHeaderByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"):
            true
        default: false
        }
    }

    private static func probeErrors(_ probe: JSON, _ path: String, _ name: String) -> [FieldError] {
        var errors = handlerErrors(probe, path, ["exec", "httpGet", "tcpSocket", "grpc"])
        for field in ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"]
        {
            if let number = probe[field]?.intValue, number < 0 {
                errors.append(PodRules.negative(path + "." + field, number))
            }
        }
        if let grace = probe["terminationGracePeriodSeconds"]?.intValue {
            let place = path + ".terminationGracePeriodSeconds"
            if name == "readinessProbe" {
                errors.append(
                    FieldError(place, .invalid, "must not be set for readinessProbes", badValue: JSON(grace))
                )
            } else if grace <= 0 {
                errors.append(FieldError(place, .invalid, "must be greater than 0", badValue: JSON(grace)))
            }
        }
        if name != "readinessProbe", let threshold = probe["successThreshold"]?.intValue, threshold > 1 {
            errors.append(FieldError(path + ".successThreshold", .invalid, "must be 1", badValue: JSON(threshold)))
        }
        return errors
    }
}
