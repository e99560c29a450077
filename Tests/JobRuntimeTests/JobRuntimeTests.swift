import Foundation
import KubeCore
import MLTypes
import Testing

@testable import JobRuntime

@Suite("Blob addresses")
struct BlobLocationTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var uri: String
        var container: String
        var path: String
        var testDescription: String { uri }
    }

    @Test(
        "Container and path are told apart",
        arguments: [
            Case(uri: "https://h:1/store.blob.x/c/a/b/", container: "https://h:1/store.blob.x/c", path: "a/b/"),
            Case(uri: "https://h/c/f.txt", container: "https://h/c", path: "f.txt"),
            Case(uri: "https://h/c/f%20g?sig=1", container: "https://h/c", path: "f%20g"),
        ]
    )
    func splits(_ test: Case) throws {
        let location = try BlobLocation(test.uri)
        #expect(location.containerURL == test.container)
        #expect(location.path == test.path)
    }

    @Test("Names are encoded and a SAS is kept")
    func urls() throws {
        let location = try BlobLocation("https://h/c/a/?sig=1")
        #expect(location.url(of: "a/ü b.txt") == "https://h/c/a/%C3%BC%20b.txt?sig=1")
        #expect(try BlobLocation("https://h/c/a%20b/").decodedPath == "a b/")
    }

    @Test("Nonsense is refused", arguments: ["", "x", "https://h", "https://h/c"])
    func refuses(_ uri: String) {
        #expect(throws: JobRuntimeError.self) { try BlobLocation(uri) }
    }

    @Test("A listing gives names and the marker of the next page")
    func listing() {
        let xml = """
            <?xml version="1.0"?><EnumerationResults><Blobs><Blob><Name>a/b &amp; c.txt</Name></Blob>\
            <Blob><Name>a/d</Name></Blob></Blobs><NextMarker>m1</NextMarker></EnumerationResults>
            """
        let listing = BlobListing(xml: xml)
        #expect(listing.names == ["a/b & c.txt", "a/d"])
        #expect(listing.marker == "m1")
        #expect(BlobListing(xml: "<NextMarker></NextMarker>").marker == nil)
    }
}

@Suite("Growing logs")
struct AppendTests {
    @Test("Where a log goes on after an append at the wrong place")
    func resumption() {
        // The lost answer: all of it is there.
        #expect(BlobClient.resumption(size: 30, offset: 10, count: 20) == 30)
        // A shorter append of an interrupted pass had arrived.
        #expect(BlobClient.resumption(size: 15, offset: 10, count: 20) == 15)
        // Not what we wrote: too short, too long.
        #expect(BlobClient.resumption(size: 5, offset: 10, count: 20) == nil)
        #expect(BlobClient.resumption(size: 31, offset: 10, count: 20) == nil)
    }
}

@Suite("Termination messages")
struct TerminationMessageTests {
    @Test("A report is whole JSON of at most 4000 bytes", arguments: ["\"\n", "a", "ü\\\n", "\u{1}\n"])
    func fits(_ piece: String) throws {
        let tail = String(repeating: piece, count: 3000 / piece.utf8.count)
        let report = TerminationReport(exitCode: 3, message: String(repeating: "m", count: 3000), logTail: tail)
        let text = try #require(ExecutionWrapper.terminationMessage(report))
        #expect(text.utf8.count <= 4000)
        let read: TerminationReport = try JSON(parsing: text).decode()
        #expect(read.exitCode == 3)
        #expect(read.logTail?.isEmpty == false)
        #expect(tail.hasSuffix(read.logTail ?? "?"))
    }
}

@Suite("Conda files")
struct CondaFileTests {
    @Test("pip requirements, Python and translated packages")
    func reads() throws {
        let file = try CondaFile(
            """
            channels: [conda-forge]
            dependencies:
              - python=3.11.4
              - pip=23
              - conda-forge::numpy=1.26
              - pandas>=2
              - pip:
                  - mlflow
                  - -r other.txt
            """
        )
        #expect(file.pythonVersion == "3.11")
        #expect(file.requirements == ["numpy==1.26.*", "pandas>=2", "mlflow", "-r other.txt"])
        #expect(file.translated == ["conda-forge::numpy=1.26", "pandas>=2"])
    }

    @Test("A file without dependencies says what is missing", arguments: ["a: 1", "- x", ": :"])
    func refuses(_ text: String) {
        #expect(throws: JobRuntimeError.self) { try CondaFile(text) }
    }
}

@Suite("Processes of a distributed job")
struct RankPlanTests {
    private func manifest(_ launch: JobManifest.Launch) -> JobManifest {
        JobManifest(
            runID: "r",
            command: "python a.py",
            workingDirectory: "/w",
            environment: ["A": "1"],
            outputs: [],
            artifactsURI: "https://h/c/r/",
            controlPlaneURL: "https://h",
            launch: launch
        )
    }

    @Test("A plain job has one process and one log")
    func single() {
        let processes = RankPlan.processes(
            manifest(.init(type: nil, instanceCount: 1, processCountPerInstance: 1, hosts: ["h0"])),
            instance: 0
        )
        #expect(processes.count == 1)
        #expect(processes[0].logName == "std_log.txt")
        #expect(processes[0].environment["RANK"] == nil)
        #expect(processes[0].arguments == ["/bin/bash", "-c", "python a.py"])
    }

    @Test("PyTorch ranks count over instances and processes")
    func pyTorch() {
        let launch = JobManifest.Launch(
            type: "PyTorch",
            instanceCount: 2,
            processCountPerInstance: 2,
            hosts: ["h0", "h1"]
        )
        let processes = RankPlan.processes(manifest(launch), instance: 1)
        #expect(processes.map(\.rank) == [2, 3])
        #expect(processes[1].environment["RANK"] == "3")
        #expect(processes[1].environment["LOCAL_RANK"] == "1")
        #expect(processes[1].environment["WORLD_SIZE"] == "4")
        #expect(processes[1].environment["MASTER_ADDR"] == "h0")
        #expect(processes[1].logName == "std_log_process_3.txt")
    }
}

@Suite("Running processes", .serialized)
struct ProcessSupervisorTests {
    private func run(_ commands: [String]) async throws -> (exits: [Int], logs: [LogTee]) {
        let folder = FileManager.default.temporaryDirectory.path + "/outrigger-test-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        var children: [ChildProcess] = []
        var logs: [LogTee] = []
        for (index, command) in commands.enumerated() {
            logs.append(try LogTee(folder: folder, name: "log\(index)", copiesToStandardOutput: false))
            children.append(
                try ChildProcess.start(["/bin/sh", "-c", command], environment: ["PATH": "/usr/bin:/bin"])
            )
        }
        let exits = await ProcessSupervisor(children: children, logs: logs).waitForAll()
        return (exits, logs)
    }

    @Test("Exit code and last lines of a failing process are kept", .timeLimit(.minutes(1)))
    func failure() async throws {
        let (exits, logs) = try await run(["echo out; echo err >&2; exit 7"])
        #expect(exits == [7])
        #expect(logs[0].lastLines == "out\nerr\n")
    }

    @Test("The first failure ends the other processes", .timeLimit(.minutes(1)))
    func endsTheRest() async throws {
        let (exits, _) = try await run(["exit 3", "exec sleep 300"])
        #expect(exits == [3, 143])
    }
}
