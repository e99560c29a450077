package import KubeCore

/// What a strategy may look at besides the object.
package struct StrategyContext: Sendable {
    package let registry: Registry
    package let type: ResourceType
    package var user: RequestUser
    package let isDryRun: Bool
    /// nil for the object itself.
    package let subresource: String?
    package var fieldManager: String?
    package var isPatch = false
    /// The name was made from `generateName`.
    var isNameGenerated = false
}

/// The behaviour of one kind that needs code.
///
/// Everything has a default that does nothing.
package protocol Strategy: Sendable {
    /// `metadata.generation` counts the changes outside of metadata and status.
    var tracksGeneration: Bool { get }
    /// Creation takes the status that the client sends (nodes register with theirs).
    var keepsStatusOnCreate: Bool { get }
    /// The server's grammar for names.
    var nameRule: NameRule { get }
    /// Admission: changes or refuses the object with a look at other objects. `old` is nil on create.
    func admit(_ object: inout KubeObject, old: KubeObject?, _ context: StrategyContext) async throws
    /// Fills in what the server owns; status is already removed where it is a subresource.
    func prepareForCreate(_ object: inout KubeObject, _ context: StrategyContext) throws
    func prepareForUpdate(_ object: inout KubeObject, old: KubeObject, _ context: StrategyContext) throws
    /// All errors of the object, apart from its metadata.
    func validate(_ object: KubeObject, _ context: StrategyContext) -> [FieldError]
    /// Errors of the change.
    func validateUpdate(_ object: KubeObject, old: KubeObject, _ context: StrategyContext) -> [FieldError]
    /// Seconds of grace for a deletion without finalizers; 0 deletes at once.
    func deletionGrace(_ object: KubeObject, asked: Int?) -> Int
    /// Refuses a deletion.
    func validateDelete(_ object: KubeObject, _ context: StrategyContext) throws
    /// Called when the deletion starts, to mark the object.
    func prepareForDelete(_ object: inout KubeObject, _ context: StrategyContext)
    /// Called after a durable write (`object` nil: deleted), and with `isCommitted` off after one that failed.
    func finish(_ object: KubeObject?, old: KubeObject?, isCommitted: Bool, _ context: StrategyContext) async
}

extension Strategy {
    package var tracksGeneration: Bool { false }
    package var keepsStatusOnCreate: Bool { false }
    package var nameRule: NameRule { .subdomain }
    package func admit(_ object: inout KubeObject, old: KubeObject?, _ context: StrategyContext) async throws {}
    package func prepareForCreate(_ object: inout KubeObject, _ context: StrategyContext) throws {}
    package func prepareForUpdate(_ object: inout KubeObject, old: KubeObject, _ context: StrategyContext) throws {}
    package func validate(_ object: KubeObject, _ context: StrategyContext) -> [FieldError] { [] }
    package func validateUpdate(_ object: KubeObject, old: KubeObject, _ context: StrategyContext) -> [FieldError] {
        []
    }
    package func deletionGrace(_ object: KubeObject, asked: Int?) -> Int { 0 }
    package func validateDelete(_ object: KubeObject, _ context: StrategyContext) throws {}
    package func prepareForDelete(_ object: inout KubeObject, _ context: StrategyContext) {}
    package func finish(
        _ object: KubeObject?,
        old: KubeObject?,
        isCommitted: Bool,
        _ context: StrategyContext
    ) async {}
}

/// Kinds without behaviour of their own.
struct PlainStrategy: Strategy {
    var tracksGeneration = false
    var keepsStatusOnCreate = false
    var nameRule = NameRule.subdomain
}
