import Glibc

/// What the bench needs of an HTTP/1.1 response's head.
///
/// This is the hot path of the load generator: one pass over the lines, of which only the first
/// byte is looked at when the header does not matter.
struct ResponseHead {
    enum Body {
        case length(Int)
        case chunked
        case untilClose
    }

    var status: Int
    /// Bytes of the head, its empty line included.
    var byteCount: Int
    var body: Body

    /// Nil while the head is not complete.
    init?(_ bytes: UnsafeRawBufferPointer) throws {
        guard let base = bytes.baseAddress, bytes.count >= 16 else { return nil }
        guard memcmp(base, "HTTP/1.", 7) == 0 else { throw Failure("the answer is not HTTP/1.1") }
        status = 0
        for index in 9..<12 { status = status * 10 + Int(bytes[index] &- 0x30) }
        body = status == 204 || status == 304 ? .length(0) : .untilClose
        byteCount = 12
        while let newline = memchr(base + byteCount, 0x0A, bytes.count - byteCount) {
            byteCount = UnsafeRawPointer(newline) - base + 1
            guard byteCount + 1 < bytes.count else { return nil }
            switch bytes[byteCount] | 0x20 {
            case 0x2D where bytes[byteCount + 1] == 0x0A:
                byteCount += 2
                return
            case 0x63: try readContentLength(bytes)
            case 0x74 where Self.starts(bytes, byteCount, "transfer-encoding:"): body = .chunked
            default: break
            }
        }
        guard bytes.count < 64 << 10 else { throw Failure("a response head without an end") }
        return nil
    }

    private mutating func readContentLength(_ bytes: UnsafeRawBufferPointer) throws {
        guard Self.starts(bytes, byteCount, "content-length:") else { return }
        var length = 0
        for byte in bytes[(byteCount + 15)...].drop(while: { $0 == 0x20 }) {
            guard byte >= 0x30, byte <= 0x39 else { break }
            guard length < 1 << 40 else { throw Failure("a response body without measure") }
            length = length * 10 + Int(byte - 0x30)
        }
        body = .length(length)
    }

    private static func starts(
        _ bytes: UnsafeRawBufferPointer, _ offset: Int, _ name: StaticString
    ) -> Bool {
        guard let base = bytes.baseAddress, bytes.count - offset > name.utf8CodeUnitCount else {
            return false
        }
        return strncasecmp(
            (base + offset).assumingMemoryBound(to: CChar.self),
            UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self),
            name.utf8CodeUnitCount) == 0
    }
}
