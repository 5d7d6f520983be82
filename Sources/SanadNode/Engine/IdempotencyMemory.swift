import SanadCore
import SanadStore

/// Which `Idempotency-Key` belongs to which transaction: kept as records of two collections that no
/// client can name, so that it is as durable, as atomic and as replicated as the write itself, and
/// survives a failover.
///
/// A key is kept for at least `Limits.idempotencyTransactionsMinimum` transactions: each keyed
/// transaction takes the slot of its sequence, and forgets the key that was there.
struct IdempotencyMemory {
    /// Collections that begin with `~` are never shown to clients.
    static let keys = Array("~once".utf8)
    private static let slots = Array("~slot".utf8)
    /// Mutations that a key adds to its transaction.
    static let mutationsAdded = 3

    /// True for the collections that are Sanad's own.
    static func isInternal(_ collection: UnsafeRawBufferPointer) -> Bool {
        collection.first == UInt8(ascii: "~")
    }

    private let reader: RecordReader

    init(table: RecordTable) throws(StoreError) { reader = try table.makeReader() }

    /// In which epoch the key was used and for what, as its record says.
    ///
    /// The fingerprint is nil in a record that an earlier version wrote: what the key stood for is
    /// not known, and every use of it counts as a repetition, as it did then.
    func use(of key: String) throws(StoreError) -> (epoch: Epoch, fingerprint: WriteFingerprint?) {
        let found = try reader.get(collection: Self.keys, key: Array(key.utf8))
        let words = String(decoding: found?.value ?? [], as: UTF8.self).split(separator: " ")
        return (
            Epoch(words.first.flatMap { UInt64($0) } ?? 0),
            words.count > 1 ? WriteFingerprint(words[1]) : nil
        )
    }

    /// Adds what remembers `key` to the transaction that will get `sequence`.
    func remember(
        _ key: String, _ fingerprint: WriteFingerprint, in transaction: inout TransactionBytes,
        epoch: Epoch, sequence: Sequence
    ) throws(StoreError) {
        let slot = String(sequence.value % UInt64(Limits.idempotencyTransactionsMinimum))
        let former = try reader.get(collection: Self.slots, key: Array(slot.utf8))
        if let former {
            transaction.append(
                .delete, collection: "~once", key: String(decoding: former.value, as: UTF8.self))
        }
        transaction.append(
            .put, collection: "~once", key: key, value: "\(epoch.value) \(fingerprint)")
        transaction.append(.put, collection: "~slot", key: slot, value: key)
    }
}
