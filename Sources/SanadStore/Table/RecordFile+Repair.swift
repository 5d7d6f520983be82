public import SanadCore

/// How far a load of rows from a primary has come.
public struct LoadProgress: Hashable, Sendable {
    /// The last name loaded, as the table stores it: the next page follows it. Nil at the start.
    public var cursor: [UInt8]?
    /// The highest position at which a page was read.
    public var readAt: Sequence
    /// The reign of the primary in which the last page was read.
    public var readIn: Epoch
    public var records: UInt64
    /// Bytes of the pages.
    public var bytes: UInt64
    /// The last page has been loaded, and all is on the disk.
    public var isComplete: Bool
}

// The rows that come from a peer: over what a cut made wrong, or into an empty table.
extension RecordFile {
    /// Puts the rows of a page in the place of whatever the table has under their names, durably.
    ///
    /// Sequences do not count here: what the table has may be of a history that was cut off, with
    /// higher numbers. The log that follows the table's position is applied over it by the usual
    /// rule, and has every later change of these records.
    func replace(_ page: RecordPage) throws(StoreError) {
        guard page.kind == .names else {
            throw refusal(.misuse, "a page of a range repairs nothing")
        }
        guard page.position.sequence >= position.sequence else {
            throw refusal(
                .staleRows,
                "rows of \(page.position) came to a table that stands at \(position)")
        }
        var tables: [SQLiteStatement] = []
        for slot in runs.sorted() {
            tables.append(
                try connection.prepare("DELETE FROM \(RunTables.name(slot)) WHERE name = ?1"))
        }
        let delete = try connection.prepare("DELETE FROM records WHERE name = ?1")
        let put = try connection.prepare("INSERT OR REPLACE INTO records VALUES (?1, ?2, ?3, ?4)")
        try durably { () throws(StoreError) in
            try page.forEachRow { row throws(StoreError) in
                for table in tables + (row.value == nil ? [delete] : []) {
                    table.bind(1, borrowingText: row.name)
                    try table.run()
                }
                guard let value = row.value else { return }
                bind(row, value, to: put)
                try put.run()
            }
        }
        try countLoaded(page)
    }

    /// Makes an empty table stand at the position from which rows are loaded.
    func beginLoad(at base: Position) throws(StoreError) {
        guard position == .origin || position == base else {
            throw refusal(.conflict, "it stands at \(position), and \(base) is another place")
        }
        guard try loadProgress() == nil else { return }
        try setPosition(base) { () throws(StoreError) in
            try connection.execute("INSERT INTO load_state VALUES (1, NULL, 0, 0, 0, 0, 0)")
        }
    }

    func loadProgress() throws(StoreError) -> LoadProgress? {
        let statement = try connection.prepare("SELECT * FROM load_state")
        defer { statement.reset() }
        guard try statement.step() else { return nil }
        return LoadProgress(
            cursor: statement.isNull(1) ? nil : statement.bytes(1),
            readAt: Sequence(statement.integer(2)), readIn: Epoch(statement.integer(3)),
            records: statement.integer(4), bytes: statement.integer(5),
            isComplete: statement.integer(6) != 0)
    }

    /// Appends a page of rows, and the place where the next one follows, in one transaction.
    ///
    /// Every name lies behind those that are there, so no row is looked for before it is added.
    func load(_ page: RecordPage, readIn epoch: Epoch) throws(StoreError) {
        guard let progress = try loadProgress(), !progress.isComplete, page.kind == .range else {
            throw refusal(.misuse, "no load has begun, or it has ended")
        }
        guard page.after == progress.cursor else {
            throw refusal(.conflict, "the page does not follow the last one that was loaded")
        }
        guard page.position.sequence >= position.sequence else {
            throw refusal(
                .staleRows, "rows of \(page.position) came to a table that stands at \(position)")
        }
        try connection.transaction { () throws(StoreError) in
            try append(page)
            let state = try connection.prepare(
                """
                UPDATE load_state SET cursor = ?1, read_at = max(read_at, ?2),
                    row_count = row_count + ?3, byte_count = byte_count + ?4, read_in = ?5
                """)
            if let cursor = page.lastName ?? progress.cursor { state.bind(1, copying: cursor) }
            state.bind(2, page.position.sequence.value)
            state.bind(3, UInt64(page.rowCount))
            state.bind(4, UInt64(page.bytes.count))
            state.bind(5, epoch.value)
            try state.run()
        }
        try countLoaded(page)
    }

    /// Adds the rows many to a statement: it finds the end of the table once for all of them.
    /// Measured with rows of 200 bytes: 1,150,000 a second of one core; one to a statement, 670,000.
    private func append(_ page: RecordPage) throws(StoreError) {
        let group = 32
        // OR FAIL: the transaction is undone as a whole, so the statement need not be.
        let start = "INSERT OR FAIL INTO records VALUES (?, ?, ?, ?)"
        let many = try connection.prepare(
            start + String(repeating: ", (?, ?, ?, ?)", count: group - 1))
        let one = try connection.prepare(start)
        // Bindings must not outlive the page's bytes.
        defer {
            many.reset()
            one.reset()
        }
        var left = page.rowCount
        var bound = 0
        try page.forEachRow { row throws(StoreError) in
            guard let value = row.value else { return }
            guard left >= group || bound > 0 else {
                bind(row, value, to: one)
                // Every parameter is bound anew for the next row.
                _ = try one.step()
                return one.resetKeepingBindings()
            }
            bind(row, value, to: many, at: Int32(4 * bound))
            bound += 1
            guard bound == group else { return }
            _ = try many.step()
            many.resetKeepingBindings()
            left -= group
            bound = 0
        }
    }

    /// Ends the load: everything loaded is on the disk when the call returns.
    func finishLoad() throws(StoreError) -> LoadProgress {
        guard var progress = try loadProgress() else {
            throw refusal(.misuse, "no load has begun")
        }
        if !progress.isComplete {
            try durably { () throws(StoreError) in
                try connection.execute("UPDATE load_state SET is_complete = 1")
            }
            progress.isComplete = true
        }
        return progress
    }

    private func bind(
        _ row: RecordPageRow, _ value: UnsafeRawBufferPointer, to statement: SQLiteStatement,
        at offset: Int32 = 0
    ) {
        statement.bind(offset + 1, borrowingText: row.name)
        statement.bind(offset + 2, row.sequence)
        statement.bind(offset + 3, bits: row.checksum)
        statement.bind(offset + 4, borrowing: value)
    }

    private func countLoaded(_ page: RecordPage) throws(StoreError) {
        loadedBytes += page.bytes.count
        if loadedBytes >= Limits.loadCheckpointBytes { _ = try checkpoint() }
    }

    private func refusal(_ code: StoreError.Code, _ message: String) -> StoreError {
        StoreError(code, operation: "take rows", path: connection.path, message: message)
    }
}
