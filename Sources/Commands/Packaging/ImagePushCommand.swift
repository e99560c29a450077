internal import ArgumentParser
internal import Foundation
internal import KubeCore
internal import Packaging

/// Sends the container image of the product to a registry.
struct ImagePushCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "push",
        abstract: "Sends our image to a registry, without Docker.",
        discussion: """
            With --registry R the image gets the name that the extension setting imageRegistry=R expects. Without --file the \
            image is made first, of the program that is running. User and password come from --username and \
            --password-stdin, else from what 'docker login' or 'podman login' stored. HTTPS_PROXY and NO_PROXY are honoured.

            EXAMPLES
              outrigger image push registry.example/ml/outrigger:\(Product.version)
              outrigger image push --registry registry.example/ml --file outrigger.tar
              outrigger image push localhost:5000/outrigger:test --insecure
              echo "$TOKEN" | outrigger image push ghcr.io/me/outrigger:1 --username me --password-stdin
            """
    )
    @Argument(help: "Name to push to: REGISTRY/REPOSITORY:TAG.") var reference: String?
    @Option(help: "Registry, perhaps with a path, in place of a name.") var registry: String?
    @Option(help: "File that 'image export' wrote.") var file: String?
    @Option(name: [.short, .long], help: "User at the registry.") var username: String?
    @Flag(help: "Read the password from standard input.") var passwordStdin = false
    @Flag(help: "Plain HTTP, for a registry on this machine.") var insecure = false
    @Option(help: ArgumentHelp("Authority (PEM) to trust besides the system's.", valueName: "path")) var caFile: String?
    @Option(help: ArgumentHelp("Send layers in chunks of this many MiB (default: whole).", valueName: "mib"))
    var chunkSize: Int?
    @Option(help: "json, yaml, table or none.") var output: OutputFormat = .table

    func validate() throws {
        guard (reference == nil) != (registry == nil) else {
            throw ValidationError("give either REGISTRY/REPOSITORY:TAG or --registry REGISTRY")
        }
        guard (username != nil) == passwordStdin else {
            throw ValidationError("--username and --password-stdin go together")
        }
        if let chunkSize, !(1...1024).contains(chunkSize) {
            throw ValidationError("--chunk-size \(chunkSize): must be 1 to 1024 MiB")
        }
    }

    func run() async throws {
        let result = try await reportingPackaging {
            let name = try target()
            let options = RegistryOptions(
                credentials: try credentials(name.registry),
                isInsecure: insecure,
                authorityFile: caFile,
                chunkBytes: chunkSize.map { $0 << 20 }
            )
            if let file { return try await push(file, name, options) }
            let folder = FileManager.default.temporaryDirectory.path + "/outrigger-image-" + UUID().uuidString
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            defer { try? FileManager.default.removeItem(atPath: folder) }
            let program = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
            let progress = Progress()
            let archive = folder + "/image.tar"
            let builder = ImageBuilder(program: program, name: name, version: Product.version)
            _ = try await builder.write(to: archive) { progress.say($0) }
            return try await push(archive, name, options)
        }
        try output.write(result, columns: [Column("NAME", "name"), Column("DIGEST", "digest")])
    }

    private func target() throws -> ImageName {
        let text = try registry.map { try ImageName(Product.image).rewritten(registry: $0) } ?? reference ?? ""
        var name = try ImageName(text)
        guard name.namesRegistry else {
            throw PackagingError(
                .badReference,
                "'\(text)' names no registry",
                remedy: "write REGISTRY/REPOSITORY:TAG; docker.io/USER/outrigger:\(Product.version) is Docker Hub"
            )
        }
        guard name.digest == nil else {
            throw PackagingError(
                .badReference,
                "'\(text)' has a digest",
                remedy: "push to a tag: leave away what follows '@'"
            )
        }
        if name.tag == nil { name.tag = Product.version }
        return name
    }

    private func credentials(_ registry: String) throws -> RegistryCredentials? {
        guard let username else { return try RegistryCredentials.stored(for: registry) }
        let data = FileHandle.standardInput.readDataToEndOfFile()
        let password = String(decoding: data, as: UTF8.self).trimmingCharacters(in: .newlines)
        guard !password.isEmpty else {
            throw CommandError("standard input holds no password", remedy: "pipe it in", exitStatus: 2)
        }
        return RegistryCredentials(user: username, password: password)
    }

    private func push(_ file: String, _ name: ImageName, _ options: RegistryOptions) async throws -> JSON {
        let progress = Progress()
        let push = ImagePush(archive: try ImageArchive(file), name: name, options: options)
        let digest = try await push.run { event in
            switch event {
            case .present(let digest, _): progress.say("\(Self.short(digest)): already there")
            case .sending(let digest, let bytes, let position, let count):
                progress.say("\(Self.short(digest)): sending \(sizeText(bytes)) (\(position) of \(count))")
            case .done: break
            }
        }
        return ["name": .string("\(name)"), "digest": .string(digest)]
    }

    private static func short(_ digest: String) -> String { String(digest.prefix(19)) }
}
