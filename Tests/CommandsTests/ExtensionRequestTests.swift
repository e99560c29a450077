internal import KubeCore
internal import Testing

@testable import Commands

@Suite struct ExtensionRequestTests {
    private let settings = GivenSettings(
        plain: ["enableTraining": "True"],
        protected: ["scoringFe.sslCert": "eA=="],
        allowsUnknown: false
    )

    @Test func `A new extension follows the stable train unless told otherwise`() throws {
        let body = ExtensionRequest(versioning: .init(), settings: settings).createBody
        #expect(body[path: "properties", "extensionType"] == "Microsoft.AzureML.Kubernetes")
        #expect(body[path: "properties", "autoUpgradeMinorVersion"] == true)
        #expect(body[path: "properties", "releaseTrain"] == "Stable")
        #expect(body[path: "properties", "version"] == nil)
        #expect(body[path: "properties", "scope", "cluster", "releaseNamespace"] == "azureml")
        #expect(body[path: "properties", "configurationProtectedSettings", "scoringFe.sslCert"] == "eA==")
        #expect(body[path: "identity", "type"] == "SystemAssigned")
        #expect(body["plan"] == nil)
    }

    @Test func `A version switches automatic upgrades off`() throws {
        let versioning = try ExtensionRequest.Versioning(version: "1.2.3").checked()
        let body = ExtensionRequest(versioning: versioning, settings: settings).createBody
        #expect(body[path: "properties", "version"] == "1.2.3")
        #expect(body[path: "properties", "autoUpgradeMinorVersion"] == false)
    }

    @Test func `A version contradicts automatic upgrades`() {
        let error = #expect(throws: CommandError.self) {
            try ExtensionRequest.Versioning(version: "1.2.3", autoUpgrade: true).checked()
        }
        #expect(error?.exitStatus == 2)
    }

    @Test func `An update sends only what was given`() {
        let nothing = GivenSettings(plain: [:], protected: [:], allowsUnknown: false)
        let body = ExtensionRequest(versioning: .init(releaseTrain: "Preview"), settings: nothing).updateBody
        #expect(body == ["properties": ["releaseTrain": "Preview"]])
    }

    @Test func `A plan has three parts or none`() throws {
        #expect(try ExtensionRequest.Plan.read(name: nil, product: nil, publisher: nil) == nil)
        let plan = try ExtensionRequest.Plan.read(name: "n", product: "p", publisher: "u")
        let body = ExtensionRequest(versioning: .init(), settings: settings, plan: plan).createBody
        #expect(body["plan"] == ["name": "n", "product": "p", "publisher": "u"])
        let error = #expect(throws: CommandError.self) {
            try ExtensionRequest.Plan.read(name: "n", product: nil, publisher: nil)
        }
        #expect(error?.message.contains("--plan-product and --plan-publisher") == true)
    }

    @Test func `Queries say what goes beyond the reference`() {
        var given = settings
        #expect(ExtensionQuery.change(given, isAtomic: false) == [:])
        given.allowsUnknown = true
        #expect(ExtensionQuery.change(given, isAtomic: true) == ["allowUnknown": "true", "atomic": "true"])
        #expect(ExtensionQuery.preview("update", given)["operation"] == "update")
    }

    struct ScopeCase: Sendable, CustomTestStringConvertible {
        var scope: String?
        var release: String?
        var target: String?
        var wantError: String?
        var wantWarning = false
        var testDescription: String { "\(scope ?? "-") \(release ?? "-") \(target ?? "-")" }
    }

    @Test(arguments: [
        ScopeCase(), ScopeCase(scope: "Cluster", release: "azureml"),
        ScopeCase(scope: "cluster", release: "other", wantWarning: true),
        ScopeCase(scope: "namespace", wantError: "whole cluster"), ScopeCase(scope: "pod", wantError: "unknown scope"),
        ScopeCase(target: "x", wantError: "--target-namespace x"),
    ])
    func `Only the scope of a cluster exists`(example: ScopeCase) throws {
        func check() throws -> String? {
            try ScopeRules.check(
                scope: example.scope,
                releaseNamespace: example.release,
                targetNamespace: example.target
            )
        }
        if let want = example.wantError {
            let error = #expect(throws: CommandError.self) { try check() }
            #expect(error?.message.contains(want) == true)
            #expect(error?.exitStatus == 2)
        } else {
            let warning = try check()
            #expect((warning != nil) == example.wantWarning)
        }
    }

    @Test func `Cluster types are read in any case and foreign ones refused by name`() throws {
        #expect(try ClusterKind.parse("CONNECTEDCLUSTERS") == .connected)
        #expect(try ClusterKind.parse("managedClusters", provider: "microsoft.containerservice") == .managed)
        for (type, provider) in [
            ("appliances", "Microsoft.ResourceConnector"), ("provisionedClusters", "Microsoft.HybridContainerService"),
        ] {
            let error = #expect(throws: CommandError.self) { try ClusterKind.parse(type) }
            #expect(error?.message.contains(provider) == true)
            #expect(error?.exitStatus == 2)
        }
        #expect(throws: CommandError.self) { try ClusterKind.parse("clusters") }
        #expect(throws: CommandError.self) {
            try ClusterKind.parse("managedClusters", provider: "Microsoft.Kubernetes")
        }
    }
}
