internal import KubeCore

/// One entry of an extension's `statuses`, as one line of text.
///
/// Pure.
struct ComponentLine: Sendable, Hashable {
    /// What it speaks of: a component's name, or a code.
    var subject: String
    var status: String
    var level: String
    var message: String

    /// Nothing is waited for.
    var isSettled: Bool { level != "Error" && status != "NotReady" && status != "Deleting" }

    var text: String { message.isEmpty ? "\(subject): \(status)" : "\(subject): \(message)" }

    /// The entries of `statuses`, in their order.
    static func all(_ statuses: JSON?) -> [ComponentLine] {
        (statuses?.arrayValue ?? []).map { entry in
            let code = entry["code"]?.stringValue ?? ""
            let display = entry["displayStatus"]?.stringValue ?? ""
            // Remarks have a code and a setting in these places, components their name and a state.
            let isRemark = code.first?.isUppercase == true && display.first?.isLowercase == true
            return ComponentLine(
                subject: isRemark ? display : code,
                status: isRemark ? code : display,
                level: entry["level"]?.stringValue ?? "Information",
                message: entry["message"]?.stringValue ?? ""
            )
        }
    }

    /// Why an operation is not at its end: the lines that are not settled, errors first.
    static func waiting(_ statuses: JSON?) -> [ComponentLine] {
        let open = all(statuses).filter { !$0.isSettled }
        return open.filter { $0.level == "Error" } + open.filter { $0.level != "Error" }
    }
}
