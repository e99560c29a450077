import Foundation
import KubeCore
import Testing

@testable import ControlPlaneClient

struct AgentLinkTests {
    @Test("Pauses double up to the longest, each between half of it and the whole")
    func pauses() {
        var pauses = RedialPauses(first: .seconds(1), longest: .seconds(10))
        for want in [1.0, 2, 4, 8, 10, 10] {
            let pause = pauses.next()
            #expect(pause >= .seconds(want / 2) && pause <= .seconds(want))
        }
        pauses.reset()
        #expect(pauses.next() <= .seconds(1))
    }

    @Test("A key survives its text form and shows nothing of itself")
    func key() throws {
        let key = ClusterAgentKey()
        #expect(try ClusterAgentKey(pem: key.pem).publicKey == key.publicKey)
        #expect("\(key)" == "ClusterAgentKey" && String(reflecting: key) == "ClusterAgentKey")
        #expect(throws: (any Error).self) { try ClusterAgentKey(pem: "-----BEGIN NOTHING-----") }
    }

    @Test("An assertion is a JWT with the claims of the agent routes")
    func assertion() throws {
        let text = try ClusterAgentKey().assertion(cluster: "/Subscriptions/X", now: 1000, id: "one")
        let parts = text.split(separator: ".").map(String.init)
        #expect(parts.count == 3)
        func json(_ part: String) throws -> JSON {
            var base64 = part.replacing("-", with: "+").replacing("_", with: "/")
            while base64.count % 4 != 0 { base64 += "=" }
            return try JSON(parsing: Array(try #require(Data(base64Encoded: base64))))
        }
        #expect(try json(parts[0])["alg"]?.stringValue == "ES256")
        let claims = try json(parts[1])
        #expect(claims["iss"]?.stringValue == "/subscriptions/x")
        #expect(claims["sub"] == claims["iss"])
        #expect(claims["exp"]?.intValue == 1120)
        #expect(claims["jti"]?.stringValue == "one")
    }
}
