/// Which running work a change of settings disturbs.
///
/// Pure. Source: azureml-extension's prompts on update.
enum UpdateEffects {
    private static let jobs = "jobs"
    private static let endpoints = "online endpoints and deployments"

    /// What is asked of every update.
    static let general = "Updating the extension's settings may leave it in an undesirable state. Go on?"

    /// What is asked because of these settings; nil when nothing running is disturbed.
    static func question(_ settings: [String: String]) -> String? {
        var affected: Set<String> = []
        var causes: [String] = []
        for (key, value) in settings.sorted(by: { $0.key < $1.key }) {
            let effect = effect(of: key.lowercased(), value.lowercased())
            guard !effect.isEmpty else { continue }
            affected.formUnion(effect)
            causes.append(key)
        }
        guard !affected.isEmpty else { return nil }
        let both = [jobs, endpoints].filter(affected.contains).joined(separator: " and ")
        return "Changing \(causes.joined(separator: ", ")) disturbs running \(both). Go on?"
    }

    private static func effect(of key: String, _ value: String) -> Set<String> {
        switch key {
        case "enabletraining": value == "false" ? [jobs] : []
        case "enableinference": value == "false" ? [endpoints] : []
        case "installnvidiadeviceplugin": value == "false" ? [jobs, endpoints] : []
        case "loganalyticsws": value == "true" ? [jobs, endpoints] : []
        case "allowinsecureconnections", "inferencerouterservicetype", "internalloadbalancerprovider", "sslcname":
            [endpoints]
        default: key.contains("nodeselector") ? [jobs, endpoints] : []
        }
    }
}
