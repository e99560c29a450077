import Foundation
import KubeCore
import Testing

@testable import Packaging

@Suite(.timeLimit(.minutes(1))) struct ImageTests {
    private func builder(_ program: String = "/bin/ls", isCompressed: Bool = true) throws -> ImageBuilder {
        ImageBuilder(
            program: program,
            name: try ImageName("outrigger.ml/outrigger:0.1.0"),
            version: "0.1.0",
            created: 1_700_000_000,
            isCompressed: isCompressed
        )
    }

    /// Unpacks an archive, and the image in it, with the tar program only.
    private func unpack(_ archive: String, in folder: String) throws -> (root: String, layout: String) {
        let layout = folder + "/layout"
        let root = folder + "/root"
        for path in [layout, root] {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        }
        #expect(try run("/bin/tar", ["-xf", archive, "-C", layout]).1 == 0)
        let docker = try json(layout + "/manifest.json")
        for layer in docker[0]?["Layers"]?.stringArray ?? [] {
            let (said, status) = try run("/bin/tar", ["-xf", layout + "/" + layer, "-C", root])
            #expect(status == 0, "\(said)")
        }
        return (root, layout)
    }

    private func json(_ path: String) throws -> JSON {
        try JSON(parsing: try Data(contentsOf: URL(fileURLWithPath: path)))
    }

    @Test(
        "The archive is a layout whose digests and sizes hold, for containerd and for Docker",
        arguments: [true, false]
    )
    func layout(isCompressed: Bool) async throws {
        try await withFolder { folder in
            let result = try await builder(isCompressed: isCompressed).write(to: folder + "/image.tar")
            let (root, layout) = try unpack(folder + "/image.tar", in: folder)
            #expect(try json(layout + "/oci-layout") == ["imageLayoutVersion": "1.0.0"])
            let descriptor = try #require(try json(layout + "/index.json")["manifests"]?[0])
            #expect(descriptor["digest"]?.stringValue == result.digest)
            #expect(descriptor[path: "annotations", "io.containerd.image.name"] == "outrigger.ml/outrigger:0.1.0")
            #expect(descriptor[path: "annotations", "org.opencontainers.image.ref.name"] == "0.1.0")
            func blob(_ descriptor: JSON) throws -> Data {
                let digest = try #require(descriptor["digest"]?.stringValue)
                let data = try Data(contentsOf: URL(fileURLWithPath: layout + "/blobs/sha256/" + digest.dropFirst(7)))
                #expect(Checksum.digest(data) == digest)
                #expect(data.count == descriptor["size"]?.intValue)
                return data
            }
            let manifest = try JSON(parsing: try blob(descriptor))
            let configuration = try JSON(parsing: try blob(try #require(manifest["config"])))
            #expect(configuration["created"] == "2023-11-14T22:13:20Z")
            #expect(configuration[path: "config", "User"] == "65532:65532")
            #expect(configuration[path: "config", "Entrypoint"] == ["/usr/local/bin/outrigger"])
            #expect(configuration["architecture"]?.stringValue == (try ELFFile("/bin/ls").architecture?.name))
            let layers = manifest["layers"]?.arrayValue ?? []
            #expect(layers.count == 2)
            for (index, layer) in layers.enumerated() {
                let data = try blob(layer)
                let type = "application/vnd.oci.image.layer.v1.tar" + (isCompressed ? "+gzip" : "")
                #expect(layer["mediaType"]?.stringValue == type)
                let plain = folder + "/plain-\(index)"
                try data.write(to: URL(fileURLWithPath: plain + ".packed"))
                if isCompressed {
                    try await Gzip.expand(plain + ".packed", to: plain)
                } else {
                    try FileManager.default.moveItem(atPath: plain + ".packed", toPath: plain)
                }
                let sum = "sha256:" + (try Checksum.file(plain))
                #expect(configuration[path: "rootfs", "diff_ids"]?[index]?.stringValue == sum)
            }
            #expect(
                try FileManager.default.attributesOfItem(atPath: root + "/tmp")[.posixPermissions] as? Int == 0o1777
            )
            let passwd = try String(contentsOfFile: root + "/etc/passwd", encoding: .utf8)
            #expect(passwd.contains("outrigger:x:65532:65532:") && passwd.contains("nobody:"))
            #expect(
                try FileManager.default.contentsOfDirectory(atPath: folder).contains { $0.hasPrefix(".partial") }
                    == false
            )
        }
    }

    @Test("The same program gives the same bytes")
    func reproducible() async throws {
        try await withFolder { folder in
            let first = try await builder().write(to: folder + "/1.tar")
            let second = try await builder().write(to: folder + "/2.tar")
            #expect(first.digest == second.digest)
            #expect(try Checksum.file(folder + "/1.tar") == Checksum.file(folder + "/2.tar"))
        }
    }

    /// Our own program where it has been built, else one that needs several libraries.
    static let programs: [String] = {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().path
        let own = [".build/release/outrigger", ".build/debug/outrigger"].map { folder + "/" + $0 }
        // gzip calls itself as its file is called.
        return (own + ELFTests.programs.filter { !$0.hasSuffix("gzip") }).filter(FileManager.default.isExecutableFile)
    }()

    /// Runs a program with another root file system, where only `/proc` is added.
    private func runInside(_ root: String, _ command: [String]) throws -> (String, Int32) {
        try FileManager.default.createDirectory(atPath: root + "/proc", withIntermediateDirectories: true)
        let script =
            #"mount -t proc proc "$1/proc" && root=$1 && shift && exec chroot --userspec=65532:65532 "$root" "$@""#
        return try run("/usr/bin/unshare", ["--mount", "/bin/sh", "-c", script, "sh", root] + command)
    }

    @Test("The program runs with nothing but what is in the image", .enabled(if: geteuid() == 0), arguments: programs)
    func runs(program: String) async throws {
        try await withFolder { folder in
            _ = try await builder(program, isCompressed: false).write(to: folder + "/image.tar")
            let (root, _) = try unpack(folder + "/image.tar", in: folder)
            let (said, status) = try runInside(root, ["/usr/local/bin/outrigger", "--version"])
            #expect(status == 0, "\(said)")
            #expect(
                said
                    == (try run(program, ["--version"]).0).replacing(
                        program,
                        with: "/usr/local/bin/outrigger"
                    )
            )
        }
    }

    @Test(
        "Beside a foreign C library it runs through its own loader",
        .enabled(if: geteuid() == 0),
        arguments: programs.prefix(2)
    )
    func runsElsewhere(program: String) async throws {
        try await withFolder { folder in
            let result = try await builder(program, isCompressed: false).write(to: folder + "/image.tar")
            let (root, _) = try unpack(folder + "/image.tar", in: folder)
            // A root file system with no library at all stands for a user's image; only one folder was copied into it.
            let lib = folder + "/other/outrigger/lib"
            try FileManager.default.createDirectory(atPath: lib, withIntermediateDirectories: true)
            let interpreter = try #require(try ELFFile(program).interpreter)
            for path in result.libraries where path.contains(".so") {
                let name = path == interpreter ? "ld.so" : (path as NSString).lastPathComponent
                try FileManager.default.copyItem(atPath: root + path, toPath: lib + "/" + name)
            }
            try FileManager.default.copyItem(atPath: root + "/usr/local/bin/outrigger", toPath: lib + "/program")
            let loader = ["/outrigger/lib/ld.so", "--library-path", "/outrigger/lib"]
            let (said, status) = try runInside(folder + "/other", loader + ["/outrigger/lib/program", "--version"])
            #expect(status == 0, "\(said)")
            #expect(
                said
                    == (try run(program, ["--version"]).0).replacing(
                        program,
                        with: "/outrigger/lib/program"
                    )
            )
        }
    }

    @Test("A script is refused, and nothing is left behind")
    func script() async throws {
        try await withFolder { folder in
            try Data("#!/bin/sh\n".utf8).write(to: URL(fileURLWithPath: folder + "/script"))
            let error = await failure { _ = try await builder(folder + "/script").write(to: folder + "/image.tar") }
            #expect(error?.code == .badProgram)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["script"])
        }
    }

    @Test("A changed layer is noticed before anything is sent")
    func changedLayer() async throws {
        try await withFolder { folder in
            let path = folder + "/image.tar"
            _ = try await builder().write(to: path)
            let archive = try ImageArchive(path)
            #expect(archive.tag == "0.1.0")
            #expect(archive.blobs.count == 3)
            var data = try Data(contentsOf: URL(fileURLWithPath: path))
            data[Int(archive.blobs[1].offset) + 20] ^= 1
            try data.write(to: URL(fileURLWithPath: path))
            #expect(await failure { _ = try ImageArchive(path) }?.code == .checksumMismatch)
            try Data(repeating: 0, count: 2048).write(to: URL(fileURLWithPath: path))
            #expect(await failure { _ = try ImageArchive(path) }?.code == .badArchive)
        }
    }
}
