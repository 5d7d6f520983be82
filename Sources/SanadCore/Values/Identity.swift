/// A 128-bit identifier, written as a UUID (RFC 9562).
public struct Identifier: Hashable, Sendable, CustomStringConvertible {
    public var high: UInt64
    public var low: UInt64

    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    public static let none = Identifier(high: 0, low: 0)

    /// Draws a version 4 identifier.
    public static func random(using generator: inout some RandomNumberGenerator) -> Identifier {
        Identifier(
            high: (generator.next() & ~0xF000) | 0x4000,
            low: (generator.next() & ~(0b11 << 62)) | (0b10 << 62))
    }

    /// Reads `8-4-4-4-12` hexadecimal digits; nil when the text is anything else.
    public init?(_ text: String) {
        let groups = text.split(separator: "-", omittingEmptySubsequences: false)
        guard groups.map(\.utf8.count) == [8, 4, 4, 4, 12] else { return nil }
        let digits = groups.joined()
        guard digits.utf8.allSatisfy({ UInt8(ascii: "+") != $0 && UInt8(ascii: "-") != $0 }),
            let high = UInt64(digits.prefix(16), radix: 16),
            let low = UInt64(digits.suffix(16), radix: 16)
        else { return nil }
        self.init(high: high, low: low)
    }

    public var description: String {
        func digits(_ value: UInt64) -> String {
            let text = String(value, radix: 16)
            return String(repeating: "0", count: 16 - text.count) + text
        }
        let all = digits(high) + digits(low)
        var text = ""
        for (index, character) in all.enumerated() {
            if [8, 12, 16, 20].contains(index) { text.append("-") }
            text.append(character)
        }
        return text
    }
}

/// The name of a node in its cluster: a DNS label of 1 to 63 bytes, also the name pinned in its
/// certificate.
public struct NodeName: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let text: String

    /// Nil unless `text` matches `[a-z][a-z0-9-]{0,62}`.
    public init?(_ text: String) {
        let bytes = Array(text.utf8)
        guard (1...63).contains(bytes.count),
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(bytes[0]),
            bytes.allSatisfy({ byte in
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                    || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                    || byte == UInt8(ascii: "-")
            })
        else { return nil }
        self.text = text
    }

    public static func < (left: NodeName, right: NodeName) -> Bool { left.text < right.text }

    public var description: String { text }
}

/// One store of one node: a node that lost its disk comes back with another `store`.
public struct StoreIdentity: Hashable, Sendable {
    public var node: NodeName
    public var store: Identifier

    public init(node: NodeName, store: Identifier) {
        self.node = node
        self.store = store
    }
}

/// The name of one record: where it is put.
public struct RecordName: Hashable, Sendable {
    /// UTF-8, at most `Limits.collectionBytesMaximum` bytes.
    public var collection: [UInt8]
    /// UTF-8, at most `Limits.keyBytesMaximum` bytes.
    public var key: [UInt8]

    public init(collection: [UInt8], key: [UInt8]) {
        self.collection = collection
        self.key = key
    }
}
