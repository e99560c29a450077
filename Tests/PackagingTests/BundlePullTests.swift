import Foundation
import KubeCore
import NIOHTTP1
import Synchronization
import Testing

@testable import Packaging

@Suite(.timeLimit(.minutes(1))) struct BundlePullTests {
    @Test("A release is fetched from the mirror, checked, stored and read as objects")
    func pull() async throws {
        try await withFolder { folder in
            try await HTTPServer.with({ Fixture.answer($1) }) { server in
                let store = BundleStore(folder: folder)
                let events = Mutex<[BundleProgress]>([])
                let index = try await store.pull(Fixture.pin(), from: BundleSource(mirror: server.url + "/mirror/")) {
                    event in
                    events.withLock { $0.append(event) }
                }
                #expect(index.files.map(\.name) == ["01-first.yaml", "02-second.yaml"])
                #expect(try store.list() == [index])
                let objects = try #require(try store.objects("demo", "v1.0.0"))
                #expect(
                    objects.compactMap { $0[path: "metadata", "name"]?.stringValue } == [
                        "demo-system", "demo", "one", "two",
                    ]
                )
                let template = try #require(objects[1][path: "spec", "template", "spec"])
                #expect(template["containers"]?[0]?["image"] == .string("demo.example/demo:1@" + Fixture.digest))
                #expect(template["initContainers"]?[0]?["image"] == "demo.example/init:1")
                #expect(template["hostNetwork"] == false)
                #expect(template["containers"]?[0]?["args"] == ["--time", "10:30", "5", .null])
                #expect(template["containers"]?[0]?["securityContext"] == ["mode": 0o644, "share": 0.5])
                #expect(objects[1][path: "metadata", "annotations"] == ["when": "2024-01-02", "quoted": "0644"])
                #expect(
                    events.withLock { $0.last } == .stored(component: "demo", version: "v1.0.0", bytes: index.bytes)
                )
                // The second time nothing is fetched.
                _ = try await store.pull(Fixture.pin(), from: BundleSource(mirror: server.url + "/mirror"))
                #expect(server.requests.count == 2)
                _ = try await store.pull(
                    Fixture.pin(),
                    from: BundleSource(mirror: server.url + "/mirror"),
                    isReplacing: true
                )
                #expect(server.requests.count == 4)
                #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["demo"])
                #expect(try FileManager.default.contentsOfDirectory(atPath: folder + "/demo") == ["v1.0.0"])
            }
        }
    }

    @Test("A file with another sum is refused, both sums are named, and what was stored stays")
    func refusal() async throws {
        try await withFolder { folder in
            try await HTTPServer.with({ Fixture.answer($1) }) { server in
                let store = BundleStore(folder: folder)
                let source = BundleSource(mirror: server.url + "/mirror")
                let kept = try await store.pull(Fixture.pin(), from: source)
                let other = Fixture.sum("other")
                let error = await failure {
                    try await store.pull(
                        Fixture.pin(sums: [Fixture.sum(Fixture.first), other]),
                        from: source,
                        isReplacing: true
                    )
                }
                #expect(error?.code == .checksumMismatch)
                #expect(error?.message.contains(other) == true)
                #expect(error?.message.contains(Fixture.sum(Fixture.second)) == true)
                #expect(try store.list() == [kept])
                #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["demo"])
            }
        }
    }

    @Test("A file whose sum nobody knows needs one")
    func unknownSum() async throws {
        try await withFolder { folder in
            try await HTTPServer.with({ Fixture.answer($1) }) { server in
                let store = BundleStore(folder: folder)
                let source = BundleSource(mirror: server.url + "/mirror")
                let pin = Fixture.pin(sums: [Fixture.sum(Fixture.first), nil])
                let error = await failure { try await store.pull(pin, from: source) }
                #expect(error?.code == .checksumUnknown)
                #expect(error?.remedy?.contains("--sha256 second.yaml=") == true)
                #expect(server.requests.isEmpty)
                let wrong = await failure {
                    try await store.pull(pin, from: source, checksums: ["second.yaml": Fixture.sum("x")])
                }
                #expect(wrong?.code == .checksumMismatch)
                let overriding = await failure {
                    try await store.pull(Fixture.pin(), from: source, checksums: ["first.yaml": Fixture.sum("x")])
                }
                #expect(overriding?.code == .checksumMismatch)
                let misnamed = await failure {
                    try await store.pull(pin, from: source, checksums: ["third.yaml": "00"])
                }
                #expect(misnamed?.message.contains("third.yaml") == true)
                #expect(try store.list().isEmpty)
                let sums = ["second.yaml": Fixture.sum(Fixture.second)]
                let index = try await store.pull(pin, from: source, checksums: sums)
                #expect(index.files.count == 2)
            }
        }
    }

    @Test("Redirections are followed, and a server that is briefly out of order is asked again")
    func patience() async throws {
        try await withFolder { folder in
            let failures = Mutex(2)
            try await HTTPServer.with({ server, request in
                if request.path.hasPrefix("/moved/") {
                    let target = server.url + "/mirror/" + request.path.dropFirst("/moved/".count)
                    return .init(status: .found, headers: ["Location": target])
                }
                let fails = failures.withLock { left in
                    left -= 1
                    return left >= 0
                }
                return fails ? .init(status: .serviceUnavailable) : Fixture.answer(request)
            }) { server in
                let store = BundleStore(folder: folder)
                let index = try await store.pull(Fixture.pin(), from: BundleSource(mirror: server.url + "/moved"))
                #expect(index.files.count == 2)
            }
        }
    }

    @Test("What is missing, too large or no manifest is refused")
    func otherRefusals() async throws {
        try await withFolder { folder in
            try await HTTPServer.with({ _, request in
                if request.path.hasPrefix("/large") {
                    return .init(status: .ok, headers: ["Content-Length": String(64 << 20)], body: [])
                }
                if request.path.hasPrefix("/html") { return .init(status: .ok, body: Array("- just a list".utf8)) }
                return .init(status: .notFound)
            }) { server in
                let store = BundleStore(folder: folder)
                let missing = await failure {
                    try await store.pull(Fixture.pin(), from: BundleSource(mirror: server.url))
                }
                #expect(missing?.message.contains("404") == true)
                let large = await failure {
                    try await store.pull(Fixture.pin(), from: BundleSource(mirror: server.url + "/large"))
                }
                #expect(large?.code == .tooLarge)
                var pin = Fixture.pin(sums: [Fixture.sum("- just a list"), Fixture.sum(Fixture.second)])
                let html = await failure { try await store.pull(pin, from: BundleSource(mirror: server.url + "/html")) }
                #expect(html?.code == .badManifest)
                let mirror = await failure { try await store.pull(pin, from: BundleSource(mirror: "ftp://x")) }
                #expect(mirror?.message.contains("--source ftp://x") == true)
                pin.files = []
                let imageOnly = await failure { try await store.pull(pin) }
                #expect(imageOnly?.remedy?.contains("demo.example/demo:1") == true)
                let stored = try store.list()
                #expect(stored.isEmpty)
            }
        }
    }

    @Test("A damaged file is noticed when it is read, and a pull mends it")
    func damage() async throws {
        try await withFolder { folder in
            try await HTTPServer.with({ Fixture.answer($1) }) { server in
                let store = BundleStore(folder: folder)
                let source = BundleSource(mirror: server.url + "/mirror")
                try await store.pull(Fixture.pin(), from: source)
                try Data("x".utf8).write(to: URL(fileURLWithPath: folder + "/demo/v1.0.0/02-second.yaml"))
                let error = await failure { _ = try store.objects("demo", "v1.0.0") }
                #expect(error?.code == .checksumMismatch)
                try await store.pull(Fixture.pin(), from: source)
                #expect(try store.objects("demo", "v1.0.0")?.count == 4)
                #expect(try store.objects("demo", "v2") == nil)
            }
        }
    }
}
