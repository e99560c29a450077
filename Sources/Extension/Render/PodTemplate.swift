internal import KubeCore

/// Where workloads keep their pods' specification.
enum PodTemplate {
    /// Path of the pod template's metadata and spec; nil for kinds without pods.
    static func path(_ kind: String) -> [String]? {
        switch kind {
        case "Deployment", "DaemonSet", "StatefulSet", "ReplicaSet", "Job": ["spec", "template"]
        case "CronJob": ["spec", "jobTemplate", "spec", "template"]
        default: nil
        }
    }

    static func spec(_ object: KubeObject) -> JSON? {
        if object.kind == "Pod" { return object.json["spec"] }
        return path(object.kind).flatMap { object.json[path: $0 + ["spec"]] }
    }
}
