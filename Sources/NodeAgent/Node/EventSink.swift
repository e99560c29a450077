internal import KubeCore
internal import KubeRuntime
internal import Logging

/// Takes events without making the caller wait for the API; the newest 1000 are kept while it is slow.
final class EventSink: Sendable {
    private struct Item: Sendable {
        var severity: EventRecorder.Severity
        var reason: String
        var message: String
        var object: KubeObject
        var fieldPath: String?
    }

    private let recorder: EventRecorder
    private let stream: AsyncStream<Item>
    private let continuation: AsyncStream<Item>.Continuation

    init(api: any ResourceAPI, nodeName: String, logger: Logger) {
        recorder = EventRecorder(api: api, component: "kubelet", host: nodeName, logger: logger)
        (stream, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1000))
    }

    func emit(
        _ severity: EventRecorder.Severity,
        _ reason: String,
        _ message: String,
        about object: KubeObject,
        container: ContainerModel? = nil
    ) {
        let path = container.map { ($0.isInit ? "spec.initContainers{" : "spec.containers{") + $0.name + "}" }
        continuation.yield(Item(severity: severity, reason: reason, message: message, object: object, fieldPath: path))
    }

    /// Writes events until cancelled.
    func run() async {
        for await item in stream {
            await recorder.record(
                item.severity,
                reason: item.reason,
                item.message,
                about: item.object,
                fieldPath: item.fieldPath
            )
        }
    }
}
