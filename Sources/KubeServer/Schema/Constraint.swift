/// Compiled value rules of an OpenAPI schema.
final class Constraint: Sendable {
}
