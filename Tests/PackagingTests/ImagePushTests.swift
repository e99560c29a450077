import Foundation
import KubeCore
import NIOHTTP1
import Synchronization
import Testing

@testable import Packaging

@Suite(.timeLimit(.minutes(1))) struct ImagePushTests {
    static let robot = RegistryCredentials(user: "robot", password: "secret")

    /// Makes an image and a registry, and pushes.
    private func push(
        _ registry: Registry,
        credentials: RegistryCredentials? = nil,
        chunkBytes: Int? = nil,
        repository: String = "team/outrigger",
        tag: String = ":1.2",
        times: Int = 1,
        _ check: (Registry, HTTPServer, ImageArchive) async throws -> Void = { _, _, _ in }
    ) async throws -> PackagingError? {
        try await withFolder { folder in
            let builder = ImageBuilder(program: "/bin/ls", name: try ImageName("a.b/c:0.1.0"), version: "0.1.0")
            _ = try await builder.write(to: folder + "/image.tar")
            let archive = try ImageArchive(folder + "/image.tar")
            return try await HTTPServer.with({ registry.answer($0, $1) }) { server in
                let name = try ImageName("127.0.0.1:\(server.port)/\(repository)\(tag)")
                let options = RegistryOptions(credentials: credentials, isInsecure: true, chunkBytes: chunkBytes)
                let push = ImagePush(archive: archive, name: name, options: options)
                let error = await failure {
                    for _ in 0..<times {
                        let digest = try await push.run()
                        #expect(digest == archive.digest)
                    }
                }
                try await check(registry, server, archive)
                return error
            }
        }
    }

    @Test("An image arrives whole; a second push sends only the manifest", arguments: [true, false])
    func whole(relativeLocations: Bool) async throws {
        let error = try await push(Registry(relativeLocations: relativeLocations), times: 2) {
            registry,
            server,
            archive in
            registry.state.withLock { state in
                #expect(state.manifests["1.2"]?.bytes == archive.manifest)
                #expect(state.blobs.count == 3)
                #expect(state.uploads.isEmpty)
            }
            #expect(server.requests.filter { $0.hasPrefix("POST") }.count == 3)
            #expect(server.requests.filter { $0.hasPrefix("PUT /v2/team/outrigger/manifests/1.2") }.count == 2)
        }
        #expect(error == nil)
    }

    @Test("Without a tag the image's own is taken")
    func ownTag() async throws {
        let error = try await push(Registry(), tag: "") { registry, _, _ in
            registry.state.withLock { #expect(Array($0.manifests.keys) == ["0.1.0"]) }
        }
        #expect(error == nil)
    }

    @Test("Layers go in chunks when asked")
    func chunks() async throws {
        let error = try await push(Registry(limit: 1 << 18), chunkBytes: 1 << 18) { registry, server, archive in
            registry.state.withLock { #expect($0.manifests.count == 1) }
            let expected = archive.blobs.filter { $0.size > 1 << 18 }.reduce(0) { $0 + ($1.size + (1 << 18) - 1) >> 18 }
            #expect(server.requests.filter { $0.hasPrefix("PATCH") }.count == expected)
            #expect(expected > 2)
        }
        #expect(error == nil)
    }

    @Test(
        "A registry that signs in by tokens or by password gets the image; an expired token is renewed",
        arguments: [Registry.Access.basic, .bearer]
    )
    func signIn(access: Registry.Access) async throws {
        let registry = Registry(access: access)
        registry.state.withLock { $0.expiresTokens = true }
        let error = try await push(registry, credentials: Self.robot) { registry, _, _ in
            registry.state.withLock { state in
                #expect(state.manifests.count == 1)
                if access == .bearer { #expect(state.tokens == 2) }
            }
        }
        #expect(error == nil)
    }

    @Test("Nobody, and the wrong password, are told what to do", arguments: [Registry.Access.basic, .bearer])
    func refusedSignIn(access: Registry.Access) async throws {
        let nobody = try await push(Registry(access: access))
        #expect(nobody?.code == .unauthorized)
        #expect(nobody?.remedy?.contains("--password-stdin") == true)
        let wrong = try await push(Registry(access: access), credentials: .init(user: "robot", password: "guess"))
        #expect(wrong?.code == .unauthorized)
        #expect(wrong?.message.contains("guess") == false)
    }

    @Test("What the registry says is passed on")
    func registryError() async throws {
        let error = try await push(Registry(), repository: "other/name")
        #expect(error?.code == .registryRefused)
        #expect(error?.message.contains("other/name") == true)
        #expect(error?.message.contains("NAME_UNKNOWN: said by the test") == true)
    }

    @Test("A password never goes unencrypted to another machine")
    func unencrypted() async throws {
        let name = try ImageName("registry.invalid:5000/a:1")
        let error = await failure {
            try await RegistrySession.with(.init(credentials: Self.robot, isInsecure: true), name: name) { _ in }
        }
        #expect(error?.code == .unauthorized)
    }

    @Test("Challenges are read as servers write them")
    func challenges() {
        let text = #"Basic realm="a, \"b\"", Bearer realm="https://x/token",service=s,scope="repository:a:pull,push""#
        let parsed = AuthenticationChallenge.parse(text)
        #expect(parsed.map(\.scheme) == ["basic", "bearer"])
        #expect(parsed.first?.parameters == ["realm": "a, \"b\""])
        #expect(
            parsed.last?.parameters == ["realm": "https://x/token", "service": "s", "scope": "repository:a:pull,push"]
        )
        #expect(AuthenticationChallenge.parse("Negotiate") == [.init(scheme: "negotiate")])
        #expect(AuthenticationChallenge.parse(" , =x,,\"").isEmpty)
    }

    @Test("Stored logins are found by the names that Docker gives them; a helper is named")
    func storedLogins() async throws {
        try await withFolder { folder in
            let auth = JSON.string(Data("me:pass:word".utf8).base64EncodedString())
            let document: JSON = [
                "auths": [
                    "https://index.docker.io/v1/": ["auth": auth], "registry.example:5000": ["auth": auth],
                    "other.example": ["auth": .string(Data("x:".utf8).base64EncodedString()), "identitytoken": "t"],
                    "kept.example": [:],
                ],
                "credHelpers": ["helped.example": "vault"], "credsStore": "desktop",
            ]
            try Data(document.bytes).write(to: URL(fileURLWithPath: folder + "/config.json"))
            let environment = ["DOCKER_CONFIG": folder]
            func found(_ registry: String) throws -> RegistryCredentials? {
                try RegistryCredentials.stored(for: registry, environment: environment)
            }
            #expect(try found("docker.io") == .init(user: "me", password: "pass:word"))
            #expect(try found("registry.example:5000")?.user == "me")
            #expect(try found("other.example")?.identityToken == "t")
            #expect(try found("unknown.example") == nil)
            #expect(await failure { _ = try found("helped.example") }?.message.contains("'vault'") == true)
            #expect(await failure { _ = try found("kept.example") }?.message.contains("'desktop'") == true)
            #expect(try RegistryCredentials.stored(for: "docker.io", environment: [:]) == nil)
        }
    }

    @Test("The proxy of the environment is taken, except for hosts that are excluded")
    func proxies() throws {
        let environment = ["https_proxy": "http://user:pw@proxy.example:8080", "NO_PROXY": "internal.example,.corp"]
        #expect(try ProxySettings.proxy(for: "github.example", environment: environment) != nil)
        for host in ["localhost", "127.0.0.1", "internal.example", "a.internal.example", "x.corp"] {
            #expect(try ProxySettings.proxy(for: host, environment: environment) == nil)
        }
        #expect(try ProxySettings.proxy(for: "a.example", environment: ["HTTPS_PROXY": ""]) == nil)
        #expect(throws: PackagingError.self) {
            try ProxySettings.proxy(for: "a", environment: ["HTTPS_PROXY": "http://"])
        }
    }
}
