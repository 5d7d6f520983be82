public import SanadCore
internal import Synchronization

/// Reads a primary's record table for a peer that repairs or makes anew its own.
///
/// It sees `records.db` only, not what waits in memory: rows are as of the table's flushed
/// position, which each page tells, and the peer applies the log from there. It has a read-only
/// connection of its own; each call is one short read transaction. Any thread may call it; calls
/// take turns.
public final class SnapshotReader: Sendable {
    private let core: TakingTurns<SnapshotReaderCore>
    private let path: String
    private let options: StoreOptions
    /// Made when they are first needed.
    private let rowReaders = Mutex<RowReaders?>(nil)

    init(path: String, options: StoreOptions) throws(StoreError) {
        self.path = path
        self.options = options
        core = TakingTurns(
            try SnapshotReaderCore(path: path, options: options, cacheKibibytes: 4 << 10))
    }

    /// Live records in the order of their names.
    ///
    /// - Parameters:
    ///   - name: the last name of the page before, as the table stores it; nil for the first page.
    ///   - maximumBytes: the page ends with the row that reaches this size; at most
    ///     `Limits.recordPageBytesTarget`.
    /// - Throws: `.corrupt` for a row whose checksum does not match.
    public func page(
        after name: [UInt8]?, maximumBytes: Int = Limits.recordPageBytesTarget
    ) throws(StoreError) -> RecordPage {
        try core.use { core throws(StoreError) in
            try core.page(
                after: name ?? [], maximumBytes: min(maximumBytes, Limits.recordPageBytesTarget))
        }
    }

    /// The rows of some names, at most `Limits.repairNamesMaximum` of them: of the first of them,
    /// in their order, as many as fit a page. The page has a row for a name without a record too.
    public func rows(names: [RecordName]) throws(StoreError) -> RecordPage {
        let wanted = Set(names.prefix(Limits.repairNamesMaximum).map(\.bytes))
            .sorted { $0.lexicographicallyPrecedes($1) }
        if wanted.count >= Limits.rowReaders, let page = try rowsAtOnce(wanted) { return page }
        return try core.use { core throws(StoreError) in try core.rows(wanted) }
    }

    private func rowsAtOnce(_ names: [[UInt8]]) throws(StoreError) -> RecordPage? {
        let readers = rowReaders.withLock { readers in
            // Without enough descriptors one connection has to do.
            if readers == nil { readers = try? RowReaders(path: path, options: options) }
            return readers
        }
        return try readers?.rows(names)
    }
}

/// The work of a snapshot reader, for one thread at a time.
final class SnapshotReaderCore {
    private let connection: SQLiteConnection
    private let applied: SQLiteStatement
    /// One look into each table beside the merged one.
    private let probes: [SQLiteStatement]
    private var statements: Statements?

    /// What reads the merged table and those of the others that held rows at the last call: an
    /// empty one costs as much as a full one.
    private struct Statements {
        var tables: [String]
        var point: SQLiteStatement
        var range: NewestRows
    }

    init(path: String, options: StoreOptions, cacheKibibytes: Int) throws(StoreError) {
        connection = try SQLiteConnection(path: path, access: .readOnly, vfs: options.vfs)
        try Pragmas.apply(toReader: connection, cacheKibibytes: cacheKibibytes)
        applied = try connection.prepare(
            "SELECT applied_epoch, applied_sequence, applied_hash FROM meta")
        var probes: [SQLiteStatement] = []
        for table in RunTables.waiting {
            probes.append(try connection.prepare("SELECT 1 FROM \(table) LIMIT 1"))
        }
        self.probes = probes
    }

    func page(after: [UInt8], maximumBytes: Int) throws(StoreError) -> RecordPage {
        try reading { position throws(StoreError) in
            let rows = try currentStatements().range
            var builder = RecordPageBuilder(
                .range, after: after, capacity: maximumBytes + (64 << 10))
            var isLast = true
            try rows.forEach(from: after.isEmpty ? [] : StoredName.successor(after)) { row in
                append(row, to: &builder, keepsDeletions: false)
                isLast = builder.rowCount == 0 || builder.byteCount < maximumBytes
                return isLast
            }
            return try checked(builder.finish(position: position, isLast: isLast))
        }
    }

    /// - Parameter names: ascending.
    func rows(
        _ names: [[UInt8]], maximumBytes: Int = Limits.recordPageBytesTarget
    ) throws(StoreError) -> RecordPage {
        try reading { position throws(StoreError) in
            let point = try currentStatements().point
            var builder = RecordPageBuilder(.names, after: [], capacity: 256 << 10)
            for name in names {
                defer { point.reset() }
                point.bind(1, copyingText: name)
                if try point.step() {
                    append(point, to: &builder, keepsDeletions: true)
                } else {
                    name.withUnsafeBytes {
                        builder.append(name: $0, sequence: 0, checksum: 0, value: nil)
                    }
                }
                if builder.byteCount >= maximumBytes { break }
            }
            return try checked(builder.finish(position: position, isLast: false))
        }
    }

    /// One read transaction, and the position of which it sees the state.
    private func reading<Result>(
        _ body: (Position) throws(StoreError) -> Result
    ) throws(StoreError) -> Result {
        try connection.execute("BEGIN")
        defer { connection.rollBack() }
        defer { applied.reset() }
        guard try applied.step(), let position = Position(applied, column: 0) else {
            throw StoreError(
                .corrupt, operation: "read the record table", path: connection.path,
                message: "the meta row is missing or malformed")
        }
        return try body(position)
    }

    private func currentStatements() throws(StoreError) -> Statements {
        var tables: [String] = []
        for (table, probe) in zip(RunTables.waiting, probes) {
            if try probe.step() { tables.append(table) }
            probe.reset()
        }
        if let statements, statements.tables == tables { return statements }
        let made = Statements(
            tables: tables, point: try connection.prepare(RunTables.point(with: tables)),
            range: NewestRows(
                merged: try connection.prepare(RunTables.merged(with: tables)),
                waiting: tables.isEmpty
                    ? nil : try connection.prepare(RunTables.waiting(in: tables))))
        statements = made
        return made
    }

    private func append(
        _ row: SQLiteStatement, to builder: inout RecordPageBuilder, keepsDeletions: Bool
    ) {
        let name = row.buffer(0)
        if row.isNull(3) {
            guard keepsDeletions else { return }
            return builder.append(name: name, sequence: 0, checksum: 0, value: nil)
        }
        builder.append(
            name: name, sequence: row.integer(1), checksum: row.integer(2), value: row.buffer(3))
    }

    /// The page, after every row's checksum was found right.
    private func checked(_ bytes: [UInt8]) throws(StoreError) -> RecordPage {
        try Self.checked(bytes, path: connection.path)
    }

    static func checked(_ bytes: [UInt8], path: String) throws(StoreError) -> RecordPage {
        do throws(RecordPageError) {
            return try RecordPage(decoding: bytes)
        } catch {
            throw StoreError(
                .corrupt, operation: "read a page of records", path: path,
                message: "\(error)", hint: "keep the file, and reseed this node from its peer")
        }
    }
}
