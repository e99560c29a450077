internal import Foundation
internal import KubeCore

/// Mutating- and ValidatingWebhookConfigurations: checked before they are kept, in force as soon as they are.
struct WebhookStrategy: Strategy {
    let isMutating: Bool
    var tracksGeneration: Bool { true }

    func finish(_ object: KubeObject?, old: KubeObject?, isCommitted: Bool, _ context: StrategyContext) async {
        guard isCommitted else { return }
        context.registry.webhooks.load(context.registry.store)
    }

    func validate(_ object: KubeObject, _ context: StrategyContext) -> [FieldError] {
        var errors: [FieldError] = []
        var names: Set<String> = []
        for (index, webhook) in (object["webhooks"]?.arrayValue ?? []).enumerated() {
            let path = "webhooks[\(index)]"
            let name = webhook["name"]?.stringValue ?? ""
            errors += Self.nameErrors(name, path + ".name")
            if !name.isEmpty, !names.insert(name).inserted {
                errors.append(FieldError(path + ".name", .duplicate, badValue: .string(name)))
            }
            errors += Self.webhookErrors(webhook, path)
            if isMutating {
                errors += PodRules.choice(
                    webhook["reinvocationPolicy"],
                    ["IfNeeded", "Never"],
                    path + ".reinvocationPolicy"
                )
            }
        }
        return errors
    }

    private static func nameErrors(_ name: String, _ path: String) -> [FieldError] {
        if name.isEmpty { return [FieldError(path, .required)] }
        if let problem = NameRule.subdomainProblem(name) {
            return [FieldError(path, .invalid, problem, badValue: .string(name))]
        }
        if name.split(separator: ".").count >= 3 { return [] }
        let text = "should be a domain with at least three segments separated by dots"
        return [FieldError(path, .invalid, text, badValue: .string(name))]
    }

    private static func webhookErrors(_ webhook: JSON, _ path: String) -> [FieldError] {
        var errors: [FieldError] = []
        for (ruleIndex, rule) in (webhook["rules"]?.arrayValue ?? []).enumerated() {
            errors += ruleErrors(rule, "\(path).rules[\(ruleIndex)]")
        }
        errors += PodRules.choice(webhook["failurePolicy"], ["Fail", "Ignore"], path + ".failurePolicy")
        errors += PodRules.choice(webhook["matchPolicy"], ["Equivalent", "Exact"], path + ".matchPolicy")
        let sides = webhook["sideEffects"]?.stringValue ?? ""
        if sides.isEmpty {
            errors.append(FieldError(path + ".sideEffects", .required, "must specify one of None, NoneOnDryRun"))
        } else {
            errors += PodRules.choice(webhook["sideEffects"], ["None", "NoneOnDryRun"], path + ".sideEffects")
        }
        if let seconds = webhook["timeoutSeconds"]?.intValue, !(1...30).contains(seconds) {
            let text = "the timeout value must be between 1 and 30 seconds"
            errors.append(FieldError(path + ".timeoutSeconds", .invalid, text, badValue: JSON(seconds)))
        }
        for field in ["namespaceSelector", "objectSelector"] {
            do throws(SelectorParseError) {
                _ = try LabelSelector(webhook[field] ?? [:])
            } catch {
                errors.append(
                    FieldError("\(path).\(field)", .invalid, error.message, badValue: webhook[field] ?? .null)
                )
            }
        }
        errors += versionErrors(webhook["admissionReviewVersions"], path + ".admissionReviewVersions")
        errors += clientErrors(webhook["clientConfig"], path + ".clientConfig")
        return errors + conditionErrors(webhook["matchConditions"], path + ".matchConditions")
    }

    private static func versionErrors(_ json: JSON?, _ path: String) -> [FieldError] {
        let versions = json?.stringArray ?? []
        if versions.isEmpty { return [FieldError(path, .required, "must specify one of v1, v1beta1")] }
        var errors: [FieldError] = []
        var seen: Set<String> = []
        for (index, version) in versions.enumerated() where !seen.insert(version).inserted {
            errors.append(FieldError("\(path)[\(index)]", .invalid, "duplicate version", badValue: .string(version)))
        }
        if !versions.contains(where: ["v1", "v1beta1"].contains) {
            let text = "must include at least one of v1, v1beta1"
            errors.append(FieldError(path, .invalid, text, badValue: JSON(versions)))
        }
        return errors
    }

    private static func conditionErrors(_ json: JSON?, _ path: String) -> [FieldError] {
        let conditions = json?.arrayValue ?? []
        var errors: [FieldError] = []
        if conditions.count > 64 { errors.append(FieldError(path, .tooMany, "must have at most 64 items")) }
        var names: Set<String> = []
        for (index, condition) in conditions.enumerated() {
            let place = "\(path)[\(index)]"
            _ = MatchCondition(condition, path: place, errors: &errors)
            let name = condition["name"]?.stringValue ?? ""
            if !name.isEmpty, !LabelSyntax.isQualifiedName(name) {
                errors.append(
                    FieldError(place + ".name", .invalid, MetadataRules.qualifiedNameText, badValue: .string(name))
                )
            }
            if !name.isEmpty, !names.insert(name).inserted {
                errors.append(FieldError(place + ".name", .duplicate, badValue: .string(name)))
            }
        }
        return errors
    }

    private static func ruleErrors(_ rule: JSON, _ path: String) -> [FieldError] {
        var errors: [FieldError] = []
        for field in ["apiGroups", "apiVersions", "resources", "operations"] {
            let values = rule[field]?.stringArray ?? []
            if values.isEmpty { errors.append(FieldError("\(path).\(field)", .required)) }
            for (index, value) in values.enumerated() where value.isEmpty && field != "apiGroups" {
                errors.append(FieldError("\(path).\(field)[\(index)]", .required))
            }
            if values.count > 1, values.contains("*"), field != "resources" {
                let text = "if '*' is present, must not specify other \(field)"
                errors.append(FieldError("\(path).\(field)", .invalid, text, badValue: JSON(values)))
            }
        }
        for (index, operation) in (rule["operations"]?.arrayValue ?? []).enumerated() {
            errors += PodRules.choice(
                operation,
                ["*", "CONNECT", "CREATE", "DELETE", "UPDATE"],
                "\(path).operations[\(index)]"
            )
        }
        errors += PodRules.choice(rule["scope"], ["*", "Cluster", "Namespaced"], path + ".scope")
        let resources = rule["resources"]?.stringArray ?? []
        for (index, resource) in resources.enumerated() where resource.contains("/") {
            let parts = resource.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
            // Said already by a rule on all of it.
            let isCovered =
                resources.contains("*/*") && resource != "*/*"
                || parts[1] != "*" && resources.contains("\(parts[0])/*")
            if isCovered {
                let text =
                    "if '\(resources.contains("*/*") ? "*/*" : "\(parts[0])/*")' is present, must not specify \(resource)"
                errors.append(FieldError("\(path).resources[\(index)]", .invalid, text, badValue: .string(resource)))
            }
        }
        return errors
    }

    private static func clientErrors(_ config: JSON?, _ path: String) -> [FieldError] {
        let url = config?["url"]?.stringValue
        let service = config?["service"].flatMap { $0.isNull ? nil : $0 }
        var errors: [FieldError] = []
        switch (url, service) {
        case (nil, nil), (.some, .some):
            errors.append(FieldError(path, .required, "exactly one of url or service is required"))
        case (let url?, nil): errors += urlErrors(url, path + ".url")
        case (nil, let service?):
            for field in ["name", "namespace"] where (service[field]?.stringValue ?? "").isEmpty {
                errors.append(FieldError("\(path).service.\(field)", .required, "service \(field) is required"))
            }
            if let port = service["port"]?.intValue {
                errors += PodRules.portNumber(port, path + ".service.port")
            }
            if let route = service["path"]?.stringValue, !route.isEmpty, !route.hasPrefix("/") {
                errors.append(
                    FieldError(path + ".service.path", .invalid, "must start with a '/'", badValue: .string(route))
                )
            }
        }
        if let bundle = config?["caBundle"]?.stringValue, !bundle.isEmpty {
            let text = Data(base64Encoded: bundle).map { String(decoding: $0, as: UTF8.self) }
            if text?.contains("-----BEGIN CERTIFICATE-----") != true {
                errors.append(
                    FieldError(
                        path + ".caBundle",
                        .invalid,
                        "unable to load root certificates: unable to parse bytes as PEM block",
                        badValue: .string("<\(bundle.utf8.count) bytes>")
                    )
                )
            }
        }
        return errors
    }

    private static func urlErrors(_ text: String, _ path: String) -> [FieldError] {
        let form = "desired format: https://host[/path]"
        func invalid(_ detail: String) -> [FieldError] {
            [FieldError(path, .invalid, detail + "; " + form, badValue: .string(text))]
        }
        guard let parts = URLComponents(string: text) else { return invalid("url must be a valid URL") }
        var errors: [FieldError] = []
        if parts.scheme != "https" {
            errors += invalid("'https' is the only allowed URL scheme")
        }
        if (parts.host ?? "").isEmpty { errors += invalid("host must be specified") }
        if parts.user != nil { errors += invalid("user information is not permitted in the URL") }
        if parts.fragment != nil { errors += invalid("fragments are not permitted in the URL") }
        if parts.query != nil { errors += invalid("query parameters are not permitted in the URL") }
        return errors
    }
}
