internal import Foundation

/// Patterns of an ignore file, as git reads them.
struct IgnoreRules: Sendable {
    private struct Rule: Sendable {
        var segments: [String]
        var isNegated: Bool
        var isFolderOnly: Bool
        /// The pattern holds a slash, so it counts from the root.
        var isAnchored: Bool
    }

    private var rules: [Rule] = []

    /// `.amlignore` of the folder, else `.gitignore`, else nothing but git's own folder and caches.
    static func read(_ folder: String) throws -> IgnoreRules {
        var text = ".git/\n__pycache__/\n.ipynb_checkpoints/\n"
        for name in [".amlignore", ".gitignore"] where FileManager.default.fileExists(atPath: folder + "/" + name) {
            text += try String(contentsOfFile: folder + "/" + name, encoding: .utf8)
            break
        }
        return IgnoreRules(text)
    }

    init(_ text: String) {
        for line in text.split(whereSeparator: \.isNewline) {
            var pattern = line.trimmingCharacters(in: .whitespaces)
            guard !pattern.isEmpty, !pattern.hasPrefix("#") else { continue }
            let isNegated = pattern.hasPrefix("!")
            if isNegated || pattern.hasPrefix("\\") { pattern.removeFirst() }
            let isFolderOnly = pattern.hasSuffix("/")
            if isFolderOnly { pattern.removeLast() }
            let isAnchored = pattern.contains("/")
            if pattern.hasPrefix("/") { pattern.removeFirst() }
            guard !pattern.isEmpty else { continue }
            rules.append(
                Rule(
                    segments: pattern.split(separator: "/").map(String.init),
                    isNegated: isNegated,
                    isFolderOnly: isFolderOnly,
                    isAnchored: isAnchored
                )
            )
        }
    }

    /// The last rule that fits decides.
    ///
    /// The walk does not enter ignored folders, so what is below them is ignored too.
    func ignores(_ name: String, isFolder: Bool) -> Bool {
        let path = name.split(separator: "/").map(String.init)
        var result = false
        for rule in rules where !rule.isFolderOnly || isFolder {
            let segments = rule.isAnchored ? rule.segments : ["**"] + rule.segments
            if IgnoreRules.match(segments[...], path[...]) { result = !rule.isNegated }
        }
        return result
    }

    private static func match(_ pattern: ArraySlice<String>, _ path: ArraySlice<String>) -> Bool {
        guard let first = pattern.first else { return path.isEmpty }
        if first == "**" {
            if pattern.count == 1 { return !path.isEmpty }
            return path.indices.contains { match(pattern.dropFirst(), path[$0...]) }
        }
        guard let segment = path.first, glob(Array(first), Array(segment)) else { return false }
        return match(pattern.dropFirst(), path.dropFirst())
    }

    /// `*`, `?` and `[…]` within one segment.
    private static func glob(_ pattern: [Character], _ text: [Character]) -> Bool {
        var p = 0, t = 0, star = -1, mark = 0
        while t < text.count {
            if p < pattern.count, pattern[p] == "*" {
                (star, mark) = (p, t)
                p += 1
            } else if p < pattern.count, let next = single(pattern, p, text[t]) {
                p = next
                t += 1
            } else if star >= 0 {
                mark += 1
                (p, t) = (star + 1, mark)
            } else {
                return false
            }
        }
        return pattern[p...].allSatisfy { $0 == "*" }
    }

    /// Position after one element of the pattern that fits `character`; nil when it does not fit.
    private static func single(_ pattern: [Character], _ position: Int, _ character: Character) -> Int? {
        if pattern[position] == "[", let end = pattern[(position + 1)...].firstIndex(of: "]"), end > position + 1 {
            var set = Array(pattern[(position + 1)..<end])
            let isNegated = set.first == "!" || set.first == "^"
            if isNegated { set.removeFirst() }
            var isIn = false
            var index = 0
            while index < set.count {
                if index + 2 < set.count, set[index + 1] == "-" {
                    isIn = isIn || (set[index] <= character && character <= set[index + 2])
                    index += 3
                } else {
                    isIn = isIn || set[index] == character
                    index += 1
                }
            }
            return isIn != isNegated ? end + 1 : nil
        }
        return pattern[position] == "?" || pattern[position] == character ? position + 1 : nil
    }
}
