internal import COpenSSL

/// SHA-256 over the previous frame's chain hash and a frame's bytes (FIPS 180-4).
///
/// A frame's header carries the previous hash, so hashing the frame's bytes covers both.
public struct ChainHash: Hashable, Sendable, CustomStringConvertible {
    public var word0: UInt64
    public var word1: UInt64
    public var word2: UInt64
    public var word3: UInt64

    /// Hash size in bytes.
    public static let byteCount = 32

    /// The hash before the first frame.
    public static let zero = ChainHash(word0: 0, word1: 0, word2: 0, word3: 0)

    public init(word0: UInt64, word1: UInt64, word2: UInt64, word3: UInt64) {
        self.word0 = word0
        self.word1 = word1
        self.word2 = word2
        self.word3 = word3
    }

    /// Reads 32 bytes as they stand on disk and wire.
    ///
    /// - Precondition: `bytes` has at least 32 bytes.
    public init(bytes: UnsafeRawBufferPointer) {
        word0 = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 0, as: UInt64.self))
        word1 = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
        word2 = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 16, as: UInt64.self))
        word3 = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 24, as: UInt64.self))
    }

    /// Hashes the bytes of one frame.
    public init(ofFrame bytes: UnsafeRawBufferPointer) {
        self = withUnsafeTemporaryAllocation(byteCount: Self.byteCount, alignment: 8) { digest in
            let status = EVP_Digest(
                bytes.baseAddress, bytes.count, digest.baseAddress, nil, Self.algorithm.pointer,
                nil)
            precondition(status == 1, "libcrypto could not compute SHA-256")
            return ChainHash(bytes: UnsafeRawBufferPointer(digest))
        }
    }

    /// The 32 bytes, in the order in which they stand on disk and wire.
    public var bytes: [UInt8] {
        [word0, word1, word2, word3].flatMap { word in
            (0..<8).map { UInt8(truncatingIfNeeded: word >> (56 - 8 * UInt64($0))) }
        }
    }

    /// 64 hexadecimal digits.
    public var description: String { bytes.map(Self.hexadecimal).joined() }

    /// The first 8 hexadecimal digits, enough for a person to compare.
    public var prefixText: String { bytes.prefix(4).map(Self.hexadecimal).joined() }

    private static func hexadecimal(_ byte: UInt8) -> String {
        let digits = String(byte, radix: 16)
        return byte < 16 ? "0" + digits : digits
    }

    /// The algorithm, fetched once: OpenSSL 3 looks it up by name at each use otherwise.
    private static let algorithm = FetchedAlgorithm(name: "SHA256")
}

/// An `EVP_MD` that lives as long as the process.
///
/// `@unchecked Sendable`: the pointer is set once and OpenSSL never changes what it points to.
private struct FetchedAlgorithm: @unchecked Sendable {
    let pointer: OpaquePointer

    init(name: String) {
        guard let pointer = EVP_MD_fetch(nil, name, nil) else {
            preconditionFailure("libcrypto has no \(name)")
        }
        self.pointer = pointer
    }
}
