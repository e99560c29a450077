internal import Yams

/// What a conda environment file asks for, as far as a virtual environment can give it.
package struct CondaFile: Sendable, Hashable {
    /// `3.11`, when the file pins one.
    package var pythonVersion: String?
    /// Lines for pip, in order.
    package var requirements: [String]
    /// Conda packages that were translated to PyPI's package of the same name.
    package var translated: [String]

    /// - Throws: `JobRuntimeError` naming what is wrong with the text.
    package init(_ text: String) throws(JobRuntimeError) {
        let loaded: Any?
        do {
            loaded = try Yams.load(yaml: text)
        } catch {
            throw JobRuntimeError(.badConfiguration, "the conda file is not YAML: \(error)")
        }
        guard let mapping = loaded as? [String: Any], let dependencies = mapping["dependencies"] as? [Any] else {
            throw JobRuntimeError(
                .badConfiguration,
                "the conda file has no list \"dependencies\"",
                remedy: "write dependencies: [python=3.11, pip, {pip: [...]}]"
            )
        }
        requirements = []
        translated = []
        for dependency in dependencies {
            if let package = dependency as? String {
                add(conda: package)
            } else if let group = dependency as? [String: Any], let pip = group["pip"] as? [Any] {
                requirements += pip.map { "\($0)" }
            } else {
                throw JobRuntimeError(
                    .badConfiguration,
                    "the conda file's dependency \"\(dependency)\" is not understood"
                )
            }
        }
    }

    private mutating func add(conda package: String) {
        var specification = package.split(separator: "::").last.map(String.init) ?? package
        specification.removeAll(where: \.isWhitespace)
        let name = specification.prefix { $0.isLetter || $0.isNumber || "-_.".contains($0) }
        let constraint = specification.dropFirst(name.count)
        switch name.lowercased() {
        case "python":
            let digits = constraint.drop { !$0.isNumber }.prefix { $0.isNumber || $0 == "." }
            let parts = digits.split(separator: ".").prefix(2)
            if !parts.isEmpty { pythonVersion = parts.joined(separator: ".") }
        case "pip", "setuptools", "wheel": break
        default:
            translated.append(package)
            requirements.append(name + Self.pipConstraint(constraint))
        }
    }

    /// conda's `=1.2` means any 1.2.x; pip writes that `==1.2.*`.
    ///
    /// A build string after a second `=` is dropped.
    private static func pipConstraint(_ text: Substring) -> String {
        guard text.hasPrefix("="), !text.hasPrefix("==") else { return String(text) }
        let version = text.dropFirst().prefix { $0 != "=" }
        return version.hasSuffix("*") ? "==\(version)" : "==\(version).*"
    }
}
