/// Whether a command of the control plane is carried out.
///
/// Pure. Commands are numbered in the order in which they were wished. A connection that is cut leaves the control plane
/// unsure whether a command arrived, so it sends it again; and what was sent first may still arrive after what was sent later.
enum CommandDecision: Equatable {
    case carryOut
    /// This command, or a later one, is in force already.
    case isInForce
    /// A later command removed the object.
    case isTooLate(removedBy: Int)

    /// Annotation with the number of the command that last wrote an object.
    static let annotation = "outrigger.ml/command"

    /// `live`: number on the object that is there, 0 without one, nil without an object; `buried`: number of the command that
    /// removed it last.
    static func put(_ command: Int?, live: Int?, buried: Int?) -> CommandDecision {
        guard let command else { return .carryOut }
        if let live { return command <= live ? .isInForce : .carryOut }
        if let buried, command <= buried { return .isTooLate(removedBy: buried) }
        return .carryOut
    }

    static func delete(_ command: Int?, live: Int?) -> CommandDecision {
        guard let command, let live, command <= live else { return .carryOut }
        return .isInForce
    }
}
