import Foundation
import KubeCore
import Testing

@testable import NodeAgent

@Suite("Files of the node agent")
struct NodeFilesTests {
    private func withFolder(_ body: (String) throws -> Void) throws {
        let folder = NSTemporaryDirectory() + "/outrigger-files-" + UUID().uuidString
        try Files.makeDirectory(folder)
        defer { try? Files.remove(folder) }
        try body(folder)
    }

    private func text(_ path: String) -> String? { try? String(contentsOfFile: path, encoding: .utf8) }

    @Test("A volume changes all at once and shows exactly its files")
    func atomicFolder() throws {
        try withFolder { folder in
            let volume = AtomicFolder(path: folder + "/v", gid: nil)
            func file(_ text: String, _ mode: Int = 0o644) -> VolumeFile {
                VolumeFile(bytes: Array(text.utf8), mode: mode)
            }
            #expect(try volume.write(["a": file("1"), "d/b": file("2", 0o400)]))
            #expect(text(folder + "/v/a") == "1")
            #expect(text(folder + "/v/d/b") == "2")
            #expect(Files.status(folder + "/v/d/b", followLinks: true)?.st_mode ?? 0 & 0o777 == 0o100400)
            #expect(try !volume.write(["a": file("1"), "d/b": file("2", 0o400)]))
            let before = try FileManager.default.destinationOfSymbolicLink(atPath: folder + "/v/..data")
            #expect(try volume.write(["a": file("3")]))
            let after = try FileManager.default.destinationOfSymbolicLink(atPath: folder + "/v/..data")
            #expect(before != after)
            #expect(text(folder + "/v/a") == "3")
            #expect(Files.list(folder + "/v").sorted() == ["..data", after, "a"].sorted())
        }
    }

    private func lines(_ count: Int, from start: Int = 0) -> String {
        (start..<(start + count)).map { "2026-01-01T00:00:\($0 < 10 ? "0" : "")\($0).000000000Z stdout F line \($0)\n" }
            .joined()
    }

    private func options(_ change: (inout LogOptions) -> Void = { _ in }) throws -> LogOptions {
        var options = try LogOptions(query: [:], now: 0)
        change(&options)
        return options
    }

    private func read(_ path: String, _ options: LogOptions) throws -> String {
        var reader = LogReader(path: path, files: 5, options: options)
        defer { reader.close() }
        return String(decoding: try reader.next() ?? [], as: UTF8.self)
    }

    @Test("Logs are read over rotated files, from the end, since a time, with a limit")
    func logs() throws {
        try withFolder { folder in
            let path = folder + "/0.log"
            try Files.write(path + ".1", lines(3))
            try Files.write(path, lines(2, from: 3))
            #expect(try read(path, options()) == "line 0\nline 1\nline 2\nline 3\nline 4\n")
            #expect(try read(path, options { $0.tailLines = 3 }) == "line 2\nline 3\nline 4\n")
            #expect(try read(path, options { $0.tailLines = 0 }) == "")
            #expect(try read(path, options { $0.tailLines = 100 }).split(separator: "\n").count == 5)
            #expect(try read(path, options { $0.since = "2026-01-01T00:00:04Z" }) == "line 4\n")
            #expect(try read(path, options { $0.limitBytes = 9 }) == "line 0\nli")
            #expect(
                try read(
                    path,
                    options {
                        $0.tailLines = 1
                        $0.withTimestamps = true
                    }
                ) == "2026-01-01T00:00:04.000000000Z line 4\n"
            )
            #expect(try read(path, options { $0.stream = "stderr" }) == "")
        }
    }

    @Test("A line in pieces is one line")
    func partialLines() throws {
        try withFolder { folder in
            let path = folder + "/0.log"
            try Files.write(
                path,
                "2026-01-01T00:00:00Z stdout F a\n2026-01-01T00:00:01Z stdout P b1\n2026-01-01T00:00:01Z stdout F b2\n2026-01-01T00:00:02Z stdout P end\n"
            )
            #expect(try read(path, options()) == "a\nb1b2\nend")
            #expect(try read(path, options { $0.tailLines = 2 }) == "b1b2\nend")
        }
    }

    @Test("Following goes on over a rotation and misses nothing")
    func follow() throws {
        try withFolder { folder in
            let path = folder + "/0.log"
            try Files.write(path, lines(1))
            var reader = LogReader(path: path, files: 5, options: try options { $0.isFollowing = true })
            defer { reader.close() }
            #expect(try reader.next().map { String(decoding: $0, as: UTF8.self) } == "line 0\n")
            #expect(try reader.next() == [])
            let handle = try #require(FileHandle(forWritingAtPath: path))
            try handle.seekToEnd()
            try handle.write(contentsOf: Data(lines(1, from: 1).utf8))
            try FileManager.default.moveItem(atPath: path, toPath: path + ".1")
            try handle.write(contentsOf: Data(lines(1, from: 2).utf8))
            try handle.close()
            try Files.write(path, lines(1, from: 3) + "2026-01-01T00:00:09Z stdout F unfini")
            #expect(try reader.next().map { String(decoding: $0, as: UTF8.self) } == "line 1\nline 2\nline 3\n")
        }
    }

    @Test("The termination message is the file, or the end of the log on failure")
    func terminationMessage() throws {
        try withFolder { folder in
            let own = ContainerPaths(root: folder)
            let record = ContainerRecord(
                id: "i",
                podUID: "u",
                name: "a",
                attempt: 0,
                image: "",
                imageID: "",
                createdAt: 0,
                backoffSeconds: 0,
                logPath: folder + "/0.log",
                cgroupPath: "",
                hasTerminal: false,
                hasStdin: false,
                isPostStartDone: true
            )
            try Files.write(record.logPath, lines(2))
            let plain = ContainerModel(["name": "a"], isInit: false)
            let falling = ContainerModel(
                ["name": "a", "terminationMessagePolicy": "FallbackToLogsOnError"],
                isInit: false
            )
            #expect(TerminationMessage.read(plain, paths: own, record: record, exit: exited(1)) == "")
            #expect(TerminationMessage.read(falling, paths: own, record: record, exit: exited(1)) == "line 0\nline 1\n")
            #expect(TerminationMessage.read(falling, paths: own, record: record, exit: exited(0)) == "")
            try Files.write(own.terminationLog, "why")
            #expect(TerminationMessage.read(falling, paths: own, record: record, exit: exited(1)) == "why")
        }
    }

    @Test("Records and exit files survive a round trip; a container without a monitor is lost")
    func records() throws {
        try withFolder { folder in
            let own = ContainerPaths(root: folder)
            #expect(own.presence() == .lost(pid: nil))
            try Files.write(
                own.exit,
                #"{"exitCode":137,"signal":9,"oomKilled":true,"finishedAt":"2026-01-01T00:00:00Z"}"#
            )
            guard case .exited(let exit) = own.presence() else {
                Issue.record("not exited")
                return
            }
            #expect(exit.reason == "OOMKilled")
            #expect(ContainerExit(exit.json) == exit)
            var record = PodRecord(pod: makePod(["containers": [["name": "a"]]]))
            record.hasInitialized = true
            try record.save(folder + "/pod.json")
            #expect(PodRecord.load(folder + "/pod.json")?.hasInitialized == true)
        }
    }

    @Test("A subPath may not lead out of its volume")
    func subPath() throws {
        try withFolder { folder in
            let volume = folder + "/v"
            try Files.makeDirectory(volume)
            #expect(try VolumeMounts.resolve("a/b", in: volume).hasSuffix("/v/a/b"))
            #expect(throws: NodeAgentError.self) { try VolumeMounts.resolve("../x", in: volume) }
            try FileManager.default.createSymbolicLink(atPath: volume + "/out", withDestinationPath: folder)
            #expect(throws: NodeAgentError.self) { try VolumeMounts.resolve("out/x", in: volume) }
        }
    }

    @Test("The table of mounts")
    func mountTable() {
        let text = "22 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n30 22 0:5 / /a\\040b rw shared:1 - tmpfs none rw\n"
        #expect(
            Mounts.parse(text) == [
                .init(target: "/", type: "ext4", source: "/dev/vda"),
                .init(target: "/a b", type: "tmpfs", source: "none"),
            ]
        )
        let table = [
            Mounts.Entry(target: "/", type: "ext4", source: ""), .init(target: "/usr", type: "ext4", source: ""),
            .init(target: "/home", type: "ext4", source: ""), .init(target: "/var/run/x", type: "tmpfs", source: ""),
        ]
        #expect(HostImage.systemMounts(table, excluding: ["/home"]) == ["/usr"])
    }

    @Test("GPUs have one owner each")
    func gpus() async throws {
        let allocator = GPUAllocator(present: [0, 1, 2])
        #expect(try await allocator.allocate(2, podUID: "a") == [0, 1])
        await #expect(throws: NodeAgentError.self) { try await allocator.allocate(2, podUID: "b") }
        await allocator.release(podUID: "a")
        #expect(try await allocator.allocate(3, podUID: "b") == [0, 1, 2])
    }
}
