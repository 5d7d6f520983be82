public import SanadCore

/// What the record table's file had of a store's records.
public struct RecordsFound: Sendable {
    /// The records are those of this sequence; what was written later is in the log.
    public var applied = Sequence.zero
    /// They are those of one moment when the log has been followed up to here.
    public var consistentFrom = Sequence.zero
    /// Why records can be missing, or be of different moments; nil when none can.
    public var incomplete: String?
    /// Records that are not what their checksums say; they were left out.
    public var damaged: UInt64 = 0
    /// The first of them.
    public var firstDamaged: String?
}

extension StoreInspection {
    /// Hands out the records of the table's file, as puts, in the order of their names.
    ///
    /// - Parameter body: sees the bytes during the call only; false ends the work.
    /// - Throws: `.corrupt` when the file cannot be read, `.busy` while a running node loads a
    ///   snapshot: it would be held up.
    public func forEachRecord(_ body: (MutationView) -> Bool) throws(StoreError) -> RecordsFound {
        let plan = try presentPlan()
        if let plan, plan.phase == .load {
            throw StoreError(
                .busy, operation: "read the records", path: recordsPath,
                message: Self.unloaded(plan),
                hint: "read those of the other node, or of a store in quarantine/")
        }
        let table = try SQLiteConnection(path: recordsPath, access: .readOnly, vfs: nil)
        try Pragmas.apply(toReader: table, cacheKibibytes: 8 << 10)
        // Without a version its creation was cut short, and all is in the log.
        guard let version = try FileFormat.records.check(table) else { return RecordsFound() }
        // One read transaction: a running node may flush meanwhile.
        try table.execute("BEGIN")
        defer { table.rollBack() }
        var found = RecordsFound()
        found.applied = Sequence(try table.integer("SELECT applied_sequence FROM meta") ?? 0)
        found.consistentFrom = plan?.consistentFrom ?? .zero
        found.incomplete = namesMissing
        if !Files.exists(nodePath) {
            found.incomplete = "this store was put aside in the middle of a repair or a snapshot"
        }
        // Before version 2 there was none. It stays after the load.
        if version >= 2, let readAt = try table.integer("SELECT max(read_at) FROM load_state") {
            found.consistentFrom = max(found.consistentFrom, Sequence(readAt))
        }
        try forEachRow(table, version, &found, body)
        return found
    }

    /// The newest row of each record that lives.
    private func forEachRow(
        _ table: SQLiteConnection, _ version: UInt64, _ found: inout RecordsFound,
        _ body: (MutationView) -> Bool
    ) throws(StoreError) {
        let rows = try table.prepare(RunTables.range(inVersion: version))
        rows.bind(1, copyingText: StoredName.everything.lower)
        rows.bind(2, copyingText: StoredName.everything.upper)
        var last: [UInt8] = []
        while try rows.step() {
            guard !last.elementsEqual(rows.buffer(0)) else { continue }
            last.removeAll(keepingCapacity: true)
            last.append(contentsOf: rows.buffer(0))
            guard !rows.isNull(3) else { continue }
            let checksum = RowChecksum.of(rows.buffer(0), rows.integer(1), rows.buffer(3))
            guard checksum == rows.integer(2),
                let (collection, key) = StoredName.split(rows.buffer(0))
            else {
                found.damaged += 1
                let shown = String(decoding: last, as: UTF8.self).replacing("\t", with: "/")
                found.firstDamaged = found.firstDamaged ?? shown
                continue
            }
            let record = MutationView(
                operation: .put, collection: collection, key: key, value: rows.buffer(3))
            guard body(record) else { return }
        }
    }
}
