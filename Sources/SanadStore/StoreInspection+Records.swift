public import SanadCore

/// What the record table's file had of a store's records.
public struct RecordsFound: Sendable {
    /// Records that live.
    public var records: UInt64 = 0
    /// The records are those of this sequence; what was written later is in the log.
    public var applied = Sequence.zero
    /// Why records can be missing, or be of different moments; nil when none can.
    public var incomplete: String?
}

extension StoreInspection {
    /// Hands out the records of the table's file, as puts, in the order of their names.
    ///
    /// - Parameter body: sees the bytes during the call only; false ends the work.
    /// - Throws: `.corrupt` at the first row that is not what its checksum says, `.busy` while a
    ///   running node loads a snapshot: it would be held up.
    public func forEachRecord(_ body: (MutationView) -> Bool) throws(StoreError) -> RecordsFound {
        if let plan = try presentPlan(), plan.phase != .catchUp {
            throw StoreError(
                .busy, operation: "read the records", path: recordsPath,
                message: Self.unloaded(plan), hint: "read those of the other node")
        }
        let table = try SQLiteConnection(path: recordsPath, access: .readOnly, vfs: nil)
        try Pragmas.apply(toReader: table, cacheKibibytes: 8 << 10)
        guard let version = try FileFormat.records.check(table) else { return RecordsFound() }
        // One read transaction: a running node may flush meanwhile.
        try table.execute("BEGIN")
        defer { table.rollBack() }
        var found = RecordsFound()
        found.applied = Sequence(try table.integer("SELECT applied_sequence FROM meta") ?? 0)
        found.incomplete = unfinished(found.applied)
        // A store that was kept in the middle of a load has no plan, but it has this. Before version
        // 2 there was none.
        let unloaded = "SELECT count(*) FROM load_state WHERE is_complete = 0"
        if version >= 2, try table.integer(unloaded) ?? 0 > 0 {
            found.incomplete = "a snapshot was being loaded, and has not all records"
        }
        try forEachRow(table) { name, value in
            guard let (collection, key) = StoredName.split(name) else { return true }
            found.records += 1
            return body(
                MutationView(operation: .put, collection: collection, key: key, value: value))
        }
        return found
    }

    /// The newest row of each record that lives.
    private func forEachRow(
        _ table: SQLiteConnection,
        _ body: (_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Bool
    ) throws(StoreError) {
        let rows = try table.prepare(RunTables.range)
        rows.bind(1, copyingText: StoredName.everything.lower)
        rows.bind(2, copyingText: StoredName.everything.upper)
        var last: [UInt8] = []
        while try rows.step() {
            guard !last.elementsEqual(rows.buffer(0)) else { continue }
            last.removeAll(keepingCapacity: true)
            last.append(contentsOf: rows.buffer(0))
            guard !rows.isNull(3) else { continue }
            let checksum = RowChecksum.of(rows.buffer(0), rows.integer(1), rows.buffer(3))
            guard checksum == rows.integer(2) else { throw damaged(last) }
            guard body(rows.buffer(0), rows.buffer(3)) else { return }
        }
    }

    private func damaged(_ name: [UInt8]) -> StoreError {
        let shown = String(decoding: name, as: UTF8.self).replacing("\t", with: "/")
        return StoreError(
            .corrupt, operation: "read the records", path: recordsPath,
            message: "record \(shown) is not what its checksum says",
            hint: "read the records of the other node, or of a backup")
    }
}
