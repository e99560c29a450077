internal import KubeCore
package import MLTypes

/// Finds what in an `OnlineDeployment` cannot work, all of it at once.
///
/// Pure.
package enum DeploymentValidation {
    /// Sentences that name the field, the value and the rule; empty when all is well.
    package static func problems(_ spec: OnlineDeploymentSpec, name: String, instanceType: InstanceTypeSpec) -> [String]
    {
        var problems: [String] = []
        if name.utf8.count > 63 {
            problems.append(
                "\"\(name)\" has \(name.utf8.count) characters; endpoint and deployment name together may have 62"
            )
        }
        container(spec, &problems)
        numbers(spec, &problems)
        probe("livenessProbe", spec.livenessProbe, &problems)
        probe("readinessProbe", spec.readinessProbe, &problems)
        if let resources = spec.resources { limits(resources, instanceType, spec.instanceType, &problems) }
        return problems
    }

    private static func container(_ spec: OnlineDeploymentSpec, _ problems: inout [String]) {
        if spec.environment.image.isEmpty { problems.append("environment.image is empty; name an image") }
        if let script = spec.code?.scoringScript {
            let parts = script.split(separator: "/", omittingEmptySubsequences: false)
            if script.isEmpty || script.hasPrefix("/") || parts.contains("..") {
                problems.append(
                    "code.scoringScript \"\(script)\" must be a path below the code folder, such as score.py"
                )
            }
        } else if spec.inferenceConfig == nil {
            problems.append(
                "neither code_configuration nor environment.inference_config is given; name a scoring script or the routes of a "
                    + "custom container"
            )
        }
        if let config = spec.inferenceConfig {
            route("scoringRoute", config.scoringRoute, &problems)
            route("livenessRoute", config.livenessRoute, &problems)
            route("readinessRoute", config.readinessRoute, &problems)
        }
        if let path = spec.model?.mountPath, !path.hasPrefix("/") || path.split(separator: "/").contains("..") {
            problems.append("model.mountPath \"\(path)\" must be an absolute path")
        }
    }

    private static func route(_ name: String, _ route: OnlineDeploymentSpec.Route, _ problems: inout [String]) {
        if !(1...65_535).contains(route.port) {
            problems.append("inferenceConfig.\(name).port \(route.port) must be between 1 and 65535")
        }
        if !route.path.hasPrefix("/") || route.path.utf8.contains(where: { $0 <= 0x20 || $0 >= 0x7F }) {
            problems.append("inferenceConfig.\(name).path \"\(route.path)\" must start with / and hold no spaces")
        }
    }

    private static func numbers(_ spec: OnlineDeploymentSpec, _ problems: inout [String]) {
        if let count = spec.instanceCount, count < 0 {
            problems.append("instanceCount \(count) must not be negative")
        }
        guard let request = spec.requestSettings else { return }
        if request.requestTimeoutMs < 1 {
            problems.append("requestSettings.requestTimeoutMs \(request.requestTimeoutMs) must be at least 1")
        }
        if request.maxQueueWaitMs < 0 {
            problems.append("requestSettings.maxQueueWaitMs \(request.maxQueueWaitMs) must not be negative")
        }
        if request.maxConcurrentRequestsPerInstance < 1 {
            problems.append(
                "requestSettings.maxConcurrentRequestsPerInstance \(request.maxConcurrentRequestsPerInstance) must be at least 1"
            )
        }
    }

    private static func probe(_ name: String, _ probe: OnlineDeploymentSpec.Probe?, _ problems: inout [String]) {
        guard let probe else { return }
        if probe.initialDelay < 0 { problems.append("\(name).initialDelay \(probe.initialDelay) must not be negative") }
        let values: [(String, Int)] = [
            ("period", probe.period), ("timeout", probe.timeout), ("successThreshold", probe.successThreshold),
            ("failureThreshold", probe.failureThreshold),
        ]
        for (field, value) in values where value < 1 { problems.append("\(name).\(field) \(value) must be at least 1") }
    }

    /// A deployment may ask for less than its instance type, never for more.
    private static func limits(
        _ resources: ComputeResources,
        _ type: InstanceTypeSpec,
        _ typeName: String?,
        _ problems: inout [String]
    ) {
        let name = typeName ?? InstanceTypeSpec.defaultName
        for (kind, values) in [("requests", resources.requests ?? [:]), ("limits", resources.limits ?? [:])] {
            for (resource, text) in values.sorted(by: { $0.key < $1.key }) {
                do {
                    let wanted = try Quantity(parsing: text)
                    guard let most = type.resources.limits?[resource] else { continue }
                    if try Quantity(parsing: most) < wanted {
                        problems.append(
                            "resources.\(kind).\(resource) \(text) is more than instance type \"\(name)\" gives (\(most)); ask for "
                                + "less or use a larger instance type"
                        )
                    }
                } catch {
                    problems.append("resources.\(kind).\(resource) \"\(text)\" is no quantity; write 500m, 2 or 1Gi")
                }
            }
        }
    }
}
