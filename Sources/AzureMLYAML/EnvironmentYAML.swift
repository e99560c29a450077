internal import Foundation
package import KubeCore
internal import Yams

/// An environment written out: an image, or an image build, with an optional conda file.
package struct EnvironmentYAML: Sendable, Hashable {
    package var name: String?
    package var version: String?
    package var image: String?
    /// Text of the conda file, keys sorted as the reference client sends it.
    package var condaFile: String?
    package var buildPath: String?
    package var dockerfilePath: String?
    /// `{livenessRoute, readinessRoute, scoringRoute}`.
    package var inferenceConfig: JSON?
    package var description: String?
    package var tags: [String: String]?
    package var osType: String?

    static let keys = [
        "$schema", "name", "version", "image", "conda_file", "build", "inference_config", "os_type", "description",
        "tags",
        "datastore", "type",
    ]

    /// A file of its own; `name` is required.
    package init(_ document: SpecDocument) throws(SpecError) {
        var errors: [FieldError] = []
        self.init(document.root, path: "", folder: document.folder, isInline: false, errors: &errors)
        guard errors.isEmpty else { throw SpecError(file: document.file, errors: errors) }
    }

    init(_ value: JSON, path: String, folder: String, isInline: Bool, errors: inout [FieldError]) {
        var reader = SpecReader(value, path: path)
        if value["dependencies"] != nil || value["channels"] != nil {
            reader.fail("", .invalid, "this is a conda file; write it to a file and name it in conda_file beside image")
        } else {
            reader.allow(Self.keys)
        }
        name = isInline ? reader.string("name") : reader.requiredString("name")
        version = reader.string("version")
        image = reader.string("image")
        description = reader.string("description")
        tags = reader.stringMap("tags")
        osType = reader.choice("os_type", among: ["Linux", "Windows"])
        if var build = reader.nested("build") {
            build.allow(["path", "dockerfile_path"])
            buildPath = AssetReference.join(folder, build.requiredString("path"))
            dockerfilePath = build.string("dockerfile_path")
            reader.take(build.errors)
        }
        switch (image, buildPath) {
        case (nil, nil): reader.fail("image", .required, "give image, or build")
        case (.some, .some): reader.fail("build", .forbidden, "image and build exclude each other")
        default: break
        }
        if let conda = reader["conda_file"] {
            if buildPath != nil { reader.fail("conda_file", .forbidden, "conda_file goes with image, not with build") }
            condaFile = Self.conda(conda, folder: folder, reader: &reader)
        }
        if let config = reader.nested("inference_config") { inferenceConfig = Self.routes(config, reader: &reader) }
        errors += reader.errors
    }

    private static func conda(_ value: JSON, folder: String, reader: inout SpecReader) -> String? {
        guard let path = value.stringValue else {
            guard value.objectValue != nil else {
                reader.fail("conda_file", .typeInvalid, "a path or a mapping is expected")
                return nil
            }
            return yaml(value)
        }
        let file = AssetReference.join(folder, path)
        do {
            return yaml(try SpecDocument(file: file).root)
        } catch {
            reader.fail("conda_file", .invalid, error.errors.first?.detail ?? "cannot be read")
            return nil
        }
    }

    /// YAML with sorted keys; JSON is YAML, so values are written as JSON flow where blocks add nothing.
    private static func yaml(_ value: JSON) -> String {
        func node(_ value: JSON) -> Node {
            switch value {
            case .object(let members):
                return Node(
                    members.sorted { $0.key < $1.key }.map { (Node($0.key), node($0.value)) },
                    .implicit,
                    .block
                )
            case .array(let elements): return Node(elements.map(node), .implicit, .block)
            case .string(let text): return Node(text, .implicit, SpecReader.needsQuotes(text) ? .singleQuoted : .any)
            default: return Node(value.text)
            }
        }
        do {
            return try Yams.serialize(node: node(value))
        } catch {
            return value.text
        }
    }

    private static func routes(_ config: SpecReader, reader: inout SpecReader) -> JSON {
        var config = config
        config.allow(["liveness_route", "readiness_route", "scoring_route", "type"])
        var routes: [String: JSON] = [:]
        for (key, name) in [
            ("liveness_route", "livenessRoute"), ("readiness_route", "readinessRoute"),
            ("scoring_route", "scoringRoute"),
        ] {
            guard var route = config.nested(key) else {
                config.fail(key, .required, "all three routes are needed")
                continue
            }
            route.allow(["port", "path"])
            let port = route.integer("port", minimum: 1)
            let path = route.requiredString("path")
            if port == nil { route.fail("port", .required, "") }
            routes[name] = ["port": JSON(port ?? 0), "path": .string(path)]
            config.take(route.errors)
        }
        reader.take(config.errors)
        return .object(routes)
    }

    /// `properties` of an environment version.
    package func properties(buildURI: String? = nil) -> JSON {
        var members: [String: JSON] = ["osType": .string(osType ?? "Linux")]
        if let image { members["image"] = .string(image) }
        if let condaFile { members["condaFile"] = .string(condaFile) }
        if let buildURI {
            members["build"] = [
                "contextUri": .string(buildURI), "dockerfilePath": .string(dockerfilePath ?? "Dockerfile"),
            ]
        }
        if let inferenceConfig { members["inferenceConfig"] = inferenceConfig }
        if let description { members["description"] = .string(description) }
        if let tags { members["tags"] = JSON(tags) }
        return .object(members)
    }
}

extension SpecReader {
    /// True when plain text would be read back as something else than text.
    static func needsQuotes(_ text: String) -> Bool {
        guard let first = text.first else { return true }
        if "!&*?|>%@`\"'#,[]{}-:".contains(first) { return true }
        if text.contains(": ") || text.contains(" #") || text.hasSuffix(":") { return true }
        switch text.lowercased() {
        case "true", "false", "null", "~", "yes", "no", "on", "off", "y", "n": return true
        default: return Double(text) != nil
        }
    }
}

/// An environment in a job or deployment: a reference, or written out.
package enum EnvironmentChoice: Sendable, Hashable {
    case reference(AssetReference)
    case inline(EnvironmentYAML)

    static func read(_ reader: inout SpecReader, folder: String, isRequired: Bool) -> EnvironmentChoice? {
        guard let value = reader["environment"] else {
            if isRequired { reader.fail("environment", .required, "give azureml:NAME:VERSION or image and conda_file") }
            return nil
        }
        if let text = value.stringValue {
            let reference = AssetReference(text, folder: folder)
            if case .local(let path) = reference {
                guard text.hasPrefix("file:") else {
                    reader.fail(
                        "environment",
                        .invalid,
                        "write azureml:NAME:VERSION, file:PATH, or a mapping with image"
                    )
                    return nil
                }
                return inline(file: path, reader: &reader)
            }
            return .reference(reference)
        }
        var errors: [FieldError] = []
        let environment = EnvironmentYAML(
            value,
            path: reader.at("environment"),
            folder: folder,
            isInline: true,
            errors: &errors
        )
        reader.take(errors)
        return .inline(environment)
    }

    private static func inline(file: String, reader: inout SpecReader) -> EnvironmentChoice? {
        do {
            let document = try SpecDocument(file: file)
            var errors: [FieldError] = []
            let environment = EnvironmentYAML(
                document.root,
                path: "",
                folder: document.folder,
                isInline: true,
                errors: &errors
            )
            if !errors.isEmpty { throw SpecError(file: file, errors: errors) }
            return .inline(environment)
        } catch {
            reader.fail("environment", .invalid, "\(error)")
            return nil
        }
    }
}
