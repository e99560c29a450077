package import KubeCore
package import Logging
internal import Foundation
internal import Synchronization

/// Writes `v1` Events about objects; equal events are counted up instead of repeated.
///
/// Failures are logged and dropped: an event is never worth failing for.
package final class EventRecorder: Sendable {
    package enum Severity: String, Sendable {
        case normal = "Normal"
        case warning = "Warning"
    }

    private let api: any ResourceAPI
    private let component: String
    private let host: String?
    private let logger: Logger
    private let known = Mutex<[String: (name: String, count: Int)]>([:])

    package init(api: any ResourceAPI, component: String, host: String? = nil, logger: Logger) {
        self.api = api
        self.component = component
        self.host = host
        self.logger = logger
    }

    package func record(
        _ severity: Severity,
        reason: String,
        _ message: String,
        about object: KubeObject,
        fieldPath: String? = nil
    ) async {
        let namespace = object.namespace ?? "default"
        let identity = [object.kind, namespace, object.name, object.uid, reason, message, fieldPath ?? ""]
            .joined(separator: "\u{1}")
        let now = JSON.string(Date.now.formatted(.iso8601))
        let previous = known.withLock { known in
            if known.count > 4096 { known.removeAll() }
            return known[identity]
        }
        do {
            if let previous {
                let count = previous.count + 1
                _ = try await api.patch(
                    .events,
                    ObjectKey(namespace: namespace, name: previous.name),
                    .merge(["count": JSON(count), "lastTimestamp": now])
                )
                known.withLock { $0[identity] = (previous.name, count) }
                return
            }
        } catch let error as APIError where error.isNotFound {
            // The event expired: write a new one.
        } catch {
            logger.debug("event not counted", metadata: ["error": "\(error)"])
            return
        }
        let name = "\(object.name).\(String(UInt64.random(in: 0...UInt64.max), radix: 16))"
        let involved: [String: JSON?] = [
            "apiVersion": .string(object.apiVersion), "kind": .string(object.kind), "name": .string(object.name),
            "namespace": object.namespace.map(JSON.string), "uid": .string(object.uid),
            "resourceVersion": object.resourceVersion.map(JSON.string), "fieldPath": fieldPath.map(JSON.string),
        ]
        let source: [String: JSON?] = ["component": .string(component), "host": host.map(JSON.string)]
        let body: [String: JSON] = [
            "involvedObject": .object(involved.compactMapValues { $0 }),
            "source": .object(source.compactMapValues { $0 }), "reason": .string(reason), "message": .string(message),
            "type": .string(severity.rawValue), "firstTimestamp": now, "lastTimestamp": now, "count": 1,
            "reportingComponent": .string(component), "reportingInstance": .string(host ?? ""),
        ]
        do {
            try await api.create(.events, KubeObject(.events, namespace: namespace, name: name, body: body))
            known.withLock { $0[identity] = (name, 1) }
        } catch {
            logger.debug("event not written", metadata: ["reason": "\(reason)", "error": "\(error)"])
        }
    }
}
