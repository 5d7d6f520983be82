/// One line of an export: names unescaped, the value's bytes as they stand.
struct ExportLine {
    var collection: [UInt8] = []
    var key: [UInt8] = []
    var value: ArraySlice<UInt8> = []
    var isPut = true

    /// - Throws: when the line is not an object with `collection`, `key` and `value`.
    init(_ line: ArraySlice<UInt8>) throws {
        var scanner = MemberScanner(line)
        try scanner.expect(0x7B)
        while true {
            let name = try scanner.string()
            try scanner.expect(0x3A)
            let value = try scanner.value()
            switch String(decoding: name, as: UTF8.self) {
            case "op": isPut = value.elementsEqual(#""put""#.utf8)
            case "collection": collection = try MemberScanner.unescaped(value)
            case "key": key = try MemberScanner.unescaped(value)
            case "value": self.value = value
            default: break
            }
            if !scanner.take(0x2C) { break }
        }
        try scanner.expect(0x7D)
        guard !collection.isEmpty, !key.isEmpty, !isPut || !value.isEmpty else {
            throw Failure("an export line without collection, key or value")
        }
    }
}

/// Walks over one JSON object; strict about structure, indifferent to what values say.
private struct MemberScanner {
    private var rest: ArraySlice<UInt8>

    init(_ line: ArraySlice<UInt8>) { rest = line }

    mutating func take(_ byte: UInt8) -> Bool {
        skipSpace()
        guard rest.first == byte else { return false }
        rest.removeFirst()
        return true
    }

    mutating func expect(_ byte: UInt8) throws {
        guard take(byte) else { throw Failure("an export line that is not a JSON object") }
    }

    private mutating func skipSpace() {
        rest = rest.drop { $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }
    }

    /// The bytes between the quotes, escapes left in.
    mutating func string() throws -> ArraySlice<UInt8> {
        skipSpace()
        return try value().dropFirst().dropLast()
    }

    /// The bytes of the next value of any kind, from its first to its last.
    mutating func value() throws -> ArraySlice<UInt8> {
        skipSpace()
        var depth = 0
        var isText = false
        var isEscaped = false
        var index = rest.startIndex
        while index < rest.endIndex {
            let byte = rest[index]
            if isText {
                if isEscaped {
                    isEscaped = false
                } else if byte == 0x5C {
                    isEscaped = true
                } else if byte == 0x22 {
                    isText = false
                }
            } else if byte == 0x22 {
                isText = true
            } else if byte == 0x7B || byte == 0x5B {
                depth += 1
            } else if depth == 0, byte == 0x2C || byte == 0x7D || byte == 0x3A {
                break
            } else if byte == 0x7D || byte == 0x5D {
                depth -= 1
            }
            index += 1
        }
        defer { rest = rest[index...] }
        var found = rest[..<index]
        while found.last == 0x20 { found.removeLast() }
        guard !found.isEmpty, depth == 0, !isText else {
            throw Failure("an export line that ends in the middle of a value")
        }
        return found
    }

    static func unescaped(_ quoted: ArraySlice<UInt8>) throws -> [UInt8] {
        guard quoted.contains(0x5C) else { return Array(quoted.dropFirst().dropLast()) }
        guard let text = JSONValue.parse(Array(quoted))?.text else {
            throw Failure("an export line with a name that is not a JSON string")
        }
        return Array(text.utf8)
    }
}
