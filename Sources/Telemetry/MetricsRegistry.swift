internal import Synchronization

/// All metrics of a process and their Prometheus text.
///
/// A family fixes its label names when it is declared; a child per combination of values is made by `with`, kept by the
/// caller and used without look-ups. Children of things that went away are removed with `remove`.
package final class MetricsRegistry: Sendable {
    private struct State {
        var families: [String: any AnyFamily] = [:]
        var collectors: [@Sendable () -> Void] = []
    }

    private let state = Mutex(State())

    package init() {}

    /// Declares a counter; its name ends in `_total`.
    ///
    /// Declaring a name again answers the first family.
    package func counter(_ name: String, help: String, labels: [String] = []) -> MetricFamily<Counter> {
        family(name, help: help, kind: .counter, labels: labels) { Counter() }
    }

    package func gauge(_ name: String, help: String, labels: [String] = []) -> MetricFamily<Gauge> {
        family(name, help: help, kind: .gauge, labels: labels) { Gauge() }
    }

    /// Declares a histogram of seconds; its name ends in `_seconds`.
    package func histogram(
        _ name: String,
        help: String,
        labels: [String] = [],
        bounds: [Double] = Histogram.defaultBounds
    ) -> MetricFamily<Histogram> {
        family(name, help: help, kind: .histogram, labels: labels) { Histogram(bounds: bounds) }
    }

    /// Runs `update` before each reading: for gauges whose value lies elsewhere.
    package func onCollect(_ update: @escaping @Sendable () -> Void) {
        state.withLock { $0.collectors.append(update) }
    }

    private func family<Child: Sendable>(
        _ name: String,
        help: String,
        kind: MetricKind,
        labels: [String],
        make: @escaping @Sendable () -> Child
    ) -> MetricFamily<Child> {
        state.withLock { state in
            if let existing = state.families[name] as? MetricFamily<Child>, existing.labelNames == labels {
                return existing
            }
            let family = MetricFamily<Child>(name: name, help: help, kind: kind, labelNames: labels, make: make)
            state.families[name] = family
            return family
        }
    }

    /// Prometheus text exposition format 0.0.4, families sorted by name.
    package var text: String {
        let (families, collectors) = state.withLock { ($0.families, $0.collectors) }
        for collect in collectors { collect() }
        var text = ""
        for name in families.keys.sorted() { families[name]?.append(to: &text) }
        return text
    }
}

package enum MetricKind: String, Sendable {
    case counter
    case gauge
    case histogram
}

protocol AnyFamily: Sendable {
    func append(to text: inout String)
}

/// The children of one metric name.
package final class MetricFamily<Child: Sendable>: AnyFamily {
    package let name: String
    package let labelNames: [String]
    private let help: String
    private let kind: MetricKind
    private let make: @Sendable () -> Child
    private let children = Mutex<[[String]: Child]>([:])

    init(name: String, help: String, kind: MetricKind, labelNames: [String], make: @escaping @Sendable () -> Child) {
        self.name = name
        self.help = help
        self.kind = kind
        self.labelNames = labelNames
        self.make = make
    }

    /// The child for these label values, in the order of the declared names; made on first use.
    ///
    /// Missing values count as empty and surplus ones are dropped, so that a mistake cannot take the process down.
    package func with(_ values: String...) -> Child { with(values) }

    package func with(_ values: [String]) -> Child {
        var key = Array(values.prefix(labelNames.count))
        while key.count < labelNames.count { key.append("") }
        return children.withLock { children in
            if let child = children[key] { return child }
            let child = make()
            children[key] = child
            return child
        }
    }

    /// Forgets every child whose first label values are `prefix`.
    package func remove(prefix: [String]) {
        children.withLock { children in
            children = children.filter { !$0.key.starts(with: prefix) }
        }
    }

    func append(to text: inout String) {
        let children = self.children.withLock { $0 }
        text += "# HELP \(name) \(help.replacing("\n", with: " "))\n# TYPE \(name) \(kind.rawValue)\n"
        for (values, child) in children.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
            let labels = zip(labelNames, values).map { "\($0)=\"\(escape($1))\"" }
            switch child {
            case let counter as Counter: text += line(name, labels, String(counter.value))
            case let gauge as Gauge: text += line(name, labels, String(gauge.value))
            case let histogram as Histogram: append(histogram, labels, to: &text)
            default: break
            }
        }
    }

    private func append(_ histogram: Histogram, _ labels: [String], to text: inout String) {
        let (counts, sum) = histogram.snapshot
        var cumulated: UInt64 = 0
        for (index, count) in counts.enumerated() {
            cumulated += count
            let bound = index < histogram.bounds.count ? "\(histogram.bounds[index])" : "+Inf"
            text += line(name + "_bucket", labels + ["le=\"\(bound)\""], String(cumulated))
        }
        text += line(name + "_sum", labels, "\(sum)")
        text += line(name + "_count", labels, String(cumulated))
    }

    private func line(_ name: String, _ labels: [String], _ value: String) -> String {
        labels.isEmpty ? "\(name) \(value)\n" : "\(name){\(labels.joined(separator: ","))} \(value)\n"
    }

    private func escape(_ value: String) -> String {
        value.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n")
    }
}
