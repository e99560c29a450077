import KubeCore
import MLTypes
import Testing

@testable import InferenceOperator

@Suite struct OnlineDeploymentPlanTests {
    private func container(_ plan: OnlineDeploymentPlan) throws -> JSON {
        try #require(plan.deployment["spec", "template", "spec", "containers"]?[0])
    }

    private func environment(_ plan: OnlineDeploymentPlan) throws -> [String: String] {
        var values: [String: String] = [:]
        for entry in try container(plan)["env"]?.arrayValue ?? [] {
            if let name = entry["name"]?.stringValue { values[name] = entry["value"]?.stringValue }
        }
        return values
    }

    @Test("A scoring script becomes an inference server with its code, model and environment")
    func script() throws {
        let plan = try OnlineDeploymentSpec.fixture().plan()
        let pod = try #require(plan.deployment["spec", "template", "spec"])
        #expect(
            pod["initContainers"]?.arrayValue?.map { $0["name"]?.stringValue } == [
                "storage-initializer", "environment-prepare",
            ]
        )
        let container = try container(plan)
        #expect(container["name"] == "inference-server")
        #expect(container["image"] == "python:3.11")
        #expect(container["workingDir"] == "/outrigger/code")
        #expect(container["command"]?[2]?.stringValue?.contains("exec azmlinfsrv") == true)
        #expect(container["terminationMessagePolicy"] == "FallbackToLogsOnError")
        #expect(container["ports"]?[0]?["containerPort"] == 5001)
        #expect(container["readinessProbe"]?["httpGet"] == ["path": "/", "port": 5001, "scheme": "HTTP"])
        #expect(container["livenessProbe"]?["initialDelaySeconds"] == 10)
        #expect(container["livenessProbe"]?["failureThreshold"] == 30)
        #expect(
            container["resources"] == [
                "requests": ["cpu": "100m", "memory": "2Gi"], "limits": ["cpu": "2", "memory": "2Gi"],
            ]
        )
        let environment = try environment(plan)
        #expect(environment["AZUREML_MODEL_DIR"] == "/outrigger/model/digits/3")
        #expect(environment["AZUREML_ENTRY_SCRIPT"] == "score.py")
        #expect(environment["AML_APP_ROOT"] == "/outrigger/code")
        #expect(environment["PATH"]?.hasPrefix("/azureml-envs/") == true)
        let manifest = try JSON(parsing: plan.configMap["data", "delivery.json"]?.stringValue ?? "").decode(
            DeliveryManifest.self
        )
        #expect(
            manifest.downloads == [
                .init(uri: "https://cp/blob/code/", path: "/outrigger/code"),
                .init(uri: "https://cp/blob/run1/model/", path: "/outrigger/model/digits/3/model"),
            ]
        )
    }

    @Test("Children belong to the deployment, share its name and are found by its labels")
    func children() throws {
        let plan = try OnlineDeploymentSpec.fixture().plan()
        for child in [plan.configMap, plan.deployment, plan.service] {
            #expect(child.controllerReference?.uid == "uid-1")
            #expect(child.labels[MLLabels.endpoint] == "iris" && child.labels[MLLabels.deployment] == "blue")
            #expect(child.labels[MLLabels.compute] == "local")
        }
        #expect(plan.deployment.name == "iris-blue" && plan.service.name == "iris-blue")
        let selector: JSON = [MLLabels.endpoint: "iris", MLLabels.deployment: "blue"].reduce(into: JSON.object([:])) {
            $0[$1.key] = .string($1.value)
        }
        #expect(plan.service["spec", "selector"] == selector)
        #expect(plan.deployment["spec", "selector", "matchLabels"] == selector)
        #expect(plan.service["spec", "ports"]?[0]?["targetPort"] == 5001)
        #expect(plan.deployment["spec", "strategy", "rollingUpdate"] == ["maxSurge": 1, "maxUnavailable": 0])
        #expect(
            OnlineDeploymentReconciler.owner(of: plan.deployment) == ObjectKey(namespace: "default", name: "iris-blue")
        )
    }

    @Test("A custom container keeps its command and is probed on its own routes")
    func custom() throws {
        let plan = try OnlineDeploymentSpec.fixture {
            $0.code = nil
            $0.environment = EnvironmentSpec(image: "tensorflow/serving")
            $0.model?.mountPath = "/models/digits"
            $0.inferenceConfig = .init(
                scoringRoute: .init(port: 8501, path: "/v1/models/m:predict"),
                livenessRoute: .init(port: 8502, path: "/live"),
                readinessRoute: .init(port: 8501, path: "/ready")
            )
        }.plan()
        let container = try container(plan)
        #expect(container["command"] == nil)
        #expect(container["readinessProbe"]?["httpGet"]?["path"] == "/ready")
        #expect(container["livenessProbe"]?["httpGet"]?["port"] == 8502)
        #expect(plan.service["spec", "ports"]?[0]?["targetPort"] == 8501)
        #expect(try environment(plan)["AZUREML_MODEL_DIR"] == "/models/digits")
        let mount = container["volumeMounts"]?.arrayValue?.first { $0["mountPath"] == "/models/digits" }
        #expect(mount?["subPath"] == "model/digits/3")
    }

    @Test("The user's variables, resources, probes and counts win over defaults")
    func overrides() throws {
        let plan = try OnlineDeploymentSpec.fixture {
            $0.environmentVariables = ["WORKER_COUNT": "2", "HOME": "/home/me"]
            $0.resources = ComputeResources(requests: ["cpu": "500m"], limits: ["memory": "1Gi"])
            $0.instanceCount = 3
            $0.requestSettings = .init(requestTimeoutMs: 90_000)
            $0.readinessProbe = .init(initialDelay: 3, period: 4, timeout: 5, successThreshold: 2, failureThreshold: 6)
            $0.livenessProbe = .init(successThreshold: 7)
        }.plan()
        let container = try container(plan)
        #expect(
            container["resources"] == [
                "requests": ["cpu": "500m", "memory": "2Gi"], "limits": ["cpu": "2", "memory": "1Gi"],
            ]
        )
        #expect(container["readinessProbe"]?["periodSeconds"] == 4)
        #expect(container["readinessProbe"]?["successThreshold"] == 2)
        #expect(container["livenessProbe"]?["successThreshold"] == 1)
        #expect(plan.deployment["spec", "replicas"] == 3)
        #expect(plan.deployment["spec", "template", "spec", "terminationGracePeriodSeconds"] == 106)
        let environment = try environment(plan)
        #expect(environment["WORKER_COUNT"] == "2" && environment["HOME"] == "/home/me")
        #expect(environment["SCORING_TIMEOUT_MS"] == "90000")
    }

    @Test("Instance types and the operator's placement decide where pods may run")
    func placement() throws {
        var configuration = InferenceOperatorConfiguration.fixture
        configuration.nodeSelector = ["pool": "ml", "zone": "1"]
        configuration.tolerations = [["key": "gpu", "operator": "Exists"]]
        let plan = try OnlineDeploymentPlan(
            object: OnlineDeploymentSpec.fixture().object(),
            spec: .fixture(),
            compute: nil,
            instanceType: InstanceTypeSpec(nodeSelector: ["zone": "2"], resources: ComputeResources()),
            configuration: configuration
        )
        let pod = try #require(plan.deployment["spec", "template", "spec"])
        #expect(pod["nodeSelector"] == ["pool": "ml", "zone": "2"])
        #expect(pod["tolerations"]?.arrayValue?.contains { $0["key"] == "gpu" } == true)
        #expect(pod["tolerations"]?.arrayValue?.contains { $0["key"] == "ml.azure.com/workspace" } == true)
    }

    @Test("The content's hash follows what pods are made from, and nothing else")
    func hashes() throws {
        let base = try OnlineDeploymentSpec.fixture().plan()
        let same = try OnlineDeploymentSpec.fixture().plan()
        #expect(base.contentHash == same.contentHash)
        #expect(same.isApplied(to: base.deployment, service: base.service))
        #expect(!same.isApplied(to: base.deployment, service: nil))
        let scaled = try OnlineDeploymentSpec.fixture { $0.instanceCount = 2 }.plan()
        #expect(scaled.contentHash == base.contentHash)
        #expect(!scaled.isApplied(to: base.deployment, service: base.service))
        let changed = try OnlineDeploymentSpec.fixture { $0.code?.uri = "https://cp/blob/code2/" }.plan()
        #expect(changed.contentHash != base.contentHash)
    }

    @Test("What cannot work is told all at once, with field, value and rule")
    func validation() {
        let spec = OnlineDeploymentSpec.fixture {
            $0.code?.scoringScript = "../score.py"
            $0.requestSettings = .init(requestTimeoutMs: 0, maxQueueWaitMs: -1, maxConcurrentRequestsPerInstance: 0)
            $0.livenessProbe = .init(period: 0)
            $0.resources = ComputeResources(requests: ["cpu": "lots"], limits: ["memory": "64Gi"])
            $0.instanceCount = -1
        }
        let problems = DeploymentValidation.problems(spec, name: "iris-blue", instanceType: .fallback)
        #expect(problems.count == 8)
        for part in [
            "../score.py", "requestTimeoutMs 0", "maxQueueWaitMs -1", "PerInstance 0", "livenessProbe.period 0",
            "\"lots\"", "64Gi", "instanceCount -1",
        ] {
            #expect(problems.contains { $0.contains(part) }, "\(part)")
        }
        let bare = OnlineDeploymentSpec.fixture { $0.code = nil }
        #expect(DeploymentValidation.problems(bare, name: "iris-blue", instanceType: .fallback).count == 1)
        #expect(DeploymentValidation.problems(.fixture(), name: "iris-blue", instanceType: .fallback).isEmpty)
        #expect(
            DeploymentValidation.problems(.fixture(), name: String(repeating: "a", count: 64), instanceType: .fallback)
                .count == 1
        )
    }
}
