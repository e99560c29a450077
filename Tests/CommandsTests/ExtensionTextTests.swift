internal import KubeCore
internal import Testing

@testable import Commands

@Suite struct ExtensionTextTests {
    private let statuses: JSON = [
        ["code": "gateway", "displayStatus": "Ready", "level": "Information", "message": "1/1 ready"],
        [
            "code": "azureml-fe-v2", "displayStatus": "NotReady", "level": "Warning",
            "message": "0/1 ready: waits for pods",
        ],
        ["code": "aml-operator", "displayStatus": "NotReady", "level": "Error", "message": "0/1 ready: crash"],
        [
            "code": "E40002", "displayStatus": "inferenceRouterHA", "level": "Warning",
            "message": "one router is installed.",
        ],
        [
            "code": "fluent-bit", "displayStatus": "Absent", "level": "Information",
            "message": "not part of this version",
        ],
    ]

    @Test func `Each status is a line about its component`() {
        let lines = ComponentLine.all(statuses)
        #expect(
            lines.map(\.subject) == ["gateway", "azureml-fe-v2", "aml-operator", "inferenceRouterHA", "fluent-bit"]
        )
        #expect(lines[1].text == "azureml-fe-v2: 0/1 ready: waits for pods")
        #expect(lines[3].status == "E40002")
    }

    @Test func `What is waited for stands first when it is an error`() {
        #expect(ComponentLine.waiting(statuses).map(\.subject) == ["aml-operator", "azureml-fe-v2"])
        #expect(ComponentLine.waiting(nil).isEmpty)
    }

    @Test func `An extension is shown with every name of the reference`() {
        let resource: JSON = [
            "id": "/subscriptions/s/resourceGroups/ml/providers/Microsoft.Kubernetes/connectedClusters/c",
            "name": "amlext", "type": "T", "properties": ["provisioningState": "Succeeded", "statuses": statuses],
        ]
        let view = ExtensionView.view(resource)
        #expect(view["resourceGroup"] == "ml")
        #expect(view["provisioningState"] == "Succeeded")
        #expect(view["name"] == "amlext")
        for name in ["errorInfo", "currentVersion", "plan", "version", "packageUri", "isSystemExtension"] {
            #expect(view[name] == .null)
        }
        #expect(view["properties"] == nil)
        let table = OutputFormat.table([view], columns: ExtensionView.columns)
        #expect(table.contains("azureml-fe-v2: 0/1 ready"))
    }

    @Test func `A preview shows changes, their sum and the checks`() {
        let result: JSON = [
            "changes": [
                [
                    "action": "create", "kind": "Deployment", "namespace": "azureml", "name": "gateway",
                    "diff": ["+ a: 1"],
                ],
                ["action": "delete", "kind": "ClusterRole", "name": "old", "diff": []],
            ],
            "unchanged": 7,
            "checks": [
                ["name": "nodes", "status": "Failed", "code": "E40002", "found": "1 node", "fix": "add nodes"]
            ],
        ]
        let text = Preview.text(result)
        #expect(text.contains("create deployment azureml/gateway\n  + a: 1\n"))
        #expect(text.contains("delete clusterrole old\n"))
        #expect(text.contains("1 to create, 0 to update, 1 to delete, 7 unchanged\n"))
        #expect(text.contains("E40002"))
        let error = #expect(throws: CommandError.self) { try HealthReport.refuseFailures(result, name: "amlext") }
        #expect(error?.exitStatus == 1)
        #expect(error?.cause == "1 node")
        #expect(error?.remedy == "add nodes")
    }

    @Test func `Warnings are no failures`() throws {
        try HealthReport.refuseFailures(["checks": [["name": "x", "status": "Warning"]]], name: "amlext")
    }

    @Test func `Settings garbage never leaves the machine`() {
        let unknown = GivenSettings(plain: ["enableTrainin": "True"], protected: [:], allowsUnknown: false)
        let error = #expect(throws: CommandError.self) { try unknown.check() }
        #expect(error?.message.contains("enableTraining") == true)
        let half = GivenSettings(plain: [:], protected: ["scoringFe.sslCert": "AAAA"], allowsUnknown: false)
        #expect(throws: CommandError.self) { try half.check() }
    }

    @Test func `What is missing only the control plane can say`() throws {
        try GivenSettings(plain: ["sslCname": "a.b"], protected: [:], allowsUnknown: false).check()
        try GivenSettings(plain: ["some.thing": "x"], protected: [:], allowsUnknown: true).check()
    }

    @Test func `Certificate files are named, read and sent as protected settings`() throws {
        let pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
        let (plain, secret) = try CertificateFiles.resolve(["sslcertpemfile": pem, "a": "b"], ["sslKeyPemFile": ""])
        #expect(plain == ["a": "b"])
        #expect(secret["scoringFe.sslKey"] == "")
        #expect(secret["scoringFe.sslCert"]?.hasPrefix("LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t") == true)
        let error = #expect(throws: CommandError.self) {
            try CertificateFiles.resolve([:], ["sslCertPemFile": "/nowhere.pem"])
        }
        #expect(error?.exitStatus == 2)
    }

    @Test func `What fits is checked when no operation is named`() {
        typealias Operation = K8sExtension.CheckedOperation
        #expect(Operation.usual(isInstalled: false, changes: true) == .install)
        #expect(Operation.usual(isInstalled: true, changes: true) == .upgrade)
        #expect(Operation.usual(isInstalled: true, changes: false) == .test)
    }
}
