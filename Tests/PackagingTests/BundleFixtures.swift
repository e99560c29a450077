import Foundation
import KubeCore
import NIOHTTP1

@testable import Packaging

/// Stand-ins for published manifests, and pins that name them.
enum Fixture {
    static let first = """
        # a comment
        apiVersion: v1
        kind: Namespace
        metadata:
          name: demo-system
        ---
        apiVersion: apps/v1
        kind: Deployment
        metadata:
          name: demo
          namespace: demo-system
          annotations:
            when: 2024-01-02
            quoted: "0644"
        spec:
          replicas: 2
          template:
            spec:
              hostNetwork: no
              initContainers:
              - name: init
                image: demo.example/init:1
              containers:
              - name: demo
                image: demo.example/demo:1
                args: ["--time", 10:30, '5', null]
                securityContext: {mode: 0644, share: 0.5}
        ---
        ---

        """

    static let second = """
        apiVersion: v1
        kind: List
        items:
        - {apiVersion: v1, kind: ServiceAccount, metadata: {name: one}}
        - {apiVersion: v1, kind: ServiceAccount, metadata: {name: two}}
        """

    static let digest = "sha256:" + String(repeating: "ab", count: 32)

    static func pin(sums: [String?] = [sum(first), sum(second)]) -> BundlePin {
        BundlePin(
            component: "demo",
            version: "v1.0.0",
            kubernetes: "1.36",
            files: zip(["first.yaml", "second.yaml"], sums).map { name, sum in
                BundlePin.File(url: "https://publisher.invalid/owner/demo/0123/\(name)", sha256: sum)
            },
            images: [.init("demo.example/demo:1", digest: digest), .init("demo.example/init:1")]
        )
    }

    static func sum(_ text: String) -> String { Checksum.hexadecimal(Data(text.utf8)) }

    /// Answers as the publisher would.
    static func answer(_ request: HTTPServer.Request) -> HTTPServer.Response {
        switch request.path {
        case "/mirror/owner/demo/0123/first.yaml": .init(status: .ok, body: Array(first.utf8))
        case "/mirror/owner/demo/0123/second.yaml": .init(status: .ok, body: Array(second.utf8))
        default: .init(status: .notFound)
        }
    }
}

/// The error of an operation that must fail.
func failure(_ body: () async throws -> Void) async -> PackagingError? {
    do {
        try await body()
        return nil
    } catch {
        return error as? PackagingError
    }
}
