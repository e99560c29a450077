internal import ControlPlaneAPI
internal import KubeCore

/// What the agents of clusters last said; one document for each cluster and type.
enum ClusterHeartbeats {
    /// Seconds without a heartbeat after which a cluster counts as offline; agents send one every 30.
    static let offlineAfter: Double = 120
    /// Seconds without a heartbeat after which nobody expects it back.
    static let expiredAfter: Double = 45 * 86400

    /// The newest heartbeat with its time.
    struct Record: Sendable {
        var heartbeat: ClusterHeartbeat
        var time: Double
    }

    static func stateID(_ cluster: String) -> String { cluster.lowercased() + "/state" }

    /// The state's document, a new one when there is none yet.
    static func state(_ t: Transaction, cluster: String) throws -> Document {
        let id = stateID(cluster)
        return try t.find(id)
            ?? Document(kind: .clusterState, id: id, parent: cluster, name: "state", body: .object([:]))
    }

    static func store(_ t: Transaction, cluster: String, _ heartbeat: ClusterHeartbeat, now: Double) throws {
        var document = try state(t, cluster: cluster)
        document.body["heartbeat"] = try JSON(encoding: heartbeat)
        document.body["time"] = .double(now)
        try t.put(&document)
    }

    /// Seconds since 1970 of the newest heartbeat; nil when there was none.
    static func last(_ t: Transaction, cluster: String) throws -> Double? {
        try t.find(stateID(cluster))?.body["time"]?.doubleValue
    }

    static func record(_ t: Transaction, cluster: String) throws -> Record? {
        guard let document = try t.find(stateID(cluster)), let heartbeat = document.body["heartbeat"],
            let time = document.body["time"]?.doubleValue
        else { return nil }
        return Record(heartbeat: try heartbeat.decode(ClusterHeartbeat.self), time: time)
    }

    /// ARM's word for how a cluster is connected.
    static func connectivity(last: Double?, now: Double) -> String {
        guard let last else { return "Connecting" }
        switch now - last {
        case ..<offlineAfter: return "Connected"
        case ..<expiredAfter: return "Offline"
        default: return "Expired"
        }
    }
}
