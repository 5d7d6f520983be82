/// The rules of collection names and keys, wherever the bytes come from.
public enum RecordNames {
    /// True for `[a-z][a-z0-9_-]{0,62}`.
    public static func isCollection(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard (1...Limits.collectionBytesMaximum).contains(bytes.count), isLetter(bytes[0]) else {
            return false
        }
        return bytes.allSatisfy { byte in
            isLetter(byte) || JSONScanner.isDigit(byte) || byte == UInt8(ascii: "_")
                || byte == UInt8(ascii: "-")
        }
    }

    /// True for 1 to 512 bytes of UTF-8 without control characters (Unicode category Cc).
    public static func isKey(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard (1...Limits.keyBytesMaximum).contains(bytes.count) else { return false }
        var offset = 0
        while offset < bytes.count {
            let byte = bytes[offset]
            if byte >= 0x20, byte < 0x7F {
                offset += 1
                continue
            }
            guard byte > 0x7F, let length = UTF8Sequence.length(in: bytes, at: offset) else {
                return false
            }
            // U+0080 to U+009F: the second set of control characters.
            if byte == 0xC2, bytes[offset + 1] < 0xA0 { return false }
            offset += length
        }
        return true
    }

    @inline(__always)
    private static func isLetter(_ byte: UInt8) -> Bool { byte &- UInt8(ascii: "a") < 26 }
}
