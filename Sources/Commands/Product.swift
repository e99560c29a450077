/// Name and version of what this is.
enum Product {
    static let version = "0.1.0"
    /// Image of the first-party components.
    static let image = image(version: version)

    static func image(version: String) -> String { "outrigger.ml/outrigger:" + version }
}
