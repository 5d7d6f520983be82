import FoundationEssentials

/// Any JSON value, for reading single fields of a status by name.
enum JSONValue: Decodable {
    case null
    case bool(Bool)
    case number(Double)
    case text(String)
    case list([JSONValue])
    case object([String: JSONValue])

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let bool = try? container.decode(Bool.self) {
            self = .bool(bool)
        } else if let number = try? container.decode(Double.self) {
            self = .number(number)
        } else if let text = try? container.decode(String.self) {
            self = .text(text)
        } else if let list = try? container.decode([JSONValue].self) {
            self = .list(list)
        } else {
            self = .object(try container.decode([String: JSONValue].self))
        }
    }

    /// Reads a whole document; nil when it is not JSON.
    static func parse(_ bytes: [UInt8]) -> JSONValue? {
        try? JSONDecoder().decode(JSONValue.self, from: Data(bytes))
    }

    /// The value under a dotted path such as `link.state`; null when there is none.
    subscript(path: String) -> JSONValue {
        var value = self
        for name in path.split(separator: ".") {
            guard case .object(let members) = value, let member = members[String(name)] else {
                return .null
            }
            value = member
        }
        return value
    }

    var number: Double? {
        guard case .number(let number) = self else { return nil }
        return number
    }

    var text: String? {
        guard case .text(let text) = self else { return nil }
        return text
    }

    /// The value as one word for a shell script; `-` stands for null, so that it is never empty.
    var word: String {
        switch self {
        case .null: "-"
        case .bool(let bool): bool ? "true" : "false"
        case .number(let number):
            number == number.rounded() && abs(number) < 9e15
                ? String(Int64(number)) : String(number)
        case .text(let text): text.isEmpty ? "-" : text
        case .list(let list): list.map(\.word).joined(separator: ",")
        case .object: "{…}"
        }
    }
}
