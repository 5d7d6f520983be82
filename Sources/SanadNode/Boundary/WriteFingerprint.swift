public import SanadCore

/// Which write an `Idempotency-Key` was used for: half of a SHA-256 over the transaction as the
/// client sent it, and over its conditions.
///
/// A key with another fingerprint is not a repetition. 128 bits, since nobody gains by making two
/// of his own writes collide, and chance does not find a pair.
public struct WriteFingerprint: Hashable, Sendable, CustomStringConvertible {
    private var high: UInt64
    private var low: UInt64

    /// - Complexity: the bytes of the transaction, so it is made on the thread that took the
    ///   request, not on the one that commits.
    public init(_ transaction: TransactionBytes, conditions: [Condition]) {
        var bytes = transaction.bytes.withUnsafeBytes { ChainHash(ofFrame: $0).bytes }
        for condition in conditions {
            for name in [condition.collection, condition.key] {
                bytes.append(UInt8(truncatingIfNeeded: name.count >> 8))
                bytes.append(UInt8(truncatingIfNeeded: name.count))
                bytes += name
            }
            // Sequence 0 is never a record's.
            let expected: (kind: UInt8, sequence: UInt64) =
                switch condition.expectation {
                case .absent: (0, 0)
                case .present: (1, 0)
                case .sequence(let sequence): (2, sequence.value)
                }
            bytes.append(expected.kind)
            withUnsafeBytes(of: expected.sequence.bigEndian) { bytes += $0 }
        }
        let hash = bytes.withUnsafeBytes { ChainHash(ofFrame: $0) }
        (high, low) = (hash.word0, hash.word1)
    }

    /// Reads what `description` wrote.
    init?(_ text: some StringProtocol) {
        guard text.utf8.count == 32, let high = UInt64(text.prefix(16), radix: 16),
            let low = UInt64(text.suffix(16), radix: 16)
        else { return nil }
        (self.high, self.low) = (high, low)
    }

    /// 32 hexadecimal digits.
    public var description: String {
        [high, low].map { word in
            let digits = String(word, radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }.joined()
    }
}
