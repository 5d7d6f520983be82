public import SanadCore

/// One live record of a list.
public struct ListedRecord: Hashable, Sendable {
    public var key: [UInt8]
    /// The transaction that last put it.
    public var sequence: Sequence
    public var value: [UInt8]
}

/// One live record of an export; its bytes are valid only inside the call that hands it out.
public struct RecordView {
    public var collection: UnsafeRawBufferPointer
    public var key: UnsafeRawBufferPointer
    public var sequence: Sequence
    public var value: UnsafeRawBufferPointer
}

/// Reads records over a read-only connection of its own.
///
/// Any thread may call it; calls take turns.
public final class RecordReader: Sendable {
    private let table: RecordTable
    private let core: TakingTurns<RecordReaderCore>

    init(table: RecordTable) throws(StoreError) {
        self.table = table
        core = TakingTurns(try RecordReaderCore(path: table.path, options: table.options))
    }

    /// The committed value of a record, and the transaction that put it.
    public func get(
        collection: [UInt8], key: [UInt8]
    ) throws(StoreError) -> (value: [UInt8], sequence: Sequence)? {
        // Memory first: what leaves it afterwards is in the table by then.
        let known = collection.withUnsafeBytes { collection in
            key.withUnsafeBytes { table.lookupInMemory(collection: collection, key: $0) }
        }
        switch known {
        case .value(let value, let sequence): return (value, sequence)
        case .deleted: return nil
        case .unknown:
            let name = StoredName.of(collection, key)
            return try core.use { core throws(StoreError) in try core.get(name) }
        }
    }

    /// Live records of a collection in byte order of their keys, as of one committed position.
    ///
    /// - Parameters:
    ///   - prefix: only keys that begin with it; empty for all.
    ///   - after: only keys after this one.
    ///   - limit: at most this many, and at most `Limits.listRowsMaximum`.
    public func list(
        collection: [UInt8], prefix: [UInt8] = [], after: [UInt8]? = nil,
        limit: Int = Limits.listRowsDefault
    ) throws(StoreError) -> [ListedRecord] {
        let start = StoredName.of(collection, prefix)
        var lower = start
        if let after {
            let next = StoredName.successor(StoredName.of(collection, after))
            if start.lexicographicallyPrecedes(next) { lower = next }
        }
        let (from, to) = (lower, StoredName.end(ofPrefix: start))
        let count = max(0, min(limit, Limits.listRowsMaximum))
        return try core.use { core throws(StoreError) in
            let snapshot = try core.beginSnapshot(table)
            defer { core.endSnapshot() }
            return try core.list(snapshot, from: from, to: to, limit: count)
        }
    }

    /// Hands out every live record in byte order of (collection, key), all as of one committed
    /// position. Memory is bounded by the memtable, whatever the table's size.
    ///
    /// While it runs, the record table's WAL cannot start anew; so it ends with
    /// `.snapshotExpired` after `StoreOptions.readTransactionMaximum`.
    ///
    /// - Parameters:
    ///   - collection: nil for all.
    ///   - after: only records after this name, a collection, a TAB and a key, which an earlier
    ///     export of the same collection ended with.
    ///   - body: false ends the export early.
    /// - Returns: the position of which the records are the state.
    @discardableResult
    public func export(
        collection: [UInt8]? = nil, after: [UInt8]? = nil, _ body: (RecordView) -> Bool
    ) throws(StoreError) -> Position {
        var (from, to) = StoredName.everything
        if let collection {
            from = StoredName.of(collection, [])
            to = StoredName.end(ofPrefix: from)
        }
        if let after { from = StoredName.successor(after) }
        let (lower, upper) = (from, to)
        return try core.use { core throws(StoreError) in
            let snapshot = try core.beginSnapshot(table)
            defer { core.endSnapshot() }
            try core.export(snapshot, from: lower, to: upper, body)
            return snapshot.position
        }
    }

    /// The number of live records; reads all of them.
    public func count() throws(StoreError) -> Int {
        var count = 0
        try export { _ in
            count += 1
            return true
        }
        return count
    }
}
