import Crypto
import Foundation
import KubeCore
import MLTypes
import Testing

@testable import InferenceRouter

@Suite("Tokens for scoring")
struct ScoringTokenTests {
    private static let key = Array("primary-key".utf8)
    private static let now = 1_700_000_000

    private static func base64URL(_ data: some Sequence<UInt8>) -> String {
        Data(data).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
    }

    private static func token(
        _ claims: JSON,
        header: JSON = ["alg": "HS256", "typ": "JWT"],
        key: [UInt8] = ScoringTokenTests.key
    ) -> String {
        let text = base64URL(header.bytes) + "." + base64URL(claims.bytes)
        let code = HMAC<SHA256>.authenticationCode(for: Data(text.utf8), using: SymmetricKey(data: key))
        return text + "." + base64URL(code)
    }

    private static func claims(_ changes: [String: JSON?] = [:]) -> JSON {
        var claims: [String: JSON] = [
            "aud": "digits", "scp": "score", "exp": JSON(now + 3600), "nbf": JSON(now - 5), "iss": "https://x",
        ]
        for (name, value) in changes { claims[name] = value }
        return .object(claims)
    }

    private func verdict(_ token: String, endpoint: String = "digits") -> RouterConfiguration.TokenVerdict {
        ScoringToken.verify(token, endpoint: endpoint, key: Self.key, now: Self.now)
    }

    @Test("A good token holds for a minute, and never past its end")
    func good() {
        #expect(verdict(Self.token(Self.claims())) == .allowed(seconds: 60))
        #expect(verdict(Self.token(Self.claims(["exp": JSON(Self.now + 7)]))) == .allowed(seconds: 7))
    }

    @Test(
        "Claims that do not fit are denied",
        arguments: [
            ["aud": "other"], ["aud": nil], ["aud": ["digits"]], ["scp": "run"], ["scp": nil],
            ["exp": JSON(ScoringTokenTests.now)], ["exp": nil], ["exp": "9999999999"],
            ["nbf": JSON(ScoringTokenTests.now + 600)], ["nbf": "0"],
        ] as [[String: JSON?]]
    )
    func claims(_ changes: [String: JSON?]) {
        #expect(verdict(Self.token(Self.claims(changes))) == .denied)
    }

    @Test("A token for one endpoint does not open another")
    func endpoint() {
        #expect(verdict(Self.token(Self.claims()), endpoint: "other") == .denied)
    }

    @Test("Another key, another algorithm, an altered or malformed token are denied")
    func forged() {
        let good = Self.token(Self.claims())
        #expect(verdict(Self.token(Self.claims(), key: Array("other".utf8))) == .denied)
        #expect(verdict(Self.token(Self.claims(), header: ["alg": "none"])) == .denied)
        #expect(verdict(Self.token(Self.claims(), header: ["alg": "HS256", "crit": ["b64"]])) == .denied)
        let parts = good.split(separator: ".").map(String.init)
        let later = Self.base64URL(Self.claims(["exp": JSON(Self.now + 99999)]).bytes)
        #expect(verdict([parts[0], later, parts[2]].joined(separator: ".")) == .denied)
        #expect(verdict(parts[0] + "." + parts[1] + ".") == .denied)
        #expect(verdict(parts[0] + "." + parts[1]) == .denied)
        #expect(verdict(good + "=") == .denied)
        for text in ["", ".", "..", "a.b.c", String(repeating: "a", count: 5000)] { #expect(verdict(text) == .denied) }
        #expect(ScoringToken.verify(good, endpoint: "digits", key: [], now: Self.now) == .denied)
    }

    @Test("Only endpoints with a key are open, and a replaced key closes them")
    func keys() {
        let keys = ScoringKeys()
        let end = JSON(Int(Date.now.timeIntervalSince1970) + 600)
        let token = Self.token(Self.claims(["exp": end]))
        #expect(keys.verify(endpoint: "digits", token: token) == .denied)
        keys.update(["digits": Self.key])
        #expect(keys.verify(endpoint: "digits", token: token) == .allowed(seconds: 60))
        keys.update(["digits": Array("new".utf8)])
        #expect(keys.verify(endpoint: "digits", token: token) == .denied)
    }
}
