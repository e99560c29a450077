import Foundation
import KubeCore
import Testing

@testable import AzureMLYAML

@Suite("Command job files")
struct CommandJobYAMLTests {
    private let minimal = "command: echo hi\nenvironment: azureml:env:1\n"

    private func job(_ text: String, set: [String] = []) throws -> CommandJobYAML {
        try CommandJobYAML(try SpecDocument(text: text, file: "job.yml", folder: ".", overrides: set))
    }

    private func errors(_ text: String) -> String {
        do {
            _ = try job(text)
            return ""
        } catch {
            return "\(error)"
        }
    }

    @Test("The smallest job")
    func smallest() throws {
        let job = try job(minimal)
        #expect(job.command == "echo hi")
        #expect(job.environment == .reference(.version(name: "env", version: "1")))
    }

    @Test("Literals travel as Python writes them")
    func literals() throws {
        let job = try job(minimal + "inputs: {a: 3, b: 0.5, c: true, d: text, e: '7'}\n")
        #expect(job.inputs["a"] == .literal("3"))
        #expect(job.inputs["b"] == .literal("0.5"))
        #expect(job.inputs["c"] == .literal("True"))
        #expect(job.inputs["e"] == .literal("7"))
    }

    @Test("--set changes nested values before they are checked")
    func overrides() throws {
        let job = try job(minimal, set: ["limits.timeout=30", "inputs.lr=0.1", "display_name=x y"])
        #expect(job.timeoutSeconds == 30)
        #expect(job.inputs["lr"] == .literal("0.1"))
        #expect(job.displayName == "x y")
    }

    struct Case: Sendable, CustomTestStringConvertible {
        var text: String
        var want: String
        var testDescription: String { want }
    }

    @Test(
        "Each mistake has one clear message",
        arguments: [
            Case(text: "environment: azureml:e:1\n", want: "job.yml: command: Required value"),
            Case(text: "command: x\n", want: "job.yml: environment: Required value"),
            Case(
                text: "command: x\nenvironment: azureml:e:1\nenviroment_variables: {}\n",
                want: "unknown key; did you mean environment_variables?"
            ),
            Case(
                text: "command: x ${{inputs.gama}}\nenvironment: azureml:e:1\ninputs: {gamma: 1}\n",
                want: "${{inputs.gama}} is not declared under inputs; did you mean gamma?"
            ),
            Case(
                text: "command: x\nenvironment: azureml:e:1\nresources: {instance_count: 0}\n",
                want: "resources.instance_count: Invalid value: 0: must be at least 1"
            ),
            Case(
                text: "command: x\nenvironment: azureml:e:1\ncode: /no/such/folder\n",
                want: "there is no file or folder at /no/such/folder"
            ),
            Case(
                text: "command: x\nenvironment: {conda_file: {dependencies: []}}\n",
                want: "environment.image: Required value: give image, or build"
            ),
            Case(
                text: "command: x\nenvironment: just-text\n",
                want: "write azureml:NAME:VERSION, file:PATH, or a mapping with image"
            ),
            Case(
                text: "command: x\nenvironment: azureml:e:1\ndistribution: {type: horovod}\n",
                want: "distribution.type: Unsupported value"
            ),
            Case(text: "command: [\n", want: "not valid YAML"),
            Case(text: "- a\n", want: "a mapping of keys to values is expected"),
        ]
    )
    func mistakes(_ test: Case) {
        #expect(errors(test.text).contains(test.want))
    }

    @Test("The body is what the reference client sends")
    func body() throws {
        let job = try job(minimal + "inputs: {lr: 0.1}\noutputs: {model: {type: custom_model, mode: mount}}\n")
        let body = job.body(
            name: "n",
            defaultExperiment: "exp",
            resolved: .init(codeID: nil, environmentID: "/env", computeID: "/compute", inputURIs: [:])
        )
        let properties = body["properties"] ?? .null
        #expect(properties["inputs"] == ["lr": ["jobInputType": "literal", "value": "0.1"]])
        #expect(
            properties["outputs"] == ["model": ["jobOutputType": "custom_model", "mode": "ReadWriteMount"]]
        )
        #expect(properties["displayName"] == "n")
        #expect(properties["experimentName"] == "exp")
    }
}

@Suite("Online files")
struct OnlineYAMLTests {
    private func document(_ text: String) throws -> SpecDocument {
        try SpecDocument(text: text, file: "f.yml", folder: ".")
    }

    @Test("Durations are ISO 8601, resources keep their text")
    func deployment() throws {
        let spec = try OnlineDeploymentYAML(
            try document(
                """
                name: blue
                endpoint_name: digits
                environment: azureml:e:1
                request_settings: {request_timeout_ms: 900, max_queue_wait_ms: 2000}
                readiness_probe: {period: 3}
                resources: {limits: {nvidia.com/gpu: "1"}}
                """
            )
        )
        #expect(spec.sections["requestSettings"] == ["requestTimeout": "PT0.9S", "maxQueueWait": "PT2S"])
        #expect(spec.sections["readinessProbe"] == ["period": "PT3S"])
        #expect(spec.sections["containerResourceRequirements"] == ["containerResourceLimits": ["gpu": "1"]])
    }

    @Test("Names and traffic are checked")
    func endpoint() {
        let error = #expect(throws: SpecError.self) {
            try OnlineEndpointYAML(
                try document("name: a-\ncompute: azureml:c\ntraffic: {blue: 50}\nauth_mode: aad_token\n")
            )
        }
        #expect(error?.errors.map(\.path) == ["name", "auth_mode", "traffic"])
    }
}

@Suite("Environments")
struct EnvironmentYAMLTests {
    @Test("A conda file travels as YAML with sorted keys")
    func conda() throws {
        let document = try SpecDocument(
            text: "name: e\nimage: i\nconda_file: {name: digits, dependencies: [python=3.11, {pip: [mlflow]}]}\n",
            file: "e.yml",
            folder: "."
        )
        let environment = try EnvironmentYAML(document)
        #expect(environment.condaFile == "dependencies:\n- python=3.11\n- pip:\n  - mlflow\nname: digits\n")
    }

    @Test("Image and build exclude each other")
    func exclusive() throws {
        let document = try SpecDocument(
            text: "name: e\nimage: i\nbuild: {path: .}\n",
            file: "e.yml",
            folder: "."
        )
        #expect(throws: SpecError.self) { try EnvironmentYAML(document) }
    }
}
