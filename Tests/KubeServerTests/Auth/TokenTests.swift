import Foundation
import KubeCore
import Synchronization
import Testing

@testable import KubeServer

@Suite struct TokenTests {
    private let binding = ServiceAccountClaims.Binding(
        namespace: "ns",
        serviceaccount: .init(name: "robot", uid: "u1"),
        pod: .init(name: "p", uid: "u2")
    )

    @Test(.timeLimit(.minutes(1))) func `An issued token verifies until it expires`() async throws {
        let clock = Clock(time: 1_000_000)
        let tokens = try await ServiceAccountTokens(
            signingKeyPEM: PKI.signingKeyPEM(),
            issuer: "https://issuer",
            now: { clock.time.withLock { $0 } }
        )
        let (token, claims) = try await tokens.issue(audiences: [], seconds: 10, binding: binding)
        #expect(claims.exp - claims.iat == 600)
        #expect(claims.aud == ["https://issuer"])
        let verified = await tokens.verify(token)
        #expect(verified?.sub == "system:serviceaccount:ns:robot")
        #expect(verified?.kubernetes.pod?.uid == "u2")
        clock.time.withLock { $0 += 601 }
        #expect(await tokens.verify(token) == nil)
    }

    @Test(.timeLimit(.minutes(1))) func `Another key's token and a changed one are refused`() async throws {
        let tokens = try await ServiceAccountTokens(signingKeyPEM: PKI.signingKeyPEM(), issuer: "https://issuer")
        let other = try await ServiceAccountTokens(signingKeyPEM: PKI.signingKeyPEM(), issuer: "https://issuer")
        let (token, _) = try await other.issue(audiences: [], seconds: 3600, binding: binding)
        #expect(await tokens.verify(token) == nil)
        #expect(await tokens.verify("a.b.c") == nil)
        #expect(await tokens.verify("") == nil)
        let (own, _) = try await tokens.issue(audiences: [], seconds: 3600, binding: binding)
        var parts = own.split(separator: ".").map(String.init)
        parts[1] = String(parts[1].reversed())
        #expect(await tokens.verify(parts.joined(separator: ".")) == nil)
    }

    @Test func `The user of a token carries its groups and its pod`() {
        let claims = ServiceAccountClaims(
            issuer: "i",
            audiences: ["i"],
            issuedAt: 0,
            expiresAt: 1,
            identifier: "j",
            binding: binding
        )
        let user = claims.user
        #expect(user.groups == ["system:serviceaccounts", "system:serviceaccounts:ns", "system:authenticated"])
        #expect(user.uid == "u1")
        #expect(user.extra["authentication.kubernetes.io/pod-name"] == ["p"])
    }

    private final class Clock: Sendable {
        let time: Mutex<Int>
        init(time: Int) { self.time = Mutex(time) }
    }
}
