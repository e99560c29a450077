/// Kinds of versioned assets; all share the same routes.
enum AssetKind: String, Sendable, CaseIterable {
    case codes, environments, data, models, components

    var container: DocumentKind {
        switch self {
        case .codes: .codeContainer
        case .environments: .environmentContainer
        case .data: .dataContainer
        case .models: .modelContainer
        case .components: .componentContainer
        }
    }

    var version: DocumentKind {
        switch self {
        case .codes: .codeVersion
        case .environments: .environmentVersion
        case .data: .dataVersion
        case .models: .modelVersion
        case .components: .componentVersion
        }
    }

    /// Word for messages.
    var noun: String {
        switch self {
        case .codes: "Code"
        case .environments: "Environment"
        case .data: "Data asset"
        case .models: "Model"
        case .components: "Component"
        }
    }

    /// What must not change in a version once others may rely on it.
    var fixedProperties: [String] {
        switch self {
        case .codes: ["codeUri"]
        case .environments: ["image", "condaFile", "build"]
        case .data: ["dataUri", "dataType"]
        case .models: ["modelUri", "modelType"]
        case .components: []
        }
    }

    /// The property that holds the address of the files.
    var uriProperty: String? {
        switch self {
        case .codes: "codeUri"
        case .data: "dataUri"
        case .models: "modelUri"
        case .environments, .components: nil
        }
    }
}
