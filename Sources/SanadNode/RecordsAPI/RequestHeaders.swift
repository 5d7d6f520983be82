import NIOHTTP1
import SanadCore

/// The headers that matter, found in one pass over a request's head.
struct RequestHeaders {
    /// What `If-Match` or `If-None-Match` says of a record.
    enum Match: Equatable {
        case any
        case sequence(Sequence)
    }

    var contentLength: UInt64?
    var isChunked = false
    var expectsContinue = false
    var ifMatch: Match?
    var ifNoneMatch: Match?
    var idempotencyKey: String?

    /// Whether a body follows the head.
    var hasBody: Bool { isChunked || (contentLength ?? 0) > 0 }

    /// The bytes of all header names and values that are read.
    static let bytesMaximum = 16 << 10

    init() {}

    init(_ headers: HTTPHeaders) throws(Problem) {
        for (name, value) in headers {
            // The length alone rules out nearly every header that is not of interest.
            switch name.utf8.count {
            case 6 where Self.equal(name, "expect"):
                guard Self.equal(value, "100-continue") else {
                    throw Problem(
                        417, "bad-expectation", "The expectation cannot be met",
                        "Only \"100-continue\" is known."
                    ).closing
                }
                expectsContinue = true
            case 8 where Self.equal(name, "if-match"):
                guard ifMatch == nil else { throw Self.badMatch("If-Match") }
                ifMatch = try Self.match(value, "If-Match")
            case 13 where Self.equal(name, "if-none-match"):
                guard ifNoneMatch == nil else { throw Self.badMatch("If-None-Match") }
                ifNoneMatch = try Self.match(value, "If-None-Match")
            case 14 where Self.equal(name, "content-length"):
                contentLength = UInt64(value)
            case 15 where Self.equal(name, "idempotency-key"):
                idempotencyKey = try Self.idempotencyKey(value)
            case 16 where Self.equal(name, "content-encoding"):
                guard Self.equal(value, "identity") else { throw Problem.unsupportedEncoding }
            case 17 where Self.equal(name, "transfer-encoding"): isChunked = true
            default: break
            }
        }
    }

    private static func idempotencyKey(_ value: String) throws(Problem) -> String {
        guard (1...Limits.idempotencyKeyBytesMaximum).contains(value.utf8.count),
            value.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
        else {
            throw Problem.badRequest(
                "Idempotency-Key has 1 to \(Limits.idempotencyKeyBytesMaximum) visible ASCII bytes."
            )
        }
        return value
    }

    /// Reads `*` or one strong entity tag that holds a sequence.
    private static func match(_ value: String, _ header: String) throws(Problem) -> Match {
        if value == "*" { return .any }
        var value = value
        let sequence = value.withUTF8 { bytes -> UInt64? in
            guard bytes.count > 2, bytes[0] == UInt8(ascii: "\""),
                bytes[bytes.count - 1] == UInt8(ascii: "\"")
            else { return nil }
            return DecimalNumber.parse(
                UnsafeRawBufferPointer(
                    rebasing: UnsafeRawBufferPointer(bytes)[1..<(bytes.count - 1)]))
        }
        guard let sequence, sequence > 0 else { throw badMatch(header) }
        return .sequence(Sequence(sequence))
    }

    private static func badMatch(_ header: String) -> Problem {
        Problem.badRequest("\(header) is * or one entity tag such as \"42\".")
    }

    private static func equal(_ text: String, _ lowercase: StaticString) -> Bool {
        guard text.utf8.count == lowercase.utf8CodeUnitCount else { return false }
        var index = 0
        for byte in text.utf8 {
            let folded = (0x41...0x5A).contains(byte) ? byte | 0x20 : byte
            guard folded == lowercase.utf8Start[index] else { return false }
            index += 1
        }
        return true
    }
}
