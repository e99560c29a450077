internal import NIOCore

/// A request's body as it comes in, for requests that are passed on without being kept.
///
/// Read once. The client is held back while the reader is slower.
struct BodyStream: Sendable {
    typealias Producer = NIOThrowingAsyncSequenceProducer<
        ByteBuffer, any Error, NIOAsyncSequenceProducerBackPressureStrategies.HighLowWatermark, Demand
    >

    let sequence: Producer
    /// As the client said; nil when it did not.
    let length: Int64?

    /// Tells the connection whether more is wanted.
    struct Demand: NIOAsyncSequenceProducerDelegate {
        let resume: @Sendable () -> Void

        func produceMore() { resume() }
        func didTerminate() { resume() }
    }

    /// A stream and the end that feeds it; `resume` is called, on any thread, when there is room again.
    static func make(length: Int64?, resume: @escaping @Sendable () -> Void) -> (BodyStream, Producer.Source) {
        let producer = Producer.makeSequence(
            elementType: ByteBuffer.self,
            failureType: (any Error).self,
            backPressureStrategy: .init(lowWatermark: 2, highWatermark: 8),
            finishOnDeinit: true,
            delegate: Demand(resume: resume)
        )
        return (BodyStream(sequence: producer.sequence, length: length), producer.source)
    }
}
