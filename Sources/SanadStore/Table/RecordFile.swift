import Glibc
internal import SanadCore

/// The connection that writes `records.db`: the only one that writes and checkpoints it.
final class RecordFile {
    let connection: SQLiteConnection
    private let upsert: SQLiteStatement
    private let delete: SQLiteStatement
    /// The run tables that hold rows.
    private(set) var runs: Set<Int> = []
    /// Rows that were fetched after a cut wait for their merge.
    var hasRepaired: Bool
    /// The boundary up to which the table holds the log.
    private(set) var position: Position
    /// Bytes written since the last checkpoint, beside flushes; while the file has a rollback journal,
    /// those of the open transaction.
    var loadedBytes = 0
    /// The file has a rollback journal instead of a WAL: see `RecordFile+Load`.
    var isDirect = false
    /// While rows are loaded into such a file.
    var writeBack: WriteBack?
    /// What adds loaded rows, from the first page on.
    var loading: RowInserter.Statements?
    /// A transaction with loaded pages is open.
    var isLoadOpen = false
    /// One with loaded pages was rolled back.
    var isLoadLost = false
    private var merge: RecordMerge?
    private let options: StoreOptions
    private let advance: SQLiteStatement

    private static let schema = """
        CREATE TABLE meta (
            id INTEGER PRIMARY KEY CHECK (id = 1), cluster BLOB NOT NULL,
            applied_epoch INTEGER NOT NULL, applied_sequence INTEGER NOT NULL,
            applied_hash BLOB NOT NULL) STRICT;
        CREATE TABLE records (
            name TEXT PRIMARY KEY COLLATE BINARY, sequence INTEGER NOT NULL,
            checksum INTEGER NOT NULL, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
        """ + RunTables.schema + schemaUpgradeTo2 + schemaUpgradeTo3

    /// How far a load of rows from a peer has come; at most one row.
    private static let schemaUpgradeTo2 = """
        CREATE TABLE load_state (
            id INTEGER PRIMARY KEY CHECK (id = 1), cursor BLOB, read_at INTEGER NOT NULL,
            read_in INTEGER NOT NULL, row_count INTEGER NOT NULL, byte_count INTEGER NOT NULL,
            is_complete INTEGER NOT NULL) STRICT;
        """

    private static let schemaUpgradeTo3 = RunTables.create(RunTables.repaired)

    /// - Parameter isLoading: all rows are still to come from a peer.
    init(
        path: String, cluster: Identifier, options: StoreOptions, isLoading: Bool = false
    ) throws(StoreError) {
        let connection = try SQLiteConnection(path: path, access: .create, vfs: options.vfs)
        self.connection = connection
        self.options = options
        isDirect = try Self.apply(options, to: connection, isLoading: isLoading)
        if let version = try FileFormat.records.check(connection) {
            if version < FileFormat.records.version {
                try connection.transaction { () throws(StoreError) in
                    if version < 2 { try connection.execute(Self.schemaUpgradeTo2) }
                    try connection.execute(Self.schemaUpgradeTo3)
                    try FileFormat.records.mark(connection)
                }
            }
        } else {
            try connection.transaction { () throws(StoreError) in
                try connection.execute(Self.schema)
                let statement = try connection.prepare("INSERT INTO meta VALUES (1, ?, ?, ?, ?)")
                statement.bind(1, copying: cluster.bytes)
                Position.origin.bind(to: statement, at: 2)
                try statement.run()
                try FileFormat.records.mark(connection)
            }
            // An empty WAL, and everything synced, before anybody relies on the file.
            _ = try connection.checkpoint(.truncate)
            try Files.synchronizeDirectory(Files.parent(of: path))
        }
        // The guard by sequence makes a replay over newer rows harmless.
        upsert = try connection.prepare(
            """
            INSERT INTO records (name, sequence, checksum, value) VALUES (?1, ?2, ?3, ?4)
            ON CONFLICT (name) DO UPDATE
            SET sequence = excluded.sequence, checksum = excluded.checksum, value = excluded.value
            WHERE excluded.sequence >= records.sequence
            """)
        delete = try connection.prepare("DELETE FROM records WHERE name = ?1 AND sequence <= ?2")
        advance = try connection.prepare(
            "UPDATE meta SET applied_epoch = ?1, applied_sequence = ?2, applied_hash = ?3")
        position = try Self.position(connection, cluster: cluster)
        hasRepaired = try Self.hasRows(connection, RunTables.repaired)
        for slot in 0..<RunTables.count
        where try Self.hasRows(connection, RunTables.name(slot)) {
            runs.insert(slot)
        }
    }

    deinit {
        // When `writeBack` closes the file, no lock on it may be held.
        if isLoadOpen { connection.rollBack() }
    }

    private static func hasRows(
        _ connection: SQLiteConnection, _ table: String
    ) throws(StoreError) -> Bool {
        try connection.integer("SELECT EXISTS (SELECT 1 FROM \(table))") == 1
    }

    /// - Returns: whether the file has a rollback journal.
    private static func apply(
        _ options: StoreOptions, to connection: SQLiteConnection, isLoading: Bool
    ) throws(StoreError) -> Bool {
        var pragmas = Pragmas(
            pageBytes: options.tablePageBytes, synchronous: .normal,
            cacheKibibytes: options.tableCacheKibibytes, journalBytesLimit: 64 << 20)
        if isLoading {
            pragmas.journal = .rollback
            // A journal that is not synced before the pages could leave half a transaction.
            pragmas.synchronous = .full
            do throws(StoreError) {
                try pragmas.apply(toWriter: connection)
                return true
            } catch  where error.code == .busy {
                // Somebody looks at the file: it is loaded through the WAL, more slowly.
                pragmas.journal = .wal
                pragmas.synchronous = .normal
            }
        }
        try pragmas.apply(toWriter: connection)
        return false
    }

    private static func position(
        _ connection: SQLiteConnection, cluster: Identifier
    ) throws(StoreError) -> Position {
        let statement = try connection.prepare("SELECT * FROM meta")
        defer { statement.reset() }
        guard try statement.step(), let position = Position(statement, column: 2) else {
            throw StoreError(
                .corrupt, operation: "open the record table", path: connection.path,
                message: "the meta row is missing or malformed",
                hint: "remove records.db when the log begins at 1; else reseed this node")
        }
        guard Identifier(bytes: statement.buffer(1)) == cluster else {
            throw StoreError(
                .foreignStore, operation: "open the record table", path: connection.path,
                message: "it belongs to another cluster")
        }
        return position
    }

    /// Writes a generation's mutations and the position that they reach in one transaction, in
    /// the order of their names, which makes the writes sequential.
    ///
    /// - Parameter isAwaited: it is written as a run, whatever its size: that takes the least time.
    /// - Precondition: `hasFreeRun`, or the caller has merged.
    func apply(_ generation: Generation, isAwaited: Bool = false) throws(StoreError) {
        // A start can find a load that was complete, and whose end was cut short before this.
        try leaveDirectMode()
        let entries = generation.sortedNewest()
        let isSmall = entries.count <= options.directRowsMaximum
        let isMerged = isSmall && !isAwaited && !hasUnmerged
        let slot = isMerged ? nil : (0..<RunTables.count).first { !runs.contains($0) }
        precondition(isMerged || slot != nil, "a merge has made room for a run")
        try connection.transaction { () throws(StoreError) in
            if let slot {
                try write(entries, toRun: slot)
            } else {
                try mergeIn(entries)
            }
            generation.end.bind(to: advance, at: 1)
            try advance.run()
        }
        position = generation.end
        if let slot { runs.insert(slot) }
        // The entries live as long as their generation.
        withExtendedLifetime(generation) {}
    }

    private func write(
        _ entries: [UnsafePointer<MemEntry>], toRun slot: Int
    ) throws(StoreError) {
        let statements = try RowInserter.Statements(connection, into: RunTables.name(slot))
        var rows = RowInserter(statements, count: entries.count)
        // Names are put together here, and stay until their group is written.
        let size = Limits.recordNameBytesMaximum
        let scratch = UnsafeMutableRawBufferPointer.allocate(
            byteCount: RowInserter.group * size, alignment: 8)
        defer { scratch.deallocate() }
        for entry in entries {
            let entry = entry.pointee
            let name = entry.storeName(
                into: UnsafeMutableRawBufferPointer(rebasing: scratch[(rows.position * size)...]))
            try rows.add(
                name: name, sequence: entry.sequence,
                checksum: RowChecksum.of(name, entry.sequence, entry.value),
                value: entry.operation == .put ? entry.value : nil)
        }
    }

    private func mergeIn(_ entries: [UnsafePointer<MemEntry>]) throws(StoreError) {
        let scratch = UnsafeMutableRawBufferPointer.allocate(
            byteCount: Limits.recordNameBytesMaximum, alignment: 8)
        defer { scratch.deallocate() }
        for entry in entries {
            let entry = entry.pointee
            let name = entry.storeName(into: scratch)
            let isPut = entry.operation == .put
            let statement = isPut ? upsert : delete
            if isPut {
                statement.bind(3, bits: RowChecksum.of(name, entry.sequence, entry.value))
                statement.bind(4, borrowing: entry.value)
            }
            statement.bind(1, borrowingText: name)
            statement.bind(2, entry.sequence)
            try statement.run()
        }
    }

    /// Sets the position at which the table stands, on the disk when the call returns.
    ///
    /// - Parameter body: what else the transaction does.
    func setPosition(
        _ target: Position, with body: () throws(StoreError) -> Void = {}
    ) throws(StoreError) {
        try durably { () throws(StoreError) in
            try body()
            target.bind(to: advance, at: 1)
            try advance.run()
        }
        position = target
    }

    /// One transaction that a power loss cannot take back, nor anything before it.
    func durably(_ body: () throws(StoreError) -> Void) throws(StoreError) {
        try commitLoad()
        guard !isDirect else { return try connection.transaction(body) }
        try connection.execute("PRAGMA synchronous = FULL")
        do throws(StoreError) {
            try connection.transaction(body)
        } catch {
            try connection.execute("PRAGMA synchronous = NORMAL")
            throw error
        }
        try connection.execute("PRAGMA synchronous = NORMAL")
    }

    // MARK: Merging

    var hasUnmerged: Bool { hasRepaired || !runs.isEmpty }

    var hasFreeRun: Bool { runs.count < RunTables.count }

    /// Does a bounded piece of bringing what waits into the merged table: the rows that were
    /// fetched first, since what they hide has sequences that mean nothing, then the runs that
    /// stand now.
    ///
    /// Each piece is one transaction. A piece that is done twice, after a crash, changes nothing:
    /// rows are guarded by their sequence, and the runs are emptied only after the last piece.
    ///
    /// - Returns: true when there is no more to merge of these.
    func mergePiece() throws(StoreError) -> Bool {
        if hasRepaired {
            try mergeRepaired(rowsMaximum: options.mergeRowsMaximum)
            return !hasUnmerged
        }
        guard !runs.isEmpty else { return true }
        let current: RecordMerge
        if let merge {
            current = merge
        } else {
            current = try RecordMerge(
                connection, slots: runs.sorted(), rowsMaximum: options.mergeRowsMaximum)
            merge = current
        }
        let isLast = try connection.transaction { () throws(StoreError) in
            try current.takePiece(upsert: upsert, delete: delete)
        }
        guard isLast else { return false }
        try connection.transaction { () throws(StoreError) in
            for slot in current.slots {
                try connection.execute("DELETE FROM \(RunTables.name(slot))")
            }
        }
        runs.subtract(current.slots)
        merge = nil
        return true
    }

    /// Moves the WAL into the file, as far as readers let it.
    ///
    /// - Returns: whether everything committed is now synced.
    func checkpoint() throws(StoreError) -> Bool {
        loadedBytes = 0
        try commitLoad()
        // A commit with a rollback journal is in the file, and synced.
        guard !isDirect else { return true }
        do throws(StoreError) {
            return try connection.checkpoint(.passive) == 0
        } catch  where error.code == .diskFull || error.code == .busy {
            // The next flush tries again; the transaction itself is in the WAL.
            return false
        }
    }
}

/// Finds changed bytes in a row: SQLite's own pages have no checksum.
enum RowChecksum {
    static func of(
        _ name: UnsafeRawBufferPointer, _ sequence: UInt64, _ value: UnsafeRawBufferPointer
    ) -> UInt64 {
        XXHash64.hash(value, seed: XXHash64.hash(name, seed: sequence))
    }
}
