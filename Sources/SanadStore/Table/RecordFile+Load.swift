public import SanadCore

/// How far a load of rows from a primary has come.
public struct LoadProgress: Hashable, Sendable {
    /// The last name loaded, as the table stores it: the next page follows it. Nil at the start.
    public var cursor: [UInt8]?
    /// The highest position at which a page was read.
    public var readAt: Sequence
    /// The reign of the primary in which the last page was read; zero before it.
    public var readIn: Epoch
    public var records: UInt64
    /// Bytes of the pages.
    public var bytes: UInt64
    /// The last page has been loaded, and all is on the disk.
    public var isComplete: Bool
}

// All rows, page by page, into an empty table.
//
// A store that opens with nothing but a load before it has a rollback journal, not a WAL: rows that
// are added at the end are then written once, in place, and not into the WAL first. Many pages make
// one transaction. A crash takes the open one back, and the load goes on behind the last one that
// was committed. Nobody reads the table meanwhile. Afterwards it has a WAL like any other.
extension RecordFile {
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

    /// Appends a page of rows, and the place where the next one follows, in one transaction: with a
    /// rollback journal in one that `commitLoad` ends, and that ends by itself now and then.
    ///
    /// Every name lies behind those that are there, so no row is looked for before it is added.
    ///
    /// - Returns: how far the load has come with it.
    func load(_ page: RecordPage, readIn epoch: Epoch) throws(StoreError) -> LoadProgress {
        guard let progress = try loadProgress(), !progress.isComplete, page.kind == .range else {
            throw refusal(.misuse, "no load has begun, or it has ended")
        }
        try checkLoadIsWhole()
        guard page.after == progress.cursor else {
            throw refusal(.conflict, "the page does not follow the last one that was loaded")
        }
        guard page.position.sequence >= position.sequence else {
            throw refusal(
                .staleRows, "rows of \(page.position) came to a table that stands at \(position)")
        }
        guard isDirect else {
            let reached = try connection.transaction { () throws(StoreError) in
                try add(page, readIn: epoch, after: progress)
            }
            try countLoaded(page)
            return reached
        }
        if !isLoadOpen {
            if writeBack == nil { writeBack = WriteBack(path: connection.path) }
            try connection.execute("BEGIN IMMEDIATE")
            isLoadOpen = true
        }
        let reached: LoadProgress
        do throws(StoreError) {
            reached = try add(page, readIn: epoch, after: progress)
            try writeBack?.begin()
        } catch {
            rollBackLoad()
            throw error
        }
        loadedBytes += page.bytes.count
        guard loadedBytes >= Limits.loadTransactionBytes else { return reached }
        do throws(StoreError) {
            try commitLoad()
        } catch  where error.code == .busy {
            // Somebody reads the file. The transaction stays open, and the next page tries again.
        }
        return reached
    }

    /// Makes what was loaded so far durable, when the file has a rollback journal.
    ///
    /// - Throws: `.busy` when somebody reads the file: nothing is lost, and it can be tried again.
    func commitLoad() throws(StoreError) {
        try checkLoadIsWhole()
        guard isLoadOpen else { return }
        do throws(StoreError) {
            try connection.execute("COMMIT")
        } catch  where error.code == .busy {
            throw error
        } catch {
            rollBackLoad()
            throw error
        }
        isLoadOpen = false
        loadedBytes = 0
    }

    /// Pages that were told of as loaded may be gone: nothing is added behind the gap, and the load is
    /// not called complete, until the file is opened anew and its own cursor holds.
    private func checkLoadIsWhole() throws(StoreError) {
        guard !isLoadLost else {
            throw refusal(.io, "pages that were loaded were rolled back").fatal
        }
    }

    private func rollBackLoad() {
        connection.rollBack()
        isLoadLost = true
        isLoadOpen = false
        loadedBytes = 0
    }

    /// Ends the load: everything loaded is on the disk when the call returns.
    func finishLoad() throws(StoreError) -> LoadProgress {
        try checkLoadIsWhole()
        guard var progress = try loadProgress() else {
            throw refusal(.misuse, "no load has begun")
        }
        if !progress.isComplete {
            try durably { () throws(StoreError) in
                try connection.execute("UPDATE load_state SET is_complete = 1")
            }
            progress.isComplete = true
        }
        loading = nil
        try leaveDirectMode()
        return progress
    }

    /// From now on readers and the writer do not wait for each other.
    func leaveDirectMode() throws(StoreError) {
        guard isDirect else { return }
        try commitLoad()
        // Before the change: a connection holds a lock on a file with a WAL as long as it is open,
        // and closing would end it.
        writeBack = nil
        try connection.execute("PRAGMA journal_mode = WAL")
        try connection.execute("PRAGMA synchronous = NORMAL")
        isDirect = false
    }

    private func add(
        _ page: RecordPage, readIn epoch: Epoch, after progress: LoadProgress
    ) throws(StoreError) -> LoadProgress {
        let statements: RowInserter.Statements
        if let loading {
            statements = loading
        } else {
            statements = try RowInserter.Statements(connection, into: "records")
            loading = statements
        }
        var rows = RowInserter(statements, count: page.rowCount)
        try page.forEachRow { row throws(StoreError) in
            try rows.add(
                name: row.name, sequence: row.sequence, checksum: row.checksum, value: row.value)
        }
        var reached = progress
        reached.cursor = page.lastName ?? progress.cursor
        reached.readAt = max(progress.readAt, page.position.sequence)
        reached.readIn = epoch
        reached.records += UInt64(page.rowCount)
        reached.bytes += UInt64(page.bytes.count)
        let state = try connection.prepare(
            """
            UPDATE load_state
            SET cursor = ?1, read_at = ?2, read_in = ?3, row_count = ?4, byte_count = ?5
            """)
        if let cursor = reached.cursor { state.bind(1, copying: cursor) }
        state.bind(2, reached.readAt.value)
        state.bind(3, reached.readIn.value)
        state.bind(4, reached.records)
        state.bind(5, reached.bytes)
        try state.run()
        return reached
    }
}
