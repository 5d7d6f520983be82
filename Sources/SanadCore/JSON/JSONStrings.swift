// Strings are most of a record's bytes, so eight bytes are looked at together; only a quote, an
// escape, a control character or a byte beyond ASCII brings the scanner back to single bytes.

extension JSONScanner {
    /// Skips a string, its quotes included.
    ///
    /// - Returns: true when the string has an escape.
    @inline(__always)
    @discardableResult
    mutating func skipString() throws(JSONError) -> Bool {
        guard bytes[position] == UInt8(ascii: "\"") else {
            throw JSONError(offset: position, reason: .stringExpected)
        }
        position += 1
        return try skipStringRest()
    }

    private mutating func skipStringRest() throws(JSONError) -> Bool {
        var hasEscape = false
        while true {
            skipPlainBytes()
            guard position < bytes.count else {
                throw JSONError(offset: position, reason: .unexpectedEnd)
            }
            switch bytes[position] {
            case UInt8(ascii: "\""):
                position += 1
                return hasEscape
            case UInt8(ascii: "\\"):
                hasEscape = true
                try skipEscape()
            case 0..<0x20: throw JSONError(offset: position, reason: .controlCharacter)
            default:
                guard let length = UTF8Sequence.length(in: bytes, at: position) else {
                    throw JSONError(offset: position, reason: .invalidUTF8)
                }
                position += length
            }
        }
    }

    /// Stops at the first byte that is not plain ASCII inside a string.
    @inline(__always)
    private mutating func skipPlainBytes() {
        while position &+ 8 <= bytes.count {
            let word = UInt64(
                littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self))
            let special = Self.specialBytes(word)
            guard special == 0 else {
                position &+= special.trailingZeroBitCount >> 3
                return
            }
            position &+= 8
        }
        while position < bytes.count, Self.isPlain(bytes[position]) { position += 1 }
    }

    /// The high bit of each byte that is a quote, a backslash, a control character or not ASCII.
    ///
    /// A borrow can set a wrong bit above a right one, never below: the lowest set bit is exact.
    @inline(__always)
    private static func specialBytes(_ word: UInt64) -> UInt64 {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let quote = word ^ 0x2222_2222_2222_2222
        let backslash = word ^ 0x5C5C_5C5C_5C5C_5C5C
        let quotes = (quote &- ones) & ~quote
        let backslashes = (backslash &- ones) & ~backslash
        let controls = (word &- 0x2020_2020_2020_2020) & ~word
        return (quotes | backslashes | controls | word) & 0x8080_8080_8080_8080
    }

    @inline(__always)
    private static func isPlain(_ byte: UInt8) -> Bool {
        byte >= 0x20 && byte < 0x80 && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\")
    }

    private mutating func skipEscape() throws(JSONError) {
        _ = try decodeEscape()
    }

    /// Reads the escape at `position` and moves behind it.
    private mutating func decodeEscape() throws(JSONError) -> UInt32 {
        let start = position
        guard position + 1 < bytes.count else {
            throw JSONError(offset: bytes.count, reason: .unexpectedEnd)
        }
        let letter = bytes[position + 1]
        position += 2
        switch letter {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return UInt32(letter)
        case UInt8(ascii: "b"): return 0x08
        case UInt8(ascii: "f"): return 0x0C
        case UInt8(ascii: "n"): return 0x0A
        case UInt8(ascii: "r"): return 0x0D
        case UInt8(ascii: "t"): return 0x09
        case UInt8(ascii: "u"): break
        default: throw JSONError(offset: start, reason: .badEscape)
        }
        let unit = try hexadecimalUnit()
        guard unit & 0xF800 == 0xD800 else { return unit }
        // RFC 8259 section 8.2 allows a lone surrogate; it has no UTF-8, so it is refused here.
        guard unit < 0xDC00 else { throw JSONError(offset: start, reason: .loneSurrogate) }
        guard position < bytes.count else {
            throw JSONError(offset: position, reason: .unexpectedEnd)
        }
        guard bytes[position] == UInt8(ascii: "\\") else {
            throw JSONError(offset: start, reason: .loneSurrogate)
        }
        guard position + 1 < bytes.count else {
            throw JSONError(offset: bytes.count, reason: .unexpectedEnd)
        }
        guard bytes[position + 1] == UInt8(ascii: "u") else {
            throw JSONError(offset: start, reason: .loneSurrogate)
        }
        position += 2
        let low = try hexadecimalUnit()
        guard low & 0xFC00 == 0xDC00 else {
            throw JSONError(offset: start, reason: .loneSurrogate)
        }
        return 0x1_0000 + ((unit & 0x3FF) << 10) + (low & 0x3FF)
    }

    private mutating func hexadecimalUnit() throws(JSONError) -> UInt32 {
        var unit: UInt32 = 0
        for _ in 0..<4 {
            guard position < bytes.count else {
                throw JSONError(offset: position, reason: .unexpectedEnd)
            }
            guard let digit = Self.hexadecimalDigit(bytes[position]) else {
                throw JSONError(offset: position, reason: .badEscape)
            }
            unit = unit << 4 | UInt32(digit)
            position += 1
        }
        return unit
    }

    /// The value of a hexadecimal digit; nil for any other byte.
    public static func hexadecimalDigit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }

    /// Skips white space and a string.
    ///
    /// - Parameter scratch: takes the decoded bytes when the string has an escape; what does not
    ///   fit is cut off, so it is one byte larger than the longest string that is of use.
    /// - Returns: the string's bytes: a part of the scanned bytes, or of `scratch`.
    mutating func string(
        decodingInto scratch: UnsafeMutableRawBufferPointer
    ) throws(JSONError) -> UnsafeRawBufferPointer {
        _ = try nextSignificant()
        let start = position + 1
        guard try skipString() else { return bytes.part(start, position - 1 - start) }
        let end = position
        position = start
        var count = 0
        while position < end - 1 {
            guard bytes[position] == UInt8(ascii: "\\") else {
                if count < scratch.count { scratch[count] = bytes[position] }
                count = min(count + 1, scratch.count)
                position += 1
                continue
            }
            let scalar = try decodeEscape()
            UTF8Sequence.encode(scalar) { byte in
                if count < scratch.count { scratch[count] = byte }
                count = min(count + 1, scratch.count)
            }
        }
        position = end
        return UnsafeRawBufferPointer(rebasing: scratch[0..<count])
    }
}

/// One character in UTF-8 (RFC 3629 section 4).
enum UTF8Sequence {
    /// The length of the well-formed sequence at `offset`, 1 to 4 bytes; nil when it is not one.
    @inline(__always)
    static func length(in bytes: UnsafeRawBufferPointer, at offset: Int) -> Int? {
        let lead = bytes[offset]
        switch lead {
        case 0..<0x80: return 1
        case 0xC2...0xDF: return continues(bytes, offset, 2) ? 2 : nil
        case 0xE0...0xEF:
            guard continues(bytes, offset, 3) else { return nil }
            // No overlong forms, and no surrogates.
            if lead == 0xE0, bytes[offset + 1] < 0xA0 { return nil }
            if lead == 0xED, bytes[offset + 1] > 0x9F { return nil }
            return 3
        case 0xF0...0xF4:
            guard continues(bytes, offset, 4) else { return nil }
            if lead == 0xF0, bytes[offset + 1] < 0x90 { return nil }
            if lead == 0xF4, bytes[offset + 1] > 0x8F { return nil }
            return 4
        default: return nil
        }
    }

    @inline(__always)
    private static func continues(
        _ bytes: UnsafeRawBufferPointer, _ offset: Int, _ length: Int
    ) -> Bool {
        guard offset + length <= bytes.count else { return false }
        for index in (offset + 1)..<(offset + length) where bytes[index] & 0xC0 != 0x80 {
            return false
        }
        return true
    }

    /// Gives out the bytes of a Unicode scalar value.
    static func encode(_ scalar: UInt32, _ output: (UInt8) -> Void) {
        func tail(_ shift: UInt32) -> UInt8 {
            0x80 | UInt8(truncatingIfNeeded: scalar >> shift & 0x3F)
        }
        switch scalar {
        case 0..<0x80: output(UInt8(scalar))
        case 0x80..<0x800:
            output(0xC0 | UInt8(scalar >> 6))
            output(tail(0))
        case 0x800..<0x1_0000:
            output(0xE0 | UInt8(scalar >> 12))
            output(tail(6))
            output(tail(0))
        default:
            output(0xF0 | UInt8(truncatingIfNeeded: scalar >> 18 & 0x07))
            output(tail(12))
            output(tail(6))
            output(tail(0))
        }
    }
}
