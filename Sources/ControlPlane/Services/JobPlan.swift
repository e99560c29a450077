internal import ControlPlaneAPI
internal import KubeCore
internal import MLTypes

/// What a command job's document means on a cluster.
///
/// Computed when the job is submitted, to find mistakes, and again at each
/// push, because addresses may have changed between two starts.
struct JobPlan {
    var spec: AmlJobSpec
    var compute: Document
    /// Folder or file of each output.
    var outputs: [String: BlobAddress]
    /// What the run's token may read.
    var readable: [BlobAddress]
    var notes: [String]

    static func objectName(_ job: String) -> String { ObjectNames.label(job) }
    static func tokenSecret(_ job: String) -> String { objectName(job) + "-token" }

    static func make(_ job: Document, _ scope: Scope, _ core: Core, _ t: Transaction) throws -> JobPlan {
        let references = References(scope: scope, owner: "Job '\(job.name)'")
        let compute = try references.compute(
            job[property: "computeId"]?.stringValue,
            field: "properties.computeId",
            t
        )
        guard core.cluster(key: compute.computeCluster) != nil else {
            throw ARMError(
                400,
                "ClusterNotFound",
                "Job '\(job.name)': the cluster of compute '\(compute.name)' is not registered any more. Register it again and attach the compute anew.",
                target: "properties.computeId"
            )
        }
        let base = core.podURL(cluster: compute.computeCluster)
        return try Builder(job: job, scope: scope, core: core, compute: compute, base: base).plan(t)
    }

    private struct Builder {
        let job: Document
        let scope: Scope
        let core: Core
        let compute: Document
        /// Address of the control plane for the pods of that compute.
        let base: String

        var owner: String { "Job '\(job.name)'" }

        func plan(_ t: Transaction) throws -> JobPlan {
            let references = References(scope: scope, owner: owner)
            guard let command = job[property: "command"]?.stringValue, !command.isEmpty else {
                throw ARMError.invalid("properties.command", "\(owner) has no command.")
            }
            guard let environmentID = job[property: "environmentId"]?.stringValue, !environmentID.isEmpty else {
                throw ARMError.invalid("properties.environmentId", "\(owner) has no environment.")
            }
            var readable: [BlobAddress] = []
            var codeURI: String?
            if let codeID = job[property: "codeId"]?.stringValue, !codeID.isEmpty {
                let folder = try references.code(codeID, field: "properties.codeId", t)
                readable.append(folder)
                codeURI = folder.url(base: base)
            }
            let (inputs, inputPlaces) = try inputs(t)
            readable += inputPlaces
            let outputs = try outputs(t)
            try checkExpressions(command, inputs: Set(inputs.keys), outputs: Set(outputs.keys))
            let experiment = job[property: "experimentName"]?.stringValue ?? "Default"
            var spec = AmlJobSpec(
                jobId: job.name,
                displayName: job[property: "displayName"]?.stringValue,
                experimentName: experiment,
                experimentId: try t.experiment(scope.key, name: experiment).map { String($0.id) },
                workspace: WorkspaceReference(
                    subscriptionId: scope.subscription,
                    resourceGroup: scope.resourceGroup,
                    name: scope.name
                ),
                compute: compute.name,
                command: command,
                codeURI: codeURI,
                environment: try references.environment(environmentID, field: "properties.environmentId", t),
                controlPlane: ControlPlaneReference(
                    url: base,
                    caPEM: core.configuration.caPEM,
                    tokenSecret: JobPlan.tokenSecret(job.name)
                ),
                artifactsURI: BlobAddress(container: scope.artifactContainer, name: Scope.runFolder(job.name)).url(
                    base: base
                ),
                trackingURI: base + "/mlflow/v1.0" + scope.id
            )
            spec.environmentVariables = variables()
            spec.inputs = inputs.isEmpty ? nil : inputs
            spec.outputs = outputs.isEmpty ? nil : outputs.mapValues(\.output)
            try addResources(&spec)
            spec.distribution = try distribution()
            spec.timeoutSeconds = try DurationText.wholeSeconds(
                job[property: "limits", "timeout"]?.stringValue,
                field: "properties.limits.timeout",
                object: owner
            )
            if job.hidden["isCancelRequested"] == true { spec.isCancelRequested = true }
            return JobPlan(
                spec: spec,
                compute: compute,
                outputs: outputs.mapValues(\.address),
                readable: readable,
                notes: notes(compute, wanted: job[property: "computeId"]?.stringValue)
            )
        }

        private func notes(_ compute: Document, wanted: String?) -> [String] {
            var notes: [String] = []
            if wanted == nil || wanted?.lowercased().hasSuffix("/serverless") == true {
                notes.append("no compute was named; '\(compute.name)' is used")
            }
            if job[property: "queueSettings", "jobTier"]?.stringValue != nil {
                notes.append("queue_settings.job_tier has no effect on Kubernetes")
            }
            if let identity = job[property: "identity", "identityType"]?.stringValue, identity != "AMLToken" {
                notes.append("identity '\(identity)' has no effect; pods use the service account of their namespace")
            }
            if job[property: "resources", "dockerArgs"]?.stringValue?.isEmpty == false {
                notes.append("resources.docker_args has no effect on Kubernetes")
            }
            return notes
        }

        private func variables() -> [String: String]? {
            job[property: "environmentVariables"]?.objectValue?.mapValues { MLflowService.text($0) ?? "" }
        }

        private func addResources(_ spec: inout AmlJobSpec) throws {
            guard let resources = job[property: "resources"] else { return }
            if let count = resources["instanceCount"]?.intValue {
                guard (1...1000).contains(count) else {
                    throw ARMError.invalid(
                        "properties.resources.instanceCount",
                        "\(owner): instance_count is \(count); use 1 to 1000."
                    )
                }
                spec.instanceCount = count
            }
            if resources["instanceType"]?.arrayValue != nil {
                throw ARMError.invalid(
                    "properties.resources.instanceType",
                    "\(owner): several instance types cannot be chosen from; name one."
                )
            }
            if let type = resources["instanceType"]?.stringValue, !type.isEmpty { spec.instanceType = type }
            if let size = resources["shmSize"]?.stringValue, !size.isEmpty { spec.shmSize = size }
        }

        private func distribution() throws -> AmlJobSpec.Distribution? {
            guard let json = job[property: "distribution"], let type = json["distributionType"]?.stringValue else {
                return nil
            }
            let known = ["pytorch": "PyTorch", "mpi": "Mpi", "tensorflow": "TensorFlow", "ray": "Ray"]
            guard let name = known[type.lowercased()] else {
                throw ARMError.invalid(
                    "properties.distribution.distributionType",
                    "\(owner): distribution '\(type)' is not known; use pytorch, mpi, tensorflow or ray."
                )
            }
            return AmlJobSpec.Distribution(
                type: name,
                processCountPerInstance: json["processCountPerInstance"]?.intValue,
                workerCount: json["workerCount"]?.intValue,
                parameterServerCount: json["parameterServerCount"]?.intValue
            )
        }

        private func inputs(_ t: Transaction) throws -> ([String: AmlJobSpec.Input], [BlobAddress]) {
            var inputs: [String: AmlJobSpec.Input] = [:]
            var readable: [BlobAddress] = []
            let modes = [
                "readonlymount": "ro_mount", "download": "download", "direct": "direct", "evalmount": "ro_mount",
                "evaldownload": "download", "readwritemount": "ro_mount",
            ]
            for (name, json) in job[property: "inputs"]?.objectValue ?? [:] {
                let type = (json["jobInputType"]?.stringValue ?? "uri_folder").lowercased()
                if type == "literal" {
                    inputs[name] = AmlJobSpec.Input(type: type, value: MLflowService.text(json["value"]) ?? "")
                    continue
                }
                let field = "properties.inputs.\(name).uri"
                guard let uri = json["uri"]?.stringValue, !uri.isEmpty else {
                    throw ARMError.invalid(field, "\(owner): input '\(name)' has no path.")
                }
                let mode = modes[(json["mode"]?.stringValue ?? "ReadOnlyMount").lowercased()] ?? "ro_mount"
                switch try Places(scope: scope).resolve(uri, target: field, t) {
                case .external(let url): inputs[name] = AmlJobSpec.Input(type: type, uri: url, mode: mode)
                case .blob(let address):
                    guard let found = try Places.existing(address, t) else {
                        throw ARMError(
                            400,
                            "InputNotFound",
                            "\(owner): there is nothing at '\(uri)', the path of input '\(name)'.",
                            target: field
                        )
                    }
                    if type == "uri_file", found.name.hasSuffix("/") {
                        throw ARMError.invalid(
                            field,
                            "\(owner): input '\(name)' is a uri_file, but '\(uri)' is a folder."
                        )
                    }
                    readable.append(found)
                    inputs[name] = AmlJobSpec.Input(type: type, uri: found.url(base: base), mode: mode)
                }
            }
            return (inputs, readable)
        }

        private func outputs(_ t: Transaction) throws -> [String: (output: AmlJobSpec.Output, address: BlobAddress)] {
            var outputs: [String: (output: AmlJobSpec.Output, address: BlobAddress)] = [:]
            let modes = ["readwritemount": "rw_mount", "upload": "upload", "direct": "direct", "mount": "rw_mount"]
            for (name, json) in job[property: "outputs"]?.objectValue ?? [:] where name != "default" {
                let type = (json["jobOutputType"]?.stringValue ?? "uri_folder").lowercased()
                let mode = modes[(json["mode"]?.stringValue ?? "ReadWriteMount").lowercased()] ?? "rw_mount"
                var address = BlobAddress(container: scope.blobContainer, name: "azureml/\(job.name)/\(name)")
                if let uri = json["uri"]?.stringValue, !uri.isEmpty {
                    let field = "properties.outputs.\(name).uri"
                    let path = uri.replacing("${{name}}", with: job.name).replacing("${{output_name}}", with: name)
                        .replacing("${{default_datastore}}", with: "workspaceblobstore")
                    guard case .blob(let found) = try Places(scope: scope).resolve(path, target: field, t) else {
                        throw ARMError.invalid(
                            field,
                            "\(owner): output '\(name)' cannot be written to '\(uri)'; use a datastore path."
                        )
                    }
                    address = found
                }
                if type != "uri_file" { address = address.asFolder }
                outputs[name] = (AmlJobSpec.Output(type: type, mode: mode, uri: address.url(base: base)), address)
            }
            return outputs
        }

        private func checkExpressions(_ command: String, inputs: Set<String>, outputs: Set<String>) throws {
            for expression in command.expressions {
                let parts = expression.split(separator: ".", maxSplits: 1).map(String.init)
                let known = parts.first == "inputs" ? inputs : outputs
                guard parts.count == 2, ["inputs", "outputs"].contains(parts[0]) else {
                    throw ARMError.invalid(
                        "properties.command",
                        "\(owner): ${{\(expression)}} is not known in a command; use ${{inputs.NAME}} or ${{outputs.NAME}}."
                    )
                }
                guard known.contains(parts[1]) else {
                    throw ARMError.invalid(
                        "properties.command",
                        "\(owner): the command uses ${{\(expression)}}, but the job declares no \(parts[0].dropLast()) '\(parts[1])'."
                    )
                }
            }
        }
    }
}

extension String {
    /// What stands between `${{` and `}}`, without spaces.
    var expressions: [String] {
        var found: [String] = []
        var rest = self[...]
        while let start = rest.firstRange(of: "${{") {
            rest = rest[start.upperBound...]
            guard let end = rest.firstRange(of: "}}") else { break }
            found.append(rest[..<end.lowerBound].filter { !$0.isWhitespace })
            rest = rest[end.upperBound...]
        }
        return found
    }
}
