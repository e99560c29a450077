internal import KubeClient

extension HTTPResourceAPI {
    /// The last lines of a container's log, of its present run or the one before.
    func logText(
        _ namespace: String,
        _ pod: String,
        _ container: String?,
        _ tailLines: Int?,
        _ previous: Bool
    ) async throws -> String {
        var options = PodLogOptions()
        options.container = container
        options.tailLines = tailLines
        options.previous = previous
        var bytes: [UInt8] = []
        for try await chunk in try await podLogs(namespace: namespace, name: pod, options: options) {
            bytes += chunk
            // Callers show the text to people; a log without end must not fill the memory.
            if bytes.count > 4 << 20 { bytes.removeFirst(bytes.count - (2 << 20)) }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
