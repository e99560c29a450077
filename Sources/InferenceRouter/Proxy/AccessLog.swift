internal import KubeCore
internal import Telemetry

/// One finished request, as little work as possible on the event loop.
struct AccessRecord: Sendable {
    var id = RequestID()
    var clientRequestID: String?
    var endpoint: EndpointRoute?
    var deployment: DeploymentRoute?
    var backend: UInt64 = 0
    var attempts = 0
    var status = 0
    var modelStatus = 0
    var fault: Fault?
    /// Nanoseconds of the monotonic clock.
    var started: UInt64 = 0
    var acquired: UInt64 = 0
    var ended: UInt64 = 0
    var bytesIn = 0
    var bytesOut = 0
}

/// Turns records into JSON lines.
///
/// Runs away from the event loops.
enum AccessLog {
    /// The records' lines; `epoch` is the wall-clock time in nanoseconds at which the monotonic clock was zero.
    static func lines(_ records: [AccessRecord], epoch: UInt64) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(records.count * 320)
        for record in records { append(record, epoch: epoch, to: &bytes) }
        return bytes
    }

    private static func append(_ record: AccessRecord, epoch: UInt64, to bytes: inout [UInt8]) {
        let wall = epoch + record.started
        let time = LogTime.text(seconds: Int(wall / 1_000_000_000), milliseconds: Int(wall / 1_000_000 % 1000))
        bytes += "{\"time\":\"\(time)\",\"requestId\":\"\(record.id.text)\"".utf8
        if let id = record.clientRequestID { append("clientRequestId", id, to: &bytes) }
        if let endpoint = record.endpoint { append("endpoint", endpoint.name, to: &bytes) }
        if let deployment = record.deployment {
            append("deployment", deployment.name, to: &bytes)
            if record.backend != 0, let backend = deployment.runtime.backend(record.backend) {
                append("instance", backend.id, to: &bytes)
            }
        }
        bytes += ",\"status\":\(record.status)".utf8
        if record.modelStatus != 0 && record.modelStatus != record.status {
            bytes += ",\"modelStatus\":\(record.modelStatus)".utf8
        }
        if let fault = record.fault { bytes += ",\"error\":\"\(fault.rawValue)\"".utf8 }
        if record.attempts > 1 { bytes += ",\"attempts\":\(record.attempts)".utf8 }
        bytes += ",\"durationMs\":".utf8
        appendMilliseconds(record.ended &- record.started, to: &bytes)
        if record.acquired > 0 {
            bytes += ",\"queueMs\":".utf8
            appendMilliseconds(record.acquired - record.started, to: &bytes)
            bytes += ",\"modelMs\":".utf8
            appendMilliseconds(record.ended &- record.acquired, to: &bytes)
        }
        bytes += ",\"bytesIn\":\(record.bytesIn),\"bytesOut\":\(record.bytesOut)}\n".utf8
    }

    private static func append(_ key: StaticString, _ value: String, to bytes: inout [UInt8]) {
        bytes += ",\"\(key)\":".utf8
        JSON.appendQuoted(value, to: &bytes)
    }

    private static func appendMilliseconds(_ nanoseconds: UInt64, to bytes: inout [UInt8]) {
        let micros = nanoseconds / 1000
        let fraction = String(micros % 1000)
        bytes += String(micros / 1000).utf8
        bytes.append(UInt8(ascii: "."))
        for _ in fraction.utf8.count..<3 { bytes.append(UInt8(ascii: "0")) }
        bytes += fraction.utf8
    }
}
