import KubeCore
import MLTypes
import Testing

@testable import TrainingOperator

enum Fixture {
    static let cluster = DeliveryPlan.Cluster(image: "our:1", environmentCache: .hostPath("/cache"))

    static func spec() -> AmlJobSpec {
        AmlJobSpec(
            jobId: "run1",
            experimentName: "exp",
            workspace: WorkspaceReference(subscriptionId: "s", resourceGroup: "g", name: "w"),
            compute: "local",
            command: "python a.py ${{inputs.lr}} ${{inputs.data}} ${{outputs.model}}",
            codeURI: "https://h/c/code/",
            environment: EnvironmentSpec(image: "py:1", condaFile: "dependencies: []"),
            inputs: [
                "lr": .init(type: "literal", value: "0.1"), "data": .init(type: "uri_file", uri: "https://h/c/d/x.csv"),
            ],
            outputs: ["model": .init(type: "custom_model", uri: "https://h/c/out/")],
            controlPlane: ControlPlaneReference(url: "https://h", caPEM: "PEM", tokenSecret: "tok"),
            artifactsURI: "https://h/c/run1/",
            trackingURI: "https://h"
        )
    }

    static func job() -> KubeObject {
        var object = KubeObject(MLResources.amlJobs, namespace: "default", name: "run1")
        object["metadata", "uid"] = "u1"
        object["metadata", "generation"] = 1
        return object
    }
}

@Suite("Plan of a training job")
struct JobPlanTests {
    @Test("The command's names become paths, and what they stand for is fetched and uploaded")
    func bindings() throws {
        let plan = try JobPlan(job: Fixture.job(), spec: Fixture.spec(), instanceTypes: [], cluster: Fixture.cluster)
        let text = try #require(plan.configMap["data", "job.json"]?.stringValue)
        let manifest: JobManifest = try JSON(parsing: text).decode()
        #expect(manifest.command == "python a.py 0.1 /outrigger/inputs/data/x.csv /outrigger/outputs/model")
        #expect(manifest.outputs.map(\.uri) == ["https://h/c/out/"])
        let delivery: DeliveryManifest = try JSON(
            parsing: plan.configMap["data", "delivery.json"]?.stringValue ?? ""
        ).decode()
        #expect(delivery.downloads.map(\.uri) == ["https://h/c/code/", "https://h/c/d/x.csv"])
    }

    @Test("A gang needs all of its pods, with Volcano's env and svc plugins")
    func gang() throws {
        var spec = Fixture.spec()
        spec.instanceCount = 3
        let plan = try JobPlan(job: Fixture.job(), spec: spec, instanceTypes: [], cluster: Fixture.cluster)
        let body = plan.volcanoJob["spec"]
        #expect(body?["minAvailable"] == 3)
        #expect(body?["plugins"] == ["env": [], "svc": []])
        #expect(plan.volcanoJob.controllerReference?.uid == "u1")
    }

    @Test("An instance type gives resources and node selector; an unknown one is an error")
    func instanceType() throws {
        var spec = Fixture.spec()
        spec.instanceType = "big"
        #expect(throws: InstanceTypeError.self) {
            try JobPlan(job: Fixture.job(), spec: spec, instanceTypes: [], cluster: Fixture.cluster)
        }
        let big = KubeObject(
            MLResources.instanceTypes,
            name: "big",
            body: ["spec": ["nodeSelector": ["disk": "ssd"], "resources": ["limits": ["cpu": "4"]]]]
        )
        let plan = try JobPlan(job: Fixture.job(), spec: spec, instanceTypes: [big], cluster: Fixture.cluster)
        let pod = plan.volcanoJob["spec", "tasks"]?[0]?["template"]?["spec"]
        #expect(pod?["nodeSelector"] == ["disk": "ssd"])
        #expect(pod?["containers"]?[0]?["resources"] == ["limits": ["cpu": "4"]])
    }

    @Test("The extension's node selector and tolerations reach the pods; the instance type's selector wins")
    func placement() throws {
        var spec = Fixture.spec()
        spec.instanceType = "big"
        let big = KubeObject(
            MLResources.instanceTypes,
            name: "big",
            body: ["spec": ["nodeSelector": ["disk": "ssd"], "resources": [:]]]
        )
        let toleration: JSON = ["key": "gpu", "operator": "Exists", "effect": "NoSchedule"]
        let plan = try JobPlan(
            job: Fixture.job(),
            spec: spec,
            instanceTypes: [big],
            cluster: Fixture.cluster,
            placement: WorkloadPlacement(nodeSelector: ["disk": "any", "zone": "a"], tolerations: [toleration])
        )
        let pod = plan.volcanoJob["spec", "tasks"]?[0]?["template"]?["spec"]
        #expect(pod?["nodeSelector"] == ["disk": "ssd", "zone": "a"])
        let tolerations = pod?["tolerations"]?.arrayValue ?? []
        #expect(tolerations.contains(toleration))
        #expect(tolerations.contains { $0["key"] == "ml.azure.com/amlarc" })
    }

    @Test(
        "A file's name is that of the blob, and stays in the input's folder",
        arguments: [
            ("https://h/c/d/my%20data.csv?sig=1", "/outrigger/inputs/data/my data.csv"),
            ("https://h/c/d/..", "/outrigger/inputs/data/data"),
            ("https://h/c/d/%2e%2e%2fetc", "/outrigger/inputs/data/data"),
        ]
    )
    func fileNames(_ pair: (String, String)) {
        var spec = Fixture.spec()
        spec.inputs = ["data": .init(type: "uri_file", uri: pair.0)]
        #expect(JobBindings(spec).inputs["data"] == pair.1)
    }

    @Test(
        "Docker's sizes become quantities",
        arguments: [("2g", "2Gi"), ("512m", "512Mi"), ("1Gi", "1Gi"), ("100b", "100")]
    )
    func sizes(_ pair: (String, String)) {
        #expect(JobPlan.quantity(pair.0) == pair.1)
    }
}

@Suite("Status of a training job")
struct JobStatusPlanTests {
    private func volcano(_ phase: String) -> KubeObject {
        KubeObject(
            MLResources.volcanoJobs,
            namespace: "default",
            name: "run1",
            body: ["status": ["state": ["phase": .string(phase)]]]
        )
    }

    private func pod(node: String? = "n1", status: JSON) -> KubeObject {
        var body: [String: JSON] = ["status": status]
        if let node { body["spec"] = ["nodeName": .string(node)] }
        return KubeObject(.pods, namespace: "default", name: "run1-worker-0", body: body)
    }

    private func status(
        _ volcanoJob: KubeObject?,
        pods: [KubeObject],
        podGroup: KubeObject? = nil,
        present: AmlJobStatus? = nil,
        cancel: Bool = false
    ) -> AmlJobStatus {
        var spec = Fixture.spec()
        if cancel { spec.isCancelRequested = true }
        return JobStatusPlan(
            job: Fixture.job(),
            spec: spec,
            volcanoJob: volcanoJob,
            podGroup: podGroup,
            pods: pods,
            now: "now"
        ).status(present: present)
    }

    @Test("A job that cannot be placed says why in the scheduler's words")
    func unschedulable() {
        let waiting = pod(
            node: nil,
            status: [
                "conditions": [
                    ["type": "PodScheduled", "status": "False", "message": "0/1 nodes are available: too few cpus"]
                ]
            ]
        )
        let result = status(volcano("Pending"), pods: [waiting])
        #expect(result.phase == .queued)
        #expect(result.message == "0/1 nodes are available: too few cpus")
    }

    @Test("Init containers show as preparing, the user's container as running")
    func progress() {
        let preparing = pod(status: [
            "initContainerStatuses": [["name": "environment-prepare", "state": ["running": [:]]]]
        ])
        #expect(status(volcano("Running"), pods: [preparing]).phase == .preparing)
        #expect(status(volcano("Running"), pods: [preparing]).message?.hasPrefix("installing") == true)
        let running = pod(status: [
            "containerStatuses": [["name": "execution-wrapper", "state": ["running": ["startedAt": "t"]]]]
        ])
        let result = status(volcano("Running"), pods: [running])
        #expect(result.phase == .running)
        #expect(result.startTime == "t")
    }

    @Test("A failing command shows its exit code and its last lines")
    func failure() throws {
        let report = try JSON(encoding: TerminationReport(exitCode: 3, logTail: "ValueError: no")).text
        let failed = pod(status: [
            "containerStatuses": [
                [
                    "name": "execution-wrapper",
                    "state": ["terminated": ["exitCode": 3, "reason": "Error", "message": .string(report)]],
                ]
            ]
        ])
        let result = status(volcano("Failed"), pods: [failed])
        #expect(result.phase == .failed)
        #expect(result.reason == "UserScriptFailed")
        #expect(result.exitCode == 3)
        #expect(result.logTail == "ValueError: no")
    }

    @Test("A failed environment, a deadline and too little memory have reasons of their own")
    func reasons() {
        let environment = pod(status: [
            "initContainerStatuses": [
                [
                    "name": "environment-prepare",
                    "state": ["terminated": ["exitCode": 1, "message": "x\nerror: no such package"]],
                ]
            ]
        ])
        #expect(status(volcano("Failed"), pods: [environment]).reason == "EnvironmentFailed")
        #expect(status(volcano("Failed"), pods: [pod(status: ["reason": "DeadlineExceeded"])]).reason == "Timeout")
        let killed = pod(status: [
            "containerStatuses": [
                ["name": "execution-wrapper", "state": ["terminated": ["exitCode": 137, "reason": "OOMKilled"]]]
            ]
        ])
        #expect(status(volcano("Failed"), pods: [killed]).reason == "OutOfMemory")
    }

    @Test("Canceling ends when nothing is left, and a final state stays")
    func cancel() {
        #expect(status(volcano("Running"), pods: [pod(status: [:])], cancel: true).phase == .finalizing)
        #expect(status(nil, pods: [], cancel: true).phase == .canceled)
        let done = AmlJobStatus(phase: .completed)
        #expect(status(volcano("Failed"), pods: [], present: done) == done)
    }
}
