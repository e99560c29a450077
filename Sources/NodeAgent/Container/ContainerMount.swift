internal import KubeCore

/// One mount of a container, in the order of the list.
struct ContainerMount: Sendable, Hashable {
    var destination: String
    /// A path on this machine; for other types a name.
    var source: String
    var type = "bind"
    var options: [String] = []

    /// A bind mount of a file or folder of this machine.
    static func bind(
        _ source: String,
        at destination: String,
        readOnly: Bool = false,
        propagation: String = "rprivate"
    ) -> ContainerMount {
        ContainerMount(
            destination: destination,
            source: source,
            options: ["rbind", propagation, readOnly ? "ro" : "rw"]
        )
    }

    static func memory(at destination: String, mode: String, readOnly: Bool = false) -> ContainerMount {
        ContainerMount(
            destination: destination,
            source: "tmpfs",
            type: "tmpfs",
            options: ["nosuid", "nodev", "mode=" + mode, "size=64m", readOnly ? "ro" : "rw"]
        )
    }

    var json: JSON {
        [
            "destination": .string(destination), "source": .string(source), "type": .string(type),
            "options": JSON(options),
        ]
    }
}
