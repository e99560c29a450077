package import MLTypes

/// The variables a job's processes see.
///
/// Names as in the reference system.
package enum JobEnvironment {
    package static func variables(
        _ spec: AmlJobSpec,
        bindings: JobBindings,
        namespace: String,
        environmentPath: String?
    ) -> [String: String] {
        let workspace = spec.workspace
        var variables: [String: String] = [
            "AZUREML_RUN_ID": spec.jobId,
            "AZUREML_ROOT_RUN_ID": spec.jobId,
            "AZUREML_ARM_PROJECT_NAME": spec.experimentName,
            "AZUREML_ARM_SUBSCRIPTION": workspace.subscriptionId,
            "AZUREML_ARM_RESOURCEGROUP": workspace.resourceGroup,
            "AZUREML_ARM_WORKSPACE_NAME": workspace.name,
            "AZUREML_WORKSPACE_SCOPE": workspace.armID,
            "AZUREML_EXPERIMENT_SCOPE": workspace.armID + "/experiments/" + spec.experimentName,
            "AZUREML_CR_EXECUTION_WORKING_DIR_PATH": RuntimePaths.code,
            "AZUREML_NODE_COUNT": String(max(1, spec.instanceCount ?? 1)),
            "MLFLOW_TRACKING_URI": spec.trackingURI,
            "MLFLOW_RUN_ID": spec.jobId,
            "MLFLOW_EXPERIMENT_NAME": spec.experimentName,
            "MLFLOW_TRACKING_SERVER_CERT_PATH": RuntimePaths.configuration + "/ca.pem",
            "PYTHONUNBUFFERED": "1",
            "HOME": "/tmp",
        ]
        if let id = spec.experimentId {
            variables["AZUREML_EXPERIMENT_ID"] = id
            variables["MLFLOW_EXPERIMENT_ID"] = id
        }
        if let environmentPath {
            variables["VIRTUAL_ENV"] = environmentPath
            variables["PATH"] =
                environmentPath + "/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        }
        for (name, value) in bindings.inputs {
            variables["AZUREML_PARAMETER_" + name] = value
            variables["AZURE_ML_INPUT_" + name] = value
        }
        for (name, value) in bindings.outputs { variables["AZURE_ML_OUTPUT_" + name] = value }
        return variables.merging(spec.environmentVariables ?? [:]) { _, users in users }
    }
}
