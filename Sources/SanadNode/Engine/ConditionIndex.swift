import SanadCore
import SanadStore

/// What the log will have done to records once its unapplied frames are applied.
///
/// Conditions are checked against it and then against the record table. It is built only when a
/// conditional write comes, and dropped when nothing is unapplied: unconditional writes pay
/// nothing.
struct ConditionIndex {
    private struct RecordName: Hashable {
        var collection: [UInt8]
        var key: [UInt8]
    }

    private enum State {
        case put(Sequence)
        case deleted
    }

    private var states: [RecordName: State] = [:]
    private(set) var isActive = false

    mutating func activate(with applier: Applier) {
        isActive = true
        applier.forEachUnapplied { frame in
            frame.forEachMutation { sequence, mutation in note(mutation, sequence) }
        }
    }

    /// Entries of frames that are applied are of no use any more; a new start drops them.
    mutating func trim() {
        if states.count > Self.statesMaximum { deactivate() }
    }

    private static let statesMaximum = 65_536

    mutating func deactivate() {
        guard isActive else { return }
        states.removeAll()
        isActive = false
    }

    mutating func note(_ transaction: TransactionBytes, sequence: Sequence) {
        transaction.forEachMutation { note($0, sequence) }
    }

    private mutating func note(_ mutation: MutationView, _ sequence: Sequence) {
        let name = RecordName(
            collection: Array(mutation.collection), key: Array(mutation.key))
        states[name] = mutation.operation == .put ? .put(sequence) : .deleted
    }

    /// The sequence of the record's last put, or nil when it is absent.
    func current(
        collection: [UInt8], key: [UInt8], table: RecordTable
    ) throws(StoreError) -> Sequence? {
        switch states[RecordName(collection: collection, key: key)] {
        case .put(let sequence): return sequence
        case .deleted: return nil
        case nil:
            return try collection.withUnsafeBytes { collection in
                key.withUnsafeBytes { key in
                    Result { () throws(StoreError) in
                        try table.currentSequence(collection: collection, key: key)
                    }
                }
            }.get()
        }
    }
}
