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

/// The name of one record in one string of bytes: collection, TAB, key.
///
/// A TAB sorts before every byte of a collection, so names sort as (collection, key) do.
public struct RecordName: Hashable, Sendable, CustomStringConvertible {
    static let separator: UInt8 = 0x09

    /// 3 to `Limits.recordNameBytesMaximum` bytes.
    public let bytes: [UInt8]

    /// Nil unless the bytes are a collection, a TAB and a key, as their rules want them.
    public init?(bytes: [UInt8]) {
        let isName = bytes.withUnsafeBytes { bytes in
            guard let split = bytes.firstIndex(of: Self.separator) else { return false }
            // What the node keeps for itself, beside the applications' records, begins with a tilde.
            let start = bytes.first == UInt8(ascii: "~") ? 1 : 0
            return split > start && RecordNames.isCollection(bytes.part(start, split - start))
                && RecordNames.isKey(bytes.part(split + 1, bytes.count - split - 1))
        }
        guard isName else { return nil }
        self.bytes = bytes
    }

    public var collection: [UInt8] { Array(bytes.prefix { $0 != Self.separator }) }

    public var key: [UInt8] { Array(bytes.drop { $0 != Self.separator }.dropFirst()) }

    /// `collection/key`, for people.
    public var description: String {
        "\(String(decoding: collection, as: UTF8.self))/\(String(decoding: key, as: UTF8.self))"
    }
}
