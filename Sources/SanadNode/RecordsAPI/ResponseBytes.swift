import NIOCore

// Answers are written as bytes into one buffer: a response encoder with header objects costs more
// than the whole rest of a put.

extension ByteBuffer {
    /// Writes decimal digits.
    mutating func writeDecimal(_ value: UInt64) {
        withUnsafeTemporaryAllocation(byteCount: 20, alignment: 1) { digits in
            var rest = value
            var start = digits.count
            repeat {
                start -= 1
                digits[start] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
                rest /= 10
            } while rest != 0
            _ = writeBytes(UnsafeRawBufferPointer(rebasing: digits[start...]))
        }
    }

    /// Writes `bytes` of UTF-8 as a JSON string, quotes included.
    mutating func writeJSONString(_ bytes: UnsafeRawBufferPointer) {
        writeInteger(UInt8(ascii: "\""))
        var plainStart = 0
        for (index, byte) in bytes.enumerated() where Self.needsEscape(byte) {
            writeBytes(UnsafeRawBufferPointer(rebasing: bytes[plainStart..<index]))
            writeEscaped(byte)
            plainStart = index + 1
        }
        writeBytes(UnsafeRawBufferPointer(rebasing: bytes[plainStart...]))
        writeInteger(UInt8(ascii: "\""))
    }

    mutating func writeJSONString(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { writeJSONString($0) }
    }

    mutating func writeJSONString(_ text: String) {
        var text = text
        text.withUTF8 { writeJSONString(UnsafeRawBufferPointer($0)) }
    }

    /// Writes a value for a line of NDJSON. In valid JSON a line break can only stand between
    /// tokens, where a space says the same, and the length stays.
    mutating func writeOneLine(_ value: UnsafeRawBufferPointer) {
        let start = readableBytes
        writeBytes(value)
        withUnsafeMutableReadableBytes { bytes in
            for index in start..<bytes.count
            where bytes[index] == 0x0A || bytes[index] == 0x0D {
                bytes[index] = 0x20
            }
        }
    }

    /// Writes the status line of an HTTP/1.1 answer.
    mutating func writeStatusLine(_ status: Int) {
        writeStaticString("HTTP/1.1 ")
        writeStaticString(Self.statusText(status))
        writeStaticString("\r\n")
    }

    private static func needsEscape(_ byte: UInt8) -> Bool {
        byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\")
    }

    private mutating func writeEscaped(_ byte: UInt8) {
        writeInteger(UInt8(ascii: "\\"))
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"): writeInteger(byte)
        case 0x0A: writeInteger(UInt8(ascii: "n"))
        default:
            let digits: StaticString = "0123456789abcdef"
            writeStaticString("u00")
            writeInteger(digits.utf8Start[Int(byte >> 4)])
            writeInteger(digits.utf8Start[Int(byte & 0xF)])
        }
    }

    /// Code and reason of every status that this server answers (RFC 9110 section 15).
    private static func statusText(_ status: Int) -> StaticString {
        switch status {
        case 200: "200 OK"
        case 304: "304 Not Modified"
        case 400: "400 Bad Request"
        case 404: "404 Not Found"
        case 405: "405 Method Not Allowed"
        case 408: "408 Request Timeout"
        case 409: "409 Conflict"
        case 410: "410 Gone"
        case 412: "412 Precondition Failed"
        case 413: "413 Content Too Large"
        case 414: "414 URI Too Long"
        case 415: "415 Unsupported Media Type"
        case 417: "417 Expectation Failed"
        case 422: "422 Unprocessable Content"
        case 431: "431 Request Header Fields Too Large"
        case 503: "503 Service Unavailable"
        case 504: "504 Gateway Timeout"
        default: "500 Internal Server Error"
        }
    }
}

/// Digits of `value` in decimal.
func decimalDigits(_ value: UInt64) -> Int {
    var (count, rest) = (1, value)
    while rest >= 10 {
        rest /= 10
        count += 1
    }
    return count
}
