internal import Yams

/// The file as full key names with their texts and lines, before anything is known of the values.
struct ConfigurationDocument {
    struct Entry: Equatable {
        /// Full name, for example `records.tls.certificate`.
        var key: String
        var text: String
        var line: Int
    }

    /// In file order; keys that nobody knows, and second occurrences, are problems instead.
    private(set) var entries: [Entry] = []
    private(set) var problems: [ConfigurationProblem] = []
    /// False when the text has no sections at all: then no single key is missing.
    private(set) var isReadable = false

    /// Larger files are no configuration.
    static let bytesMaximum = 1 << 20
    /// A file with more doubled keys than this is reported as far as that.
    private static let duplicatesMaximum = 50
    /// Marks a key of which the same section has another. A private-use character, so that no
    /// real key can look like it.
    private static let doubledMark: Character = "\u{E000}"

    /// Takes a YAML text apart.
    init(_ text: String) {
        guard text.utf8.count <= Self.bytesMaximum else {
            problems.append(ConfigurationProblem(message: "the file has more than 1 MiB"))
            return
        }
        guard let root = compose(text) else { return }
        guard case .mapping(let mapping) = root else {
            problems.append(
                ConfigurationProblem(
                    line: root.mark?.line,
                    message: "the file must hold sections with keys, such as \"node:\" and under "
                        + "it \"  name: rabat\""))
            return
        }
        isReadable = true
        walk(mapping, section: "")
        problems = problems.inFileOrder()
    }

    /// Lets Yams read the text.
    ///
    /// Yams stops at the first doubled key. To report it together with all other errors, the key is
    /// renamed in a copy of the text and the copy is read again.
    private mutating func compose(_ original: String) -> Node? {
        var text = original
        for _ in 0...Self.duplicatesMaximum {
            do {
                guard let node = try Yams.compose(yaml: text) else {
                    problems.append(ConfigurationProblem(message: "the file is empty"))
                    return nil
                }
                return node
            } catch YamlError.duplicatedKeysInMapping(let names, let context) {
                guard let renamed = Self.renamingKey(in: text, at: context.mark) else {
                    problems.append(
                        ConfigurationProblem(
                            line: context.mark.line,
                            message: "keys appear twice: \(names.joined(separator: ", "))"))
                    return nil
                }
                text = renamed
            } catch {
                problems.append(Self.problem(of: error))
                return nil
            }
        }
        problems.append(ConfigurationProblem(message: "too many keys appear twice"))
        return nil
    }

    /// Puts the mark before the key that stands at `mark`.
    private static func renamingKey(in text: String, at mark: Mark) -> String? {
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        guard lines.indices.contains(mark.line - 1) else { return nil }
        var scalars = Array(lines[mark.line - 1].unicodeScalars)
        var column = mark.column - 1
        guard scalars.indices.contains(column) else { return nil }
        if scalars[column] == "\"" || scalars[column] == "'" { column += 1 }
        scalars.insert(contentsOf: doubledMark.unicodeScalars, at: column)
        var line = String.UnicodeScalarView()
        line.append(contentsOf: scalars)
        lines[mark.line - 1] = String(line)
        return lines.joined(separator: "\n")
    }

    private static func problem(of error: any Error) -> ConfigurationProblem {
        switch error {
        case YamlError.scanner(let context, let problem, let mark, _),
            YamlError.parser(let context, let problem, let mark, _),
            YamlError.composer(let context, let problem, let mark, _):
            let detail = context.map { " (\($0.text))" } ?? ""
            return ConfigurationProblem(
                line: mark.line, message: "this is not YAML: \(problem)\(detail)")
        default:
            return ConfigurationProblem(message: "this is not YAML: \(error)")
        }
    }

    private mutating func walk(_ mapping: Node.Mapping, section: String) {
        var lines: [String: Int] = [:]
        for (key, _) in mapping {
            guard let name = key.scalar?.string, name.first != Self.doubledMark else { continue }
            lines[name] = key.mark?.line
        }
        for (key, value) in mapping {
            let line = key.mark?.line ?? value.mark?.line ?? 1
            guard var name = key.scalar?.string else {
                report(line, nil, "a key must be a word, not a list or a section")
                continue
            }
            let isDoubled = name.first == Self.doubledMark
            name.removeAll { $0 == Self.doubledMark }
            let full = section.isEmpty ? name : "\(section).\(name)"
            if isDoubled {
                // The renamed one is the earlier of the two; both lines are told.
                report(
                    lines[name] ?? line, full, "appears twice; it also stands in line \(line)")
            }
            take(value, full: full, line: line, isDoubled: isDoubled)
        }
    }

    private mutating func take(_ value: Node, full: String, line: Int, isDoubled: Bool) {
        let known = ConfigurationKey.all.first { $0.name == full }
        let isKey = known != nil
        let isSection = ConfigurationKey.all.contains { $0.name.hasPrefix(full + ".") }
        guard isKey || isSection else {
            report(line, full, Suggestion.unknownKey(full))
            return
        }
        switch value {
        case .mapping(let mapping) where isSection:
            walk(mapping, section: full)
        case .scalar(let scalar) where isKey:
            let isPlain = scalar.style == .plain || scalar.style == .any
            if isPlain, ["", "~", "null"].contains(scalar.string) {
                report(line, full, "has no value; write one, or take the line out")
            } else if !isDoubled {
                entries.append(Entry(key: full, text: scalar.string, line: line))
            }
        case .sequence(let sequence) where known?.kind.isList == true:
            let elements = sequence.compactMap { $0.scalar?.string }
            guard elements.count == sequence.count, !elements.contains(where: \.isEmpty) else {
                return report(line, full, "must be a list of single values")
            }
            if !isDoubled {
                entries.append(
                    Entry(key: full, text: elements.joined(separator: ", "), line: line))
            }
        case .scalar(let scalar) where scalar.string.isEmpty:
            // A section whose keys are all comments: the defaults hold.
            break
        case .alias:
            report(line, full, "anchors and aliases (& and *) are not used in this file")
        default:
            let expected =
                isSection
                ? "a section with keys under it"
                : known?.kind.isList == true ? "a list, for example [a, b]" : "one value"
            report(line, full, "must be \(expected)")
        }
    }

    private mutating func report(_ line: Int, _ key: String?, _ message: String) {
        problems.append(ConfigurationProblem(line: line, key: key, message: message))
    }
}
