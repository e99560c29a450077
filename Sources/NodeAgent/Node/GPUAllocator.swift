/// Which pod has which GPU of this machine. Values come back from the pods' records after a restart.
actor GPUAllocator {
    private let present: [Int]
    private var owners: [Int: String] = [:]

    init(present: [Int]) { self.present = present }

    /// Takes note of what a pod already has.
    func claim(_ indexes: [Int], podUID: String) { for index in indexes { owners[index] = podUID } }

    /// - Throws: `.configuration` when too few are free.
    func allocate(_ count: Int, podUID: String) throws -> [Int] {
        let free = present.filter { owners[$0] == nil }
        guard free.count >= count else {
            throw NodeAgentError(
                .configuration,
                "the pod asks for \(count) GPUs, of this node's \(present.count) only \(free.count) are free"
            )
        }
        let chosen = Array(free.prefix(count))
        claim(chosen, podUID: podUID)
        return chosen
    }

    func release(podUID: String) { owners = owners.filter { $0.value != podUID } }
}
