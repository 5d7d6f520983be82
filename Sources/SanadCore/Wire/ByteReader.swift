/// Reads fixed-width values from the front of a message; every read is bounds-checked.
struct ByteReader {
    private let bytes: UnsafeRawBufferPointer
    private var offset = 0

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    var isAtEnd: Bool { offset == bytes.count }

    mutating func integer<T: FixedWidthInteger>(_ type: T.Type = T.self) throws(MessageError) -> T {
        guard bytes.count - offset >= MemoryLayout<T>.size else { throw .truncated }
        defer { offset += MemoryLayout<T>.size }
        return bytes.integer(at: offset, as: T.self)
    }

    mutating func flag() throws(MessageError) -> Bool {
        switch try integer(UInt8.self) {
        case 0: false
        case 1: true
        default: throw .malformed("a flag is neither 0 nor 1")
        }
    }

    mutating func hash() throws(MessageError) -> ChainHash {
        guard bytes.count - offset >= ChainHash.byteCount else { throw .truncated }
        defer { offset += ChainHash.byteCount }
        return ChainHash(bytes: bytes.part(offset, ChainHash.byteCount))
    }

    mutating func position() throws(MessageError) -> Position {
        Position(epoch: Epoch(try integer()), sequence: Sequence(try integer()), hash: try hash())
    }

    mutating func identifier() throws(MessageError) -> Identifier {
        Identifier(high: try integer(), low: try integer())
    }

    mutating func bytes(_ count: Int) throws(MessageError) -> [UInt8] {
        guard bytes.count - offset >= count else { throw .truncated }
        defer { offset += count }
        return Array(bytes.part(offset, count))
    }

    /// Bytes with their length in front, in two bytes.
    mutating func longBytes() throws(MessageError) -> [UInt8] {
        try bytes(Int(try integer(UInt16.self)))
    }

    /// A string with its length in front, in one byte.
    mutating func shortText() throws(MessageError) -> String {
        let count = Int(try integer(UInt8.self))
        guard bytes.count - offset >= count else { throw .truncated }
        defer { offset += count }
        guard let text = String(validating: bytes.part(offset, count), as: UTF8.self) else {
            throw .malformed("a text is not UTF-8")
        }
        return text
    }

    mutating func nodeName() throws(MessageError) -> NodeName {
        guard let name = NodeName(try shortText()) else {
            throw .malformed("a node name breaks the rules for names")
        }
        return name
    }
}

extension [UInt8] {
    mutating func append(flag: Bool) { append(flag ? 1 : 0) }

    /// Appends at most 65,535 bytes with their length.
    mutating func append(longBytes bytes: [UInt8]) {
        precondition(bytes.count <= Int(UInt16.max), "a name is far shorter")
        appendInteger(UInt16(bytes.count))
        append(contentsOf: bytes)
    }

    mutating func append(hash: ChainHash) {
        for word in [hash.word0, hash.word1, hash.word2, hash.word3] {
            appendInteger(word.byteSwapped)
        }
    }

    mutating func append(position: Position) {
        appendInteger(position.epoch.value)
        appendInteger(position.sequence.value)
        append(hash: position.hash)
    }

    mutating func append(identifier: Identifier) {
        appendInteger(identifier.high)
        appendInteger(identifier.low)
    }

    /// Appends at most 255 bytes; a longer text is cut at a character's boundary.
    mutating func append(shortText text: String) {
        var end = text.endIndex
        while text[..<end].utf8.count > 255 { end = text.index(before: end) }
        append(UInt8(text[..<end].utf8.count))
        append(contentsOf: text[..<end].utf8)
    }
}
