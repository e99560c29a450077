internal import KubeCore

/// On what a cluster's nodes run, as far as they tell.
///
/// Pure.
enum ClusterInfrastructure {
    /// Names of the reference command line; `generic` when nothing gives it away.
    static func detect(_ nodes: [KubeObject]) -> String {
        let providers = nodes.compactMap { $0["spec", "providerID"]?.stringValue }
        for (mark, name) in [("azure://", "azure"), ("aws://", "aws"), ("gce://", "gcp"), ("vsphere://", "vsphere")]
        where providers.contains(where: { $0.hasPrefix(mark) }) {
            return name
        }
        return "generic"
    }
}
