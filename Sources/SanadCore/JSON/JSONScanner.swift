/// A strict scanner of RFC 8259 JSON over bytes that somebody else owns.
///
/// It checks and skips, and never builds a tree: a value is kept as the bytes that were sent.
/// Nothing is allocated. The depth is bounded by `Limits.jsonDepthMaximum`, one bit a level.
public struct JSONScanner {
    let bytes: UnsafeRawBufferPointer
    /// Offset of the next byte to look at.
    public internal(set) var position: Int

    public init(_ bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
        position = 0
    }

    /// Checks that `bytes` are exactly one JSON value, white space around it allowed.
    public static func validate(_ bytes: UnsafeRawBufferPointer) throws(JSONError) {
        var scanner = JSONScanner(bytes)
        try scanner.skipValue()
        try scanner.expectEnd()
    }

    /// Skips one value of any kind, and the white space before it.
    public mutating func skipValue() throws(JSONError) {
        var nesting = Nesting()
        while true {
            switch try nextSignificant() {
            case UInt8(ascii: "{"):
                try nesting.enter(object: true, at: position)
                position += 1
                if try nextSignificant() != UInt8(ascii: "}") {
                    try skipName()
                    continue
                }
                position += 1
                nesting.leave()
            case UInt8(ascii: "["):
                try nesting.enter(object: false, at: position)
                position += 1
                if try nextSignificant() != UInt8(ascii: "]") { continue }
                position += 1
                nesting.leave()
            case UInt8(ascii: "\""): try skipString()
            case UInt8(ascii: "t"): try skipWord("true")
            case UInt8(ascii: "f"): try skipWord("false")
            case UInt8(ascii: "n"): try skipWord("null")
            default: try skipNumber()
            }
            if try !closeAndSeparate(&nesting) { return }
        }
    }

    /// Closes what ends after a value.
    ///
    /// - Returns: true when another value follows, inside an array or after a name; false when the
    ///   outermost value has ended.
    @inline(__always)
    private mutating func closeAndSeparate(_ nesting: inout Nesting) throws(JSONError) -> Bool {
        while nesting.depth > 0 {
            let byte = try nextSignificant()
            let inObject = nesting.inObject
            if byte == UInt8(ascii: ",") {
                position += 1
                if inObject {
                    _ = try nextSignificant()
                    try skipName()
                }
                return true
            }
            guard byte == (inObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) else {
                throw JSONError(offset: position, reason: .unexpectedByte)
            }
            position += 1
            nesting.leave()
        }
        return false
    }

    /// Skips a member's name and its colon.
    @inline(__always)
    private mutating func skipName() throws(JSONError) {
        try skipString()
        try expect(UInt8(ascii: ":"))
    }

    /// Skips white space.
    ///
    /// - Returns: the byte after it, at `position`.
    @inline(__always)
    mutating func nextSignificant() throws(JSONError) -> UInt8 {
        while position < bytes.count {
            let byte = bytes[position]
            guard byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 else { return byte }
            position += 1
        }
        throw JSONError(offset: position, reason: .unexpectedEnd)
    }

    /// Skips white space and then `byte`.
    @inline(__always)
    mutating func expect(
        _ byte: UInt8, else reason: JSONError.Reason = .unexpectedByte
    ) throws(JSONError) {
        guard try nextSignificant() == byte else {
            throw JSONError(offset: position, reason: reason)
        }
        position += 1
    }

    /// Checks that only white space is left.
    public mutating func expectEnd() throws(JSONError) {
        while position < bytes.count {
            let byte = bytes[position]
            guard byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 else {
                throw JSONError(offset: position, reason: .trailingBytes)
            }
            position += 1
        }
    }

    private mutating func skipWord(_ word: StaticString) throws(JSONError) {
        let letters = UnsafeBufferPointer(start: word.utf8Start, count: word.utf8CodeUnitCount)
        for letter in letters {
            guard position < bytes.count else {
                throw JSONError(offset: position, reason: .unexpectedEnd)
            }
            guard bytes[position] == letter else {
                throw JSONError(offset: position, reason: .unexpectedByte)
            }
            position += 1
        }
    }

    /// Skips `-? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?`.
    private mutating func skipNumber() throws(JSONError) {
        let start = position
        if bytes[position] == UInt8(ascii: "-") { position += 1 }
        guard position < bytes.count else {
            throw JSONError(offset: position, reason: .unexpectedEnd)
        }
        guard Self.isDigit(bytes[position]) else {
            let reason: JSONError.Reason = position == start ? .unexpectedByte : .badNumber
            throw JSONError(offset: position, reason: reason)
        }
        if bytes[position] == UInt8(ascii: "0") {
            position += 1
            if position < bytes.count, Self.isDigit(bytes[position]) {
                throw JSONError(offset: position, reason: .badNumber)
            }
        } else {
            skipDigits()
        }
        if position < bytes.count, bytes[position] == UInt8(ascii: ".") {
            position += 1
            try skipSomeDigits()
        }
        if position < bytes.count, bytes[position] | 0x20 == UInt8(ascii: "e") {
            position += 1
            if position < bytes.count,
                bytes[position] == UInt8(ascii: "+") || bytes[position] == UInt8(ascii: "-")
            {
                position += 1
            }
            try skipSomeDigits()
        }
    }

    private mutating func skipSomeDigits() throws(JSONError) {
        guard position < bytes.count else {
            throw JSONError(offset: position, reason: .unexpectedEnd)
        }
        guard Self.isDigit(bytes[position]) else {
            throw JSONError(offset: position, reason: .badNumber)
        }
        skipDigits()
    }

    @inline(__always)
    private mutating func skipDigits() {
        while position < bytes.count, Self.isDigit(bytes[position]) { position += 1 }
    }

    @inline(__always)
    static func isDigit(_ byte: UInt8) -> Bool { byte &- UInt8(ascii: "0") < 10 }
}

/// The open arrays and objects: a set bit is an object.
private struct Nesting {
    private var bits = InlineArray<8, UInt64>(repeating: 0)
    private(set) var depth = 0

    @inline(__always)
    var inObject: Bool {
        let level = depth - 1
        return bits[level >> 6] & (1 << UInt64(level & 63)) != 0
    }

    @inline(__always)
    mutating func enter(object: Bool, at offset: Int) throws(JSONError) {
        guard depth < Limits.jsonDepthMaximum else {
            throw JSONError(offset: offset, reason: .tooDeep)
        }
        let bit: UInt64 = 1 << UInt64(depth & 63)
        if object {
            bits[depth >> 6] |= bit
        } else {
            bits[depth >> 6] &= ~bit
        }
        depth += 1
    }

    @inline(__always)
    mutating func leave() { depth -= 1 }
}
