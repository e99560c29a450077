/// `status.conditions` of an object: changes keep `lastTransitionTime` while the status stays.
package struct ConditionList: Sendable, Hashable {
    package var items: [JSON]

    package init(_ json: JSON?) { items = json?.arrayValue ?? [] }

    package var json: JSON { .array(items) }

    package subscript(type: String) -> JSON? { items.first { $0["type"]?.stringValue == type } }

    /// `True`, `False`, `Unknown`, or nil when the condition is absent.
    package func status(_ type: String) -> String? { self[type]?["status"]?.stringValue }

    package func isTrue(_ type: String) -> Bool { status(type) == "True" }

    /// Sets a condition; the transition time changes only with the status.
    ///
    /// - `now`: RFC 3339 text.
    /// - `extra`: further members, such as `lastUpdateTime` or `observedGeneration`.
    /// Returns true when anything but the times changed.
    @discardableResult
    package mutating func set(
        _ type: String,
        _ status: String,
        reason: String,
        message: String,
        now: String,
        extra: [String: JSON] = [:]
    ) -> Bool {
        let old = self[type]
        let isSameStatus = old?["status"]?.stringValue == status
        var members: [String: JSON] = old?.objectValue ?? [:]
        members["type"] = .string(type)
        members["status"] = .string(status)
        members["reason"] = reason.isEmpty ? nil : .string(reason)
        members["message"] = message.isEmpty ? nil : .string(message)
        members["lastTransitionTime"] = isSameStatus ? old?["lastTransitionTime"] ?? .string(now) : .string(now)
        for (key, value) in extra { members[key] = value }
        let isChanged =
            !isSameStatus || old?["reason"]?.stringValue ?? "" != reason
            || old?["message"]?.stringValue ?? "" != message
        if let index = items.firstIndex(where: { $0["type"]?.stringValue == type }) {
            items[index] = .object(members)
        } else {
            items.append(.object(members))
        }
        return isChanged
    }

    package mutating func remove(_ type: String) { items.removeAll { $0["type"]?.stringValue == type } }
}
