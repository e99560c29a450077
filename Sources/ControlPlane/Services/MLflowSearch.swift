internal import ControlPlaneAPI
internal import KubeCore

/// Searches over runs, experiments, logged models and registered models.
enum MLflowSearch {
    /// A page of `items`; the token is the position of the next one.
    static func page<T>(_ items: [T], _ body: JSON, most: Int = 50000) throws -> (page: [T], next: String?) {
        let token = body["page_token"]?.stringValue ?? ""
        guard let start = token.isEmpty ? 0 : Int(token), start >= 0 else {
            throw ARMError.invalid("page_token", "Invalid page token '\(token)'.")
        }
        let limit = max(1, min(MLflowService.integer(body["max_results"]) ?? 1000, most))
        let page = Array(items.dropFirst(start).prefix(limit))
        return (page, start + page.count < items.count ? String(start + page.count) : nil)
    }

    static func isVisible(_ lifecycle: String, _ viewType: String?) -> Bool {
        switch viewType?.uppercased() {
        case "DELETED_ONLY": lifecycle == "deleted"
        case "ALL": true
        default: lifecycle == "active"
        }
    }

    /// Runs of experiments that fit, in the wanted order; newest first without one.
    static func runs(_ service: MLflowService, _ body: JSON, _ t: Transaction) throws -> [RunRecord] {
        let filter = try MLflowFilter(body["filter"]?.stringValue ?? "")
        let order = (body["order_by"]?.stringArray ?? []).map(SortKey.init)
        var found: [(run: RunRecord, keys: [MLflowFilter.Value?])] = []
        for id in body["experiment_ids"]?.arrayValue?.compactMap(MLflowService.text) ?? [] {
            let experiment = try service.experiment(id, t)
            for run in try t.runs(experiment: experiment.id)
            where isVisible(run.lifecycle, body["run_view_type"]?.stringValue) {
                let values = try RunValues(run, t)
                guard filter.matches(values.value) else { continue }
                found.append((run, order.map { values.value($0.field) }))
            }
        }
        let directions = order.map(\.isAscending)
        let sorted = found.sorted { a, b in
            for (index, isAscending) in directions.enumerated() {
                if let before = SortKey.precedes(a.keys[index], b.keys[index], isAscending: isAscending) {
                    return before
                }
            }
            let times = (a.run.startTime ?? 0, b.run.startTime ?? 0)
            return times.0 != times.1 ? times.0 > times.1 : a.run.id < b.run.id
        }
        return sorted.map(\.run)
    }

    static func experiments(_ service: MLflowService, _ body: JSON, _ t: Transaction) throws -> [ExperimentRecord] {
        let filter = try MLflowFilter(body["filter"]?.stringValue ?? "")
        return try t.experiments(service.scope.key).filter { experiment in
            guard isVisible(experiment.lifecycle, body["view_type"]?.stringValue) else { return false }
            let tags = Dictionary(try t.experimentTags(experiment.id).map { ($0.key, $0.value) }) { _, last in last }
            return filter.matches { field in
                switch field {
                case .attribute("name"): .text(experiment.name)
                case .attribute("creation_time"): .number(Double(experiment.createdAt))
                case .attribute("last_update_time"): .number(Double(experiment.updatedAt))
                case .tag(let key): tags[key].map(MLflowFilter.Value.text)
                default: nil
                }
            }
        }
    }
}

/// `metrics.acc DESC`.
struct SortKey: Sendable {
    var field: MLflowFilter.Field
    var isAscending: Bool

    init(_ text: String) {
        var words = text.split(separator: " ").map(String.init)
        isAscending = true
        if let last = words.last?.uppercased(), last == "DESC" || last == "ASC" {
            isAscending = last == "ASC"
            words.removeLast()
        }
        field = MLflowFilter.field(words.joined(separator: " "))
    }

    /// nil when both are equal; whatever has no value comes last.
    static func precedes(_ a: MLflowFilter.Value?, _ b: MLflowFilter.Value?, isAscending: Bool) -> Bool? {
        switch (a, b) {
        case (nil, nil): return nil
        case (nil, _): return false
        case (_, nil): return true
        case (.number(let x)?, .number(let y)?): return x == y ? nil : (x < y) == isAscending
        case (.text(let x)?, .text(let y)?): return x == y ? nil : (x < y) == isAscending
        default: return nil
        }
    }
}

/// What a search can ask of a run.
struct RunValues {
    let run: RunRecord
    let metrics: [String: Double]
    let params: [String: String]
    let tags: [String: String]

    init(_ run: RunRecord, _ t: Transaction) throws {
        self.run = run
        metrics = Dictionary(try t.latestMetrics(run.id).compactMap { metric in metric.value.map { (metric.key, $0) } })
        { _, last in last }
        params = Dictionary(try t.params(run.id).map { ($0.key, $0.value) }) { _, last in last }
        tags = Dictionary(try t.tags(run.id).map { ($0.key, $0.value) }) { _, last in last }
    }

    func value(_ field: MLflowFilter.Field) -> MLflowFilter.Value? {
        switch field {
        case .metric(let key): metrics[key].map(MLflowFilter.Value.number)
        case .param(let key): params[key].map(MLflowFilter.Value.text)
        case .tag(let key): tags[key].map(MLflowFilter.Value.text)
        case .attribute(let name):
            switch name {
            case "run_id", "run_uuid": .text(run.id)
            case "run_name", "run name": .text(run.name)
            case "status": .text(run.status)
            case "user_id": .text(run.userId)
            case "start_time", "created": run.startTime.map { .number(Double($0)) }
            case "end_time": run.endTime.map { .number(Double($0)) }
            default: nil
            }
        }
    }
}
