internal import NIOCore

/// Answers one message: from the cluster's zone, or from the host's resolvers.
struct DNSResponder: Sendable {
    let zone: @Sendable () -> ClusterZone
    let forwarder: DNSForwarder
    /// False until the zone knows all services; until then questions about it fail, and askers try again.
    let isReady: @Sendable () -> Bool

    /// nil when the message deserves no answer.
    func respond(to message: [UInt8], overTCP: Bool, loop: any EventLoop) -> EventLoopFuture<[UInt8]?> {
        let query: DNSQuery
        do {
            query = try DNSQuery(message)
        } catch {
            switch error {
            case .ignored: return loop.makeSucceededFuture(nil)
            case .answer(let id, let code): return loop.makeSucceededFuture(DNSAnswer.bare(id: id, code))
            }
        }
        let limit = overTCP ? Int(UInt16.max) : query.udpSize
        switch zone().outcome(query) {
        case .answer(var answer):
            guard isReady() else { answer = DNSAnswer(code: .serverFailure); break }
            answer.answers = Self.balanced(answer.answers)
            return loop.makeSucceededFuture(answer.encode(for: query, limit: limit))
        case .forward:
            return forwarder.ask(query, message: message, overTCP: overTCP).hop(to: loop).map { $0 }
        case .chase(let records, let target):
            return chase(query, records, target).map { $0.encode(for: query, limit: limit) }.hop(to: loop).map { $0 }
        }
        return loop.makeSucceededFuture(DNSAnswer(code: .serverFailure).encode(for: query, limit: limit))
    }

    private func chase(_ query: DNSQuery, _ records: [DNSRecord], _ target: DNSName) -> EventLoopFuture<DNSAnswer> {
        let message = Self.message(name: target, type: query.type)
        let inner: DNSQuery
        do {
            inner = try DNSQuery(message)
        } catch {
            return forwarder.anyLoop.makeSucceededFuture(DNSAnswer(code: .serverFailure, answers: records))
        }
        return forwarder.ask(inner, message: message, overTCP: false).map { bytes in
            DNSAnswer(answers: records + (DNSResponse(bytes)?.answers ?? []))
        }
    }

    /// A question in wire form.
    static func message(name: DNSName, type: DNSType, id: UInt16 = 0) -> [UInt8] {
        var bytes: [UInt8] = [UInt8(id >> 8), UInt8(id & 0xff), 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]
        for label in name.labels {
            let text = Array(label.utf8.prefix(63))
            bytes.append(UInt8(text.count))
            bytes += text
        }
        return bytes + [0, UInt8(type.rawValue >> 8), UInt8(type.rawValue & 0xff), 0, 1]
    }

    /// Address records in a new order each time; many clients take the first.
    private static func balanced(_ records: [DNSRecord]) -> [DNSRecord] {
        guard records.count > 1, records.allSatisfy({ $0.content.type == .a }) else { return records }
        return records.shuffled()
    }
}
