import SanadCore

/// The values of all keys: read from the document, or their defaults.
struct ConfigurationValues {
    private(set) var problems: [ConfigurationProblem] = []
    private var values: [String: ConfigurationValue] = [:]
    private var lines: [String: Int] = [:]
    private var texts: [String: String] = [:]
    let role: ConfigurationRole

    init(_ document: ConfigurationDocument, directory: String) {
        problems = document.problems
        // A role that cannot be read is reported with its key; the others are read as a data node's.
        let named = document.entries.first { $0.key == "node.role" }?.text
        role = named.flatMap(ConfigurationRole.init(rawValue:)) ?? .data
        guard document.isReadable else { return }
        let reported = Set(document.problems.compactMap(\.key))
        for key in ConfigurationKey.all {
            guard key.isRead(by: role) else {
                refuse(key, document)
                continue
            }
            if let entry = document.entries.first(where: { $0.key == key.name }) {
                lines[key.name] = entry.line
                texts[key.name] = entry.text
                read(key, entry.text, directory: directory)
                continue
            }
            switch key.fallback {
            case .value(let text):
                texts[key.name] = text
                read(key, text, directory: directory)
            case .required:
                // A key that stands in the file with another error is not missing as well.
                guard !reported.contains(key.name) else { continue }
                problems.append(
                    ConfigurationProblem(key: key.name, message: "is missing: \(key.meaning)"))
            case .absent:
                break
            }
        }
    }

    /// A key of another role has no effect, which its writer would not expect.
    private mutating func refuse(_ key: ConfigurationKey, _ document: ConfigurationDocument) {
        guard let entry = document.entries.first(where: { $0.key == key.name }) else { return }
        problems.append(
            ConfigurationProblem(
                line: entry.line, key: key.name,
                message: "has no meaning with node.role: \(role.rawValue); take it out"))
    }

    private mutating func read(_ key: ConfigurationKey, _ text: String, directory: String) {
        do throws(ConfigurationValueError) {
            values[key.name] = try key.read(text, directory: directory)
        } catch {
            problems.append(
                ConfigurationProblem(
                    line: lines[key.name], key: key.name, message: error.message))
        }
    }

    var settings: [ConfigurationReading.Setting] {
        ConfigurationKey.all.filter { $0.isRead(by: role) }.map {
            .init(name: $0.name, text: texts[$0.name], line: lines[$0.name])
        }
    }

    func line(_ key: String) -> Int? { lines[key] }

    /// True when the key is neither in the file nor has a default.
    func isAbsent(_ key: String) -> Bool { texts[key] == nil }

    // Values that may be missing, because of an error or because the key is optional.

    func text(_ key: String) -> String? {
        if case .text(let text) = values[key] { text } else { nil }
    }

    func nodeName(_ key: String) -> NodeName? {
        if case .nodeName(let name) = values[key] { name } else { nil }
    }

    func identifier(_ key: String) -> Identifier? {
        if case .identifier(let identifier) = values[key] { identifier } else { nil }
    }

    func endpoint(_ key: String) -> Endpoint? {
        if case .endpoint(let endpoint) = values[key] { endpoint } else { nil }
    }

    func span(_ key: String) -> Span? {
        if case .duration(let span) = values[key] { span } else { nil }
    }

    func number(_ key: String) -> UInt64? {
        if case .number(let number) = values[key] { number } else { nil }
    }

    func nodeNames(_ key: String) -> [NodeName]? {
        if case .nodeNames(let names) = values[key] { names } else { nil }
    }

    func endpoints(_ key: String) -> [Endpoint]? {
        if case .endpoints(let endpoints) = values[key] { endpoints } else { nil }
    }

    func integer(_ key: String) -> Int? { number(key).map { Int(clamping: $0) } }

    func choice<Choice: RawRepresentable<String>>(
        _ key: String, _ type: Choice.Type = Choice.self
    ) -> Choice? {
        text(key).flatMap(Choice.init(rawValue:))
    }
}
