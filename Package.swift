// swift-tools-version: 6.2
import Foundation
import PackageDescription

let house: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .enableUpcomingFeature("InferIsolatedConformances"),
    .treatAllWarnings(as: .error),
    .treatWarning("DeprecatedDeclaration", as: .warning),
]

let argumentParser: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")
let asyncHTTPClient: Target.Dependency = .product(name: "AsyncHTTPClient", package: "async-http-client")
let dequeModule: Target.Dependency = .product(name: "DequeModule", package: "swift-collections")
let crypto: Target.Dependency = .product(name: "Crypto", package: "swift-crypto")
let grdb: Target.Dependency = .product(name: "GRDB", package: "GRDB.swift")
let hummingbird: Target.Dependency = .product(name: "Hummingbird", package: "hummingbird")
let hummingbirdCore: Target.Dependency = .product(name: "HummingbirdCore", package: "hummingbird")
let hummingbirdTLS: Target.Dependency = .product(name: "HummingbirdTLS", package: "hummingbird")
let jwt: Target.Dependency = .product(name: "JWTKit", package: "jwt-kit")
let lifecycle: Target.Dependency = .product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let nioCore: Target.Dependency = .product(name: "NIOCore", package: "swift-nio")
let nioFoundation: Target.Dependency = .product(name: "NIOFoundationCompat", package: "swift-nio")
let nioHTTP2: Target.Dependency = .product(name: "NIOHTTP2", package: "swift-nio-http2")
let nioHTTP1: Target.Dependency = .product(name: "NIOHTTP1", package: "swift-nio")
let nioPosix: Target.Dependency = .product(name: "NIOPosix", package: "swift-nio")
let nioSSL: Target.Dependency = .product(name: "NIOSSL", package: "swift-nio-ssl")
let nioTLS: Target.Dependency = .product(name: "NIOTLS", package: "swift-nio")
let nioWebSocket: Target.Dependency = .product(name: "NIOWebSocket", package: "swift-nio")
let subprocess: Target.Dependency = .product(name: "Subprocess", package: "swift-subprocess")
let asn1: Target.Dependency = .product(name: "SwiftASN1", package: "swift-asn1")
let unixSignals: Target.Dependency = .product(name: "UnixSignals", package: "swift-service-lifecycle")
let systemPackage: Target.Dependency = .product(name: "SystemPackage", package: "swift-system")
let x509: Target.Dependency = .product(name: "X509", package: "swift-certificates")
let yams: Target.Dependency = .product(name: "Yams", package: "Yams")

func module(
    _ name: String,
    _ dependencies: [Target.Dependency] = [],
    resources: [Resource]? = nil
) -> Target {
    // Larger modules explain themselves in a README, which is no source file.
    let folder = Context.packageDirectory + "/Sources/" + name
    let hasReadme = FileManager.default.fileExists(atPath: folder + "/README.md")
    return .target(
        name: name,
        dependencies: dependencies,
        exclude: hasReadme ? ["README.md"] : [],
        resources: resources,
        swiftSettings: house
    )
}

func tests(
    _ name: String,
    _ dependencies: [Target.Dependency] = [],
    resources: [Resource]? = nil
) -> Target {
    .testTarget(
        name: name + "Tests",
        dependencies: [.init(stringLiteral: name)] + dependencies,
        resources: resources,
        swiftSettings: house
    )
}

/// `OUTRIGGER_TEST_ONLY=KubeCore swift build --build-tests` builds one module's tests and what they need, nothing else.
let onlyTested: String? = Context.environment["OUTRIGGER_TEST_ONLY"]

/// The targets that `name` needs, itself included.
func closure(of name: String, in targets: [Target]) -> Set<String> {
    var found: Set<String> = []
    var pending = [name]
    while let next = pending.popLast() {
        guard found.insert(next).inserted, let target = targets.first(where: { $0.name == next }) else { continue }
        for dependency in target.dependencies {
            switch dependency {
            case .byNameItem(let name, _), .targetItem(let name, _): pending.append(name)
            default: break
            }
        }
    }
    return found
}

let products: [Product] = [
    .executable(name: "outrigger", targets: ["outrigger"]),
    .executable(name: "outrigger-monitor", targets: ["outrigger-monitor"]),
]

let targets: [Target] = [
    // Layer 0: values. No I/O, no clock, no log.
    module("KubeCore"),
    module("MLTypes", ["KubeCore", crypto]),
    module("ControlPlaneAPI", ["KubeCore"]),
    module("AzureMLYAML", ["KubeCore", "MLTypes", yams]),
    // Any layer.
    module("Telemetry", [logging, nioCore, nioPosix, nioHTTP1, lifecycle]),
    // Layer 1: access.
    module("KubeStore", ["KubeCore", grdb, logging]),
    module(
        "KubeClient",
        ["KubeCore", asyncHTTPClient, nioCore, nioPosix, nioHTTP1, nioSSL, yams, logging]
    ),
    module("ControlPlaneClient", ["KubeCore", "ControlPlaneAPI", asyncHTTPClient, nioCore, nioHTTP1, nioSSL, crypto]),
    module("Relay", ["KubeCore", nioCore, nioPosix, nioHTTP1, nioHTTP2, nioSSL, nioTLS, lifecycle, logging]),
    module(
        "Packaging",
        [
            "KubeCore", asyncHTTPClient, nioCore, nioHTTP1, nioFoundation, nioSSL, crypto, yams, subprocess,
        ]
    ),
    // Layer 2: loops.
    module("KubeRuntime", ["KubeCore", lifecycle, logging]),
    module(
        "KubeServer",
        [
            "KubeCore", "KubeStore", nioCore, nioPosix, nioHTTP1, nioSSL, asyncHTTPClient, crypto, x509, asn1, jwt,
            yams, lifecycle, logging,
        ]
    ),
    // Layer 3: domain.
    module("KubeControllers", ["KubeCore", "KubeRuntime", logging, lifecycle]),
    module("Scheduling", ["KubeCore", "KubeRuntime", logging, lifecycle]),
    module(
        "NodeAgent",
        [
            "KubeCore", "KubeRuntime", nioCore, nioPosix, nioHTTP1, nioWebSocket, asyncHTTPClient, subprocess, crypto,
            logging, lifecycle, nioSSL, systemPackage,
        ]
    ),
    module(
        "Extension",
        ["KubeCore", "KubeRuntime", "MLTypes", "ControlPlaneAPI", crypto, x509, asn1, logging, lifecycle]
    ),
    module("TrainingOperator", ["KubeCore", "KubeRuntime", "MLTypes", logging, lifecycle]),
    module("InferenceOperator", ["KubeCore", "KubeRuntime", "MLTypes", crypto, logging, lifecycle]),
    module(
        "InferenceRouter",
        ["KubeCore", "MLTypes", "Telemetry", nioCore, nioPosix, nioSSL, crypto, logging, lifecycle, dequeModule]
    ),
    module(
        "Gateway",
        ["KubeCore", "KubeRuntime", "MLTypes", "Telemetry", hummingbird, hummingbirdTLS, nioSSL, logging, lifecycle]
    ),
    module(
        "ControlPlane",
        [
            "KubeCore", "MLTypes", "ControlPlaneAPI", "Relay", grdb, hummingbird, hummingbirdCore, hummingbirdTLS,
            nioCore, nioSSL, nioHTTP1, nioTLS, asyncHTTPClient, crypto, jwt, logging, lifecycle,
        ]
    ),
    module(
        "JobRuntime",
        ["KubeCore", "MLTypes", asyncHTTPClient, nioCore, nioHTTP1, nioSSL, nioFoundation, yams]
    ),
    // Layer 4: shell.
    module(
        "Commands",
        [
            "KubeCore", "KubeClient", "KubeRuntime", "KubeServer", "KubeControllers", "Scheduling", "NodeAgent",
            "Extension", "MLTypes", "AzureMLYAML", "ControlPlaneAPI", "ControlPlaneClient", "TrainingOperator",
            "InferenceOperator", "InferenceRouter", "Gateway", "ControlPlane", "JobRuntime", "Telemetry", "Relay",
            "Packaging",
            argumentParser, asyncHTTPClient, hummingbird, hummingbirdTLS, yams, crypto, lifecycle, logging, nioCore,
            nioHTTP1, nioSSL, unixSignals,
        ]
    ),
    .executableTarget(name: "outrigger", dependencies: ["Commands"], swiftSettings: house),
    .executableTarget(name: "outrigger-monitor", path: "Sources/outrigger-monitor"),
    // Tests.
    .target(
        name: "TestSupport",
        dependencies: ["KubeCore", "KubeRuntime", "KubeStore", "KubeServer", logging, nioCore, nioPosix],
        path: "Tests/TestSupport",
        swiftSettings: house
    ),
    tests("KubeCore"),
    tests(
        "Relay",
        [
            "TestSupport", crypto, nioTLS, nioCore, nioPosix, nioSSL, asn1, x509, lifecycle, logging,
        ]
    ),
    tests("Packaging", ["KubeCore", nioCore, nioPosix, nioHTTP1]),
    tests(
        "ControlPlane",
        [
            "KubeCore", "ControlPlaneAPI", "ControlPlaneClient", "Relay", "TestSupport", asyncHTTPClient, crypto,
            hummingbird, hummingbirdTLS, nioCore, nioHTTP1, nioPosix, nioSSL, x509, asn1, lifecycle, logging,
        ]
    ),
    tests("ControlPlaneClient", ["KubeCore", "ControlPlaneAPI"]),
    tests("Commands", ["KubeCore", "KubeClient", "Extension", "ControlPlane", "Packaging"]),
    tests(
        "Extension",
        [
            "KubeCore", "KubeClient", "KubeRuntime", "MLTypes", "ControlPlaneAPI", "TestSupport", crypto, x509, asn1,
            logging,
        ]
    ),
    tests(
        "Gateway",
        [
            "KubeCore", "KubeRuntime", "MLTypes", "Telemetry", "TestSupport", "Relay", asyncHTTPClient, nioCore,
            nioPosix, nioHTTP1, nioSSL, nioTLS, crypto, x509, asn1, lifecycle, logging,
        ]
    ),
    tests(
        "KubeControllers",
        ["KubeCore", "KubeRuntime", "KubeStore", "KubeServer", "Scheduling", "TestSupport", lifecycle, logging]
    ),
    tests("Scheduling", ["KubeCore"]),
    tests("KubeRuntime", ["KubeCore", "TestSupport", logging]),
    tests("MLTypes", ["KubeCore"]),
    tests("AzureMLYAML", ["KubeCore"]),
    tests("JobRuntime", ["KubeCore", "MLTypes"]),
    tests("InferenceOperator", ["KubeCore", "MLTypes", "TestSupport", lifecycle, logging]),
    tests("TrainingOperator", ["KubeCore", "MLTypes"]),
    tests("KubeClient", ["KubeCore"]),
    tests(
        "KubeServer",
        [
            "KubeCore", "KubeStore", "KubeClient", "TestSupport", asyncHTTPClient, nioCore, nioPosix, nioHTTP1, nioSSL,
            x509, asn1,
        ]
    ),
    tests("KubeStore", ["KubeCore"]),
    .testTarget(
        name: "EndToEndTests",
        dependencies: ["KubeCore", asyncHTTPClient, nioCore, nioHTTP1, nioSSL, subprocess],
        swiftSettings: house
    ),
    tests(
        "InferenceRouter",
        ["KubeCore", "MLTypes", "Telemetry", nioCore, nioPosix, nioSSL, crypto, asn1, x509, lifecycle, logging]
    ),
    tests(
        "NodeAgent",
        ["KubeCore", "KubeRuntime", "TestSupport", nioCore, nioPosix, logging]
    ),
]

let wanted: [Target] =
    onlyTested.map { name in
        var names = closure(of: name + "Tests", in: targets)
        // These run the built programs, which they cannot link.
        if name == "EndToEnd" { names.formUnion(closure(of: "outrigger", in: targets).union(["outrigger-monitor"])) }
        return targets.filter { names.contains($0.name) }
    } ?? targets

let package = Package(
    name: "outrigger",
    products: onlyTested == nil ? products : [],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-asn1", from: "1.7.0"),
        .package(url: "https://github.com/apple/swift-certificates", from: "1.21.0"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-system", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-nio-http2", from: "1.40.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.0"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.0"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.0"),
        .package(url: "https://github.com/vapor/jwt-kit", from: "5.7.0"),
    ],
    targets: wanted,
    swiftLanguageModes: [.v6]
)
