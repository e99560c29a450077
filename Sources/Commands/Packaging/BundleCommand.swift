internal import ArgumentParser
internal import Foundation
internal import KubeCore
internal import Packaging

struct BundleCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bundle",
        abstract: "Keeps the third-party releases that the extension installs on real clusters.",
        discussion: """
            A bundle is the published manifest of one release, fetched once and checked against the SHA-256 that this program \
            knows. Bundles lie in the folder 'bundles' of the data folder. A cluster without internet gets them from here.

            EXAMPLES
              outrigger bundle pull
              outrigger bundle list --output table
              outrigger bundle export -o bundles.tar
              outrigger bundle import bundles.tar        # on the machine without internet
              outrigger bundle images --registry registry.example/ml --output table
            """,
        subcommands: [Pull.self, List.self, Export.self, Import.self, Images.self]
    )
}

extension BundleCommand {
    struct Pull: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Fetches releases and checks their sums.",
            discussion: """
                Without names: every release that publishes a manifest. Nothing is stored when a sum is wrong. The environment \
                variables HTTPS_PROXY and NO_PROXY are honoured.

                EXAMPLES
                  outrigger bundle pull
                  outrigger bundle pull volcano kube-state-metrics
                  outrigger bundle pull --source https://mirror.example/github
                """
        )
        @OptionGroup var instance: InstanceOptions
        @OptionGroup var output: OutputOptions
        @Argument(help: "Names of components; see 'outrigger bundle list'.") var components: [String] = []
        @Option(
            help: ArgumentHelp(
                "Mirror: replaces scheme and host of every address (default: $OUTRIGGER_BUNDLE_SOURCE, then none).",
                valueName: "url"
            )
        )
        var source: String?
        @Option(
            name: .customLong("sha256"),
            help: ArgumentHelp("Sum of a file whose sum is not known here; may be repeated.", valueName: "file=sum")
        )
        var sums: [String] = []
        @Flag(help: "Fetch again what is stored already.") var replace = false

        func run() async throws {
            let environment = ProcessInfo.processInfo.environment["OUTRIGGER_BUNDLE_SOURCE"]
            let mirror = source ?? environment.flatMap { $0.isEmpty ? nil : $0 }
            let checksums = try Self.checksums(sums)
            let indexes = try await reportingPackaging {
                let pins = try pins()
                let store = BundleStore(folder: instance.layout.bundles)
                var indexes: [BundleIndex] = []
                for pin in pins {
                    let own = checksums.filter { sum in pins.count == 1 || pin.files.contains { $0.name == sum.key } }
                    indexes.append(
                        try await store.pull(
                            pin,
                            from: BundleSource(mirror: mirror),
                            checksums: own,
                            isReplacing: replace,
                            progress: PullProgress().say
                        )
                    )
                }
                return indexes
            }
            try output.output.write(.array(indexes.map(BundleView.view)), columns: BundleView.columns)
        }

        private func pins() throws -> [BundlePin] {
            if components.isEmpty { return BundleCatalogue.all.filter { !$0.files.isEmpty } }
            return try components.map(BundleCatalogue.pin)
        }

        private static func checksums(_ texts: [String]) throws -> [String: String] {
            var sums: [String: String] = [:]
            for text in texts {
                let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
                guard parts.count == 2 else {
                    throw CommandError("--sha256 \(text): not FILE=SUM", remedy: "write FILE=SUM", exitStatus: 2)
                }
                sums[parts[0]] = parts[1].lowercased()
            }
            return sums
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists the releases that are known, and which of them are stored.",
            discussion: """
                What is stored is read and its sums are checked. 'image only' is a release without a manifest: its objects are \
                made by the extension.

                EXAMPLES
                  outrigger bundle list --output table
                """
        )
        @OptionGroup var instance: InstanceOptions
        @OptionGroup var output: OutputOptions

        func run() async throws {
            let store = BundleStore(folder: instance.layout.bundles)
            var rows = BundleCatalogue.all.map { BundleView.row($0, store) }
            let others = try await reportingPackaging {
                try store.list().filter { BundleCatalogue.pin($0.component, version: $0.version) == nil }
            }
            rows += others.map { index in
                var row = BundleView.view(index)
                row["state"] = "stored, not used by this version"
                return row
            }
            try output.output.write(.array(rows), columns: BundleView.listColumns)
        }
    }

    struct Export: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Writes stored bundles into one file.",
            discussion: """
                The same bundles give the same bytes.

                EXAMPLES
                  outrigger bundle export -o bundles.tar
                """
        )
        @OptionGroup var instance: InstanceOptions
        @Option(name: [.customShort("o"), .customLong("file")], help: "File to write.") var file: String
        @Argument(help: "Names of components (default: all that are stored).") var components: [String] = []

        func run() async throws {
            try await reportingPackaging {
                let store = BundleStore(folder: instance.layout.bundles)
                let stored = try store.list()
                for name in components where !stored.contains(where: { $0.component == name }) {
                    _ = try BundleCatalogue.pin(name)
                    throw PackagingError(
                        .unknownBundle,
                        "no bundle of \(name) is stored",
                        remedy: "run: outrigger bundle pull \(name)"
                    )
                }
                let chosen = components.isEmpty ? stored : stored.filter { components.contains($0.component) }
                let written = try store.export(chosen, to: file)
                let names = written.map { "\($0.component) \($0.version)" }.joined(separator: ", ")
                Progress().say("\(file): \(names)")
            }
        }
    }

    struct Import: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "import",
            abstract: "Stores the bundles of a file that 'bundle export' wrote.",
            discussion: """
                Every file is checked against the sums in the archive and against those that this program knows; nothing is \
                stored when one is wrong.

                EXAMPLES
                  outrigger bundle import bundles.tar
                """
        )
        @OptionGroup var instance: InstanceOptions
        @OptionGroup var output: OutputOptions
        @Argument(help: "File to read.") var file: String

        func run() async throws {
            let indexes = try await reportingPackaging {
                try BundleStore(folder: instance.layout.bundles).importArchive(file)
            }
            try output.output.write(.array(indexes.map(BundleView.view)), columns: BundleView.columns)
        }
    }

    struct Images: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists the images that a cluster needs, and their names in a private registry.",
            discussion: """
                'target' is the name that the setting imageRegistry=REGISTRY makes of 'source'.

                EXAMPLES
                  outrigger bundle images --registry registry.example/ml --output table
                """
        )
        @OptionGroup var output: OutputOptions
        @Option(help: "Private registry, perhaps with a path; the value of the setting imageRegistry.") var registry:
            String?

        func run() async throws {
            let rows = try await reportingPackaging {
                var rows = [try row("outrigger", BundlePin.Image(Product.image))]
                for pin in BundleCatalogue.all { rows += try pin.images.map { try row(pin.component, $0) } }
                return rows
            }
            try output.output.write(
                .array(rows),
                columns: [Column("COMPONENT", "component"), Column("SOURCE", "source"), Column("TARGET", "target")]
            )
        }

        private func row(_ component: String, _ image: BundlePin.Image) throws -> JSON {
            var row: JSON = ["component": .string(component), "source": .string(image.pinned)]
            if let registry {
                var name = try ImageName(image.pinned)
                // Whoever copies an image gives it a tag; the digest comes along by itself.
                name.digest = nil
                row["target"] = .string(name.rewritten(registry: registry))
            }
            return row
        }
    }
}

/// How bundles are shown.
enum BundleView {
    static let columns = [
        Column("COMPONENT", "component"), Column("VERSION", "version"),
        Column("FILES") { "\($0["files"]?.arrayValue?.count ?? 0)" },
        Column("SIZE") { sizeText($0["bytes"]?.intValue ?? 0) },
    ]

    static let listColumns = [
        Column("COMPONENT", "component"), Column("VERSION", "version"), Column("KUBERNETES", "kubernetes"),
        Column("FILES") { "\($0["files"]?.arrayValue?.count ?? 0)" }, Column("STATE", "state"),
    ]

    static func view(_ index: BundleIndex) -> JSON {
        [
            "component": .string(index.component), "version": .string(index.version), "bytes": JSON(index.bytes),
            "files": .array(
                index.files.map { file in
                    [
                        "name": .string(file.name), "url": .string(file.url), "sha256": .string(file.sha256),
                        "bytes": JSON(file.bytes),
                    ]
                }
            ),
            "images": JSON(index.images.map(\.pinned)),
        ]
    }

    /// A release of the catalogue and its state on this machine.
    static func row(_ pin: BundlePin, _ store: BundleStore) -> JSON {
        let files: [JSON] = pin.files.map { file in
            ["url": .string(file.url), "sha256": file.sha256.map(JSON.string) ?? .null]
        }
        return [
            "component": .string(pin.component), "version": .string(pin.version),
            "kubernetes": pin.kubernetes.map(JSON.string) ?? .null, "files": .array(files),
            "images": JSON(pin.images.map(\.pinned)), "state": .string(state(pin, store)),
        ]
    }

    private static func state(_ pin: BundlePin, _ store: BundleStore) -> String {
        if pin.files.isEmpty { return "image only" }
        do {
            guard let index = try store.index(pin.component, pin.version) else { return "not stored" }
            try store.verify(index)
            return "stored"
        } catch {
            return "damaged: \((error as? PackagingError)?.message ?? "\(error)")"
        }
    }
}

/// Lines about a pull, on standard error: one for each file and one for each 4 MiB.
struct PullProgress: Sendable {
    private let progress = Progress()

    @Sendable func say(_ event: BundleProgress) {
        switch event {
        case .present(let component, let version):
            progress.say("\(component) \(version): stored already, sums are right")
        case .fetching(let file, let position, let count, _): progress.say("fetching \(file) (\(position) of \(count))")
        case .received(let file, let bytes, let total):
            guard bytes >= 4 << 20 else { return }
            let whole = total.map { " of \(sizeText($0))" } ?? ""
            progress.say("fetching \(file): \((bytes >> 22) << 2) MiB\(whole)")
        case .stored(let component, let version, let bytes):
            progress.say("\(component) \(version): stored, \(sizeText(bytes))")
        }
    }
}
