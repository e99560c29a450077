package import KubeCore

/// Amounts of the resources that scheduling counts, as whole numbers.
package struct Resources: Sendable, Hashable {
    /// Thousandths of a core.
    package var cpu: Int = 0
    /// Bytes.
    package var memory: Int = 0
    /// Bytes.
    package var ephemeralStorage: Int = 0
    package var pods: Int = 0
    /// Everything else by name (`nvidia.com/gpu`, `hugepages-2Mi`).
    package var extended: [String: Int] = [:]

    package init(cpu: Int = 0, memory: Int = 0, ephemeralStorage: Int = 0, pods: Int = 0, extended: [String: Int] = [:])
    {
        self.cpu = cpu
        self.memory = memory
        self.ephemeralStorage = ephemeralStorage
        self.pods = pods
        self.extended = extended
    }

    /// Reads a resource list (`{"cpu": "500m", …}`); an amount that is no quantity counts as zero, because the server refused it.
    package init(_ list: JSON?) {
        for (name, amount) in list?.objectValue ?? [:] {
            guard let quantity = try? Quantity(amount) else { continue }
            self[name] = name == "cpu" ? quantity.milliValue : quantity.value
        }
    }

    /// The amount of a resource by its name in the API.
    package subscript(name: String) -> Int {
        get {
            switch name {
            case "cpu": cpu
            case "memory": memory
            case "ephemeral-storage": ephemeralStorage
            case "pods": pods
            default: extended[name] ?? 0
            }
        }
        set {
            switch name {
            case "cpu": cpu = newValue
            case "memory": memory = newValue
            case "ephemeral-storage": ephemeralStorage = newValue
            case "pods": pods = newValue
            default: extended[name] = newValue == 0 ? nil : newValue
            }
        }
    }

    /// Names with an amount, in a fixed order.
    package var names: [String] {
        var names: [String] = []
        if cpu != 0 { names.append("cpu") }
        if memory != 0 { names.append("memory") }
        if ephemeralStorage != 0 { names.append("ephemeral-storage") }
        if pods != 0 { names.append("pods") }
        return names + extended.keys.sorted()
    }

    package var isZero: Bool {
        cpu == 0 && memory == 0 && ephemeralStorage == 0 && pods == 0 && extended.isEmpty
    }

    package static func += (left: inout Resources, right: Resources) {
        left.cpu += right.cpu
        left.memory += right.memory
        left.ephemeralStorage += right.ephemeralStorage
        left.pods += right.pods
        for (name, amount) in right.extended { left.extended[name, default: 0] += amount }
    }

    package static func -= (left: inout Resources, right: Resources) {
        left.cpu -= right.cpu
        left.memory -= right.memory
        left.ephemeralStorage -= right.ephemeralStorage
        left.pods -= right.pods
        for (name, amount) in right.extended {
            let rest = (left.extended[name] ?? 0) - amount
            left.extended[name] = rest == 0 ? nil : rest
        }
    }

    package static func + (left: Resources, right: Resources) -> Resources {
        var sum = left
        sum += right
        return sum
    }

    package static func - (left: Resources, right: Resources) -> Resources {
        var rest = left
        rest -= right
        return rest
    }

    /// The larger amount of each resource.
    package mutating func formMaximum(_ other: Resources) {
        cpu = max(cpu, other.cpu)
        memory = max(memory, other.memory)
        ephemeralStorage = max(ephemeralStorage, other.ephemeralStorage)
        pods = max(pods, other.pods)
        for (name, amount) in other.extended { extended[name] = max(extended[name] ?? 0, amount) }
    }

    package func scaled(by factor: Double) -> Resources {
        func scale(_ amount: Int) -> Int { Int(Double(amount) * factor) }
        return Resources(
            cpu: scale(cpu),
            memory: scale(memory),
            ephemeralStorage: scale(ephemeralStorage),
            pods: scale(pods),
            extended: extended.mapValues(scale)
        )
    }

    /// True when no asked amount exceeds what `free` has; resources that are not asked for do not count.
    package func fits(in free: Resources) -> Bool {
        if cpu > free.cpu && cpu > 0 { return false }
        if memory > free.memory && memory > 0 { return false }
        if ephemeralStorage > free.ephemeralStorage && ephemeralStorage > 0 { return false }
        if pods > free.pods && pods > 0 { return false }
        for (name, amount) in extended where amount > 0 && amount > free.extended[name] ?? 0 { return false }
        return true
    }

    /// Names of the resources of which more is asked than `free` has.
    package func shortages(in free: Resources) -> [String] { names.filter { self[$0] > 0 && self[$0] > free[$0] } }

    /// An amount as people write it: `500m`, `2Gi`, `4`.
    package static func text(_ amount: Int, of name: String) -> String {
        switch name {
        case "cpu": Quantity(milli: amount).description
        case "memory", "ephemeral-storage": Quantity(amount, format: .binarySI).description
        default: name.hasPrefix("hugepages-") ? Quantity(amount, format: .binarySI).description : String(amount)
        }
    }

    /// The resource list of the API.
    package var json: JSON {
        var members: [String: JSON] = [:]
        for name in names { members[name] = .string(Self.text(self[name], of: name)) }
        return .object(members)
    }
}

extension Resources {
    /// What the scheduler reserves for a pod.
    ///
    /// App containers and sidecars run together; each other init container runs with the sidecars started before it. An
    /// amount given for the pod as a whole replaces the sum. Source: KEP 753, KEP 2837.
    package static func requests(ofPodSpec spec: JSON?) -> Resources {
        var total = Resources()
        for container in spec?["containers"]?.arrayValue ?? [] {
            total += Resources(container["resources"]?["requests"])
        }
        var sidecars = Resources()
        var initial = Resources()
        for container in spec?["initContainers"]?.arrayValue ?? [] {
            let requests = Resources(container["resources"]?["requests"])
            if container["restartPolicy"]?.stringValue == "Always" {
                sidecars += requests
                initial.formMaximum(sidecars)
            } else {
                initial.formMaximum(requests + sidecars)
            }
        }
        total += sidecars
        total.formMaximum(initial)
        for (name, _) in spec?["resources"]?["requests"]?.objectValue ?? [:] {
            total[name] = Resources(spec?["resources"]?["requests"])[name]
        }
        total += Resources(spec?["overhead"])
        total.pods = 1
        return total
    }
}
