internal import ArgumentParser
internal import Foundation
internal import KubeCore
internal import Packaging

/// Makes the container image of the product.
struct ImageExport: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Writes our image into a file, without Docker.",
        discussion: """
            The file is an OCI image layout in a tar; 'docker load', 'ctr images import' and 'skopeo copy oci-archive:FILE' \
            take it too. It holds the program, its loader and the shared libraries that it needs, taken from this machine. The \
            same program, libraries and time give the same bytes; the time is $SOURCE_DATE_EPOCH, else 1970.

            EXAMPLES
              outrigger image export -o outrigger.tar
              outrigger image export -o outrigger.tar --binary .build/release/outrigger
            """
    )
    @Option(name: [.customShort("o"), .customLong("file")], help: "File to write.") var file: String
    @Option(help: ArgumentHelp("Program to put in (default: the one that is running).", valueName: "path")) var binary:
        String?
    @Option(help: "Name of the image.") var name: String = Product.image
    @Flag(help: "Leave the layers uncompressed.") var uncompressed = false
    @Option(help: "json, yaml, table or none.") var output: OutputFormat = .table

    func run() async throws {
        let progress = Progress()
        let path = URL(fileURLWithPath: file).path
        let result = try await reportingPackaging {
            let program = try binary ?? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
            let builder = ImageBuilder(
                program: program,
                name: try ImageName(name),
                version: Product.version,
                created: try Self.created(),
                isCompressed: !uncompressed
            )
            return try await builder.write(to: path) { progress.say($0) }
        }
        if !result.isCompressed, !uncompressed {
            Message.warning("gzip is not installed, so the layers are not compressed")
        }
        let value: JSON = [
            "file": .string(path), "name": .string(name), "digest": .string(result.digest),
            "architecture": .string(result.architecture), "bytes": JSON(Int(result.bytes)),
            "libraries": JSON(result.libraries),
        ]
        try output.write(
            value,
            columns: [
                Column("FILE", "file"), Column("NAME", "name"), Column("ARCHITECTURE", "architecture"),
                Column("SIZE") { sizeText($0["bytes"]?.intValue ?? 0) }, Column("DIGEST", "digest"),
            ]
        )
    }

    private static func created() throws -> Int64 {
        guard let text = ProcessInfo.processInfo.environment["SOURCE_DATE_EPOCH"], !text.isEmpty else { return 0 }
        guard let seconds = Int64(text), seconds >= 0, seconds < 0o777_7777_7777 else {
            throw CommandError(
                "SOURCE_DATE_EPOCH is '\(text)'",
                remedy: "set it to seconds since 1970, or unset it",
                exitStatus: 2
            )
        }
        return seconds
    }
}
