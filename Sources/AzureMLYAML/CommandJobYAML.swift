internal import Foundation
package import KubeCore
internal import MLTypes

/// A command job's file, checked.
///
/// Source: the v2 YAML schema of command jobs.
package struct CommandJobYAML: Sendable, Hashable {
    package enum Input: Sendable, Hashable {
        case literal(String)
        /// `type` and `mode` in the YAML's spelling.
        case data(type: String, mode: String?, path: AssetReference)
    }

    package struct Output: Sendable, Hashable {
        package var type: String
        package var mode: String?
        package var path: String?
        package var name: String?
        package var version: String?
    }

    package var name: String?
    package var displayName: String?
    package var experimentName: String?
    package var description: String?
    package var tags: [String: String]
    package var properties: [String: String]
    package var command: String
    package var code: AssetReference?
    package var environment: EnvironmentChoice?
    /// Name or ARM id.
    package var compute: String?
    package var environmentVariables: [String: String]
    package var inputs: [String: Input]
    package var outputs: [String: Output]
    package var instanceCount: Int?
    package var instanceType: String?
    package var shmSize: String?
    /// ARM form.
    package var distribution: JSON?
    package var timeoutSeconds: Int?
    /// Keys that were accepted and do nothing here, each with its reason.
    package var warnings: [String]

    static let keys = [
        "$schema", "type", "name", "display_name", "experiment_name", "description", "tags", "properties", "command",
        "code",
        "environment", "compute", "environment_variables", "inputs", "outputs", "resources", "distribution", "limits",
        "identity", "services", "queue_settings", "parent_job_name",
    ]

    package init(_ document: SpecDocument) throws(SpecError) {
        var reader = SpecReader(document.root)
        reader.allow(Self.keys)
        if let type = reader.string("type"), type.lowercased() != "command" {
            reader.fail("type", .notSupported, "this command runs type: command")
        }
        name = reader.string("name")
        displayName = reader.string("display_name")
        experimentName = reader.string("experiment_name")
        description = reader.string("description")
        tags = reader.stringMap("tags") ?? [:]
        properties = reader.stringMap("properties") ?? [:]
        command = reader.requiredString("command")
        environmentVariables = reader.stringMap("environment_variables") ?? [:]
        code = Self.code(&reader, folder: document.folder)
        environment = EnvironmentChoice.read(&reader, folder: document.folder, isRequired: true)
        compute = reader.string("compute").map { $0.hasPrefix("azureml:") ? String($0.dropFirst(8)) : $0 }
        inputs = Self.inputs(&reader, folder: document.folder)
        outputs = Self.outputs(&reader)
        if var resources = reader.nested("resources") {
            resources.allow([
                "instance_count", "instance_type", "shm_size", "docker_args", "properties", "max_instance_count",
                "locations",
            ])
            instanceCount = resources.integer("instance_count", minimum: 1)
            instanceType = resources.string("instance_type")
            shmSize = resources.string("shm_size")
            reader.take(resources.errors)
        }
        distribution = Self.distribution(&reader)
        if var limits = reader.nested("limits") {
            limits.allow(["timeout"])
            timeoutSeconds = limits.integer("timeout", minimum: 1)
            reader.take(limits.errors)
        }
        warnings = Self.warnings(reader)
        Self.checkReferences(command, inputs: inputs, outputs: outputs, reader: &reader)
        guard reader.errors.isEmpty else { throw SpecError(file: document.file, errors: reader.errors) }
    }

    private static func code(_ reader: inout SpecReader, folder: String) -> AssetReference? {
        guard let text = reader.string("code") else { return nil }
        if text.hasPrefix("git+") {
            reader.fail("code", .notSupported, "git paths are not supported; clone it and give the folder")
            return nil
        }
        let reference = AssetReference(text, folder: folder)
        if case .local(let path) = reference, !FileManager.default.fileExists(atPath: path) {
            reader.fail("code", .notFound, "there is no file or folder at \(path)")
        }
        return reference
    }

    static let dataTypes = ["uri_file", "uri_folder", "mltable", "custom_model", "mlflow_model", "triton_model"]

    private static func inputs(_ reader: inout SpecReader, folder: String) -> [String: Input] {
        guard let members = reader["inputs"]?.objectValue else {
            if reader["inputs"] != nil { reader.fail("inputs", .typeInvalid, "a mapping is expected") }
            return [:]
        }
        var result: [String: Input] = [:]
        for (name, value) in members {
            let path = "inputs." + name
            checkName(name, path: path, reader: &reader)
            if let text = SpecReader.text(value) {
                result[name] = .literal(text)
                continue
            }
            var input = SpecReader(value, path: path)
            if let literal = input["value"].flatMap(SpecReader.text) {
                result[name] = .literal(literal)
                continue
            }
            input.allow(["type", "mode", "path", "path_on_compute", "datastore", "description", "value"])
            let type = input.choice("type", among: dataTypes) ?? "uri_folder"
            let mode = input.choice("mode", among: ["ro_mount", "download", "direct", "eval_mount", "eval_download"])
            let text = input.requiredString("path")
            let reference = AssetReference(text, folder: folder)
            if case .local(let file) = reference, !text.isEmpty, !FileManager.default.fileExists(atPath: file) {
                input.fail("path", .notFound, "there is no file or folder at \(file)")
            }
            reader.take(input.errors)
            result[name] = .data(type: type, mode: mode, path: reference)
        }
        return result
    }

    private static func outputs(_ reader: inout SpecReader) -> [String: Output] {
        guard let members = reader["outputs"]?.objectValue else {
            if reader["outputs"] != nil { reader.fail("outputs", .typeInvalid, "a mapping is expected") }
            return [:]
        }
        var result: [String: Output] = [:]
        for (name, value) in members {
            checkName(name, path: "outputs." + name, reader: &reader)
            var output = SpecReader(value, path: "outputs." + name)
            output.allow(["type", "mode", "path", "name", "version", "description"])
            let mode = output.choice("mode", among: ["rw_mount", "mount", "upload", "direct"])
            result[name] = Output(
                type: output.choice("type", among: dataTypes) ?? "uri_folder",
                mode: mode == "mount" ? "rw_mount" : mode,
                path: output.string("path"),
                name: output.string("name"),
                version: output.string("version")
            )
            reader.take(output.errors)
        }
        return result
    }

    private static func checkName(_ name: String, path: String, reader: inout SpecReader) {
        let isValid = name.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") }
        if !isValid || name.first?.isNumber == true {
            reader.take([
                FieldError(path, .invalid, "names have letters, digits and underscores and start with no digit")
            ])
        }
    }

    private static func distribution(_ reader: inout SpecReader) -> JSON? {
        guard var nested = reader.nested("distribution") else { return nil }
        defer { reader.take(nested.errors) }
        guard let type = nested.choice("type", among: ["pytorch", "mpi", "tensorflow", "ray"]) else {
            if nested["type"] == nil { nested.fail("type", .required, "pytorch, mpi or tensorflow") }
            return nil
        }
        switch type {
        case "tensorflow":
            nested.allow(["type", "worker_count", "parameter_server_count"])
            var members: [String: JSON] = ["distributionType": "TensorFlow"]
            if let count = nested.integer("worker_count", minimum: 1) { members["workerCount"] = JSON(count) }
            if let count = nested.integer("parameter_server_count") { members["parameterServerCount"] = JSON(count) }
            return .object(members)
        case "ray":
            nested.fail("type", .notSupported, "ray is not supported yet")
            return nil
        default:
            nested.allow(["type", "process_count_per_instance"])
            var members: [String: JSON] = ["distributionType": type == "mpi" ? "Mpi" : "PyTorch"]
            if let count = nested.integer("process_count_per_instance", minimum: 1) {
                members["processCountPerInstance"] = JSON(count)
            }
            return .object(members)
        }
    }

    private static func warnings(_ reader: SpecReader) -> [String] {
        let reasons = [
            ("identity", "pods run with no cloud identity; the run's own token is used"),
            ("services", "interactive services are not started"),
            ("queue_settings", "every job goes to queue default"),
        ]
        return reasons.filter { reader[$0.0] != nil }.map { "\($0.0) is ignored: \($0.1)" }
    }

    private static func checkReferences(
        _ command: String,
        inputs: [String: Input],
        outputs: [String: Output],
        reader: inout SpecReader
    ) {
        for reference in Expressions.references(in: command) {
            let parts = reference.split(separator: ".", maxSplits: 1).map(String.init)
            guard parts.count == 2 else {
                reader.fail("command", .invalid, "${{\(reference)}} is no input or output")
                continue
            }
            let known = parts[0] == "inputs" ? Array(inputs.keys) : parts[0] == "outputs" ? Array(outputs.keys) : nil
            guard let known else {
                reader.fail("command", .invalid, "${{\(reference)}}: only inputs and outputs can be named here")
                continue
            }
            guard !known.contains(parts[1]) else { continue }
            let nearest = Spelling.nearest(to: parts[1], among: known).map { "; did you mean \($0)?" } ?? ""
            reader.fail("command", .invalid, "${{\(reference)}} is not declared under \(parts[0])\(nearest)")
        }
    }
}
