internal import NIOCore

/// One request on a client's connection, from its head to the end of its answer.
struct Exchange {
    var record = AccessRecord()
    /// Whether the client's connection goes on after this request.
    var keepsAlive = true
    var minorVersion: UInt8 = 1
    /// The client waits for `100 Continue` before it sends the body.
    var awaitsContinue = false
    var ticket: UInt64 = 0
    /// Backends that failed this request.
    var tried: [UInt64] = []
    /// Holds a slot of `record.backend`.
    var hasSlot = false
    /// The head for the model and the part of the body that was there with it.
    var out = ByteBuffer()
    /// What was sent after `out`, kept for another attempt.
    var sent: [ByteBuffer] = []
    var sentBytes = 0
    var isReplayable = true
    /// Nothing of this request has been written to any backend yet.
    var isFresh = true
    var responseBegan = false
    /// When the request has to have an answer.
    var answerDeadline: UInt64 = 0
    /// When the connection moved last, for stalls.
    var lastActivity: UInt64 = 0

    static let replayLimit = 1024 * 1024
    /// Bodies up to this size travel in one buffer with their head.
    static let joinLimit = 16 * 1024
}
