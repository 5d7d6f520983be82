internal import SanadCore

/// What a comparison of the record table with the log found.
public struct RecordsReport: Sendable {
    /// Rows compared so far.
    public var records: UInt64 = 0
    /// Transactions of the log replayed so far.
    public var transactions: UInt64 = 0
    /// The first thing that is not as the log says; nil when all is.
    public var problem: StoreError?

    public init() {}
}

/// A store's files for an operator's tools: read only, beside a running node or without one.
public struct StoreInspection: Sendable {
    public let log: LogReader
    private let recordsPath: String

    /// - Parameter directory: the store's directory.
    /// - Throws: `.io` when it cannot be read.
    public init(directory: String) throws(StoreError) {
        let catalog = SegmentCatalog(directory: directory + "/segments", vfs: nil)
        catalog.replace(with: try SegmentCatalog.entries(in: catalog.directory))
        log = LogReader(catalog: catalog)
        recordsPath = directory + "/records.db"
    }

    /// Compares every row of the record table with a replay of the log up to the position that the
    /// table says it has applied.
    ///
    /// The replay goes to a temporary file of SQLite's, so that memory does not grow with the store.
    ///
    /// - Parameter progress: called now and then; false ends the work.
    public func verifyRecords(
        progress: (RecordsReport) -> Bool
    ) throws(StoreError) -> RecordsReport {
        let table = try SQLiteConnection(path: recordsPath, access: .readOnly, vfs: nil)
        try Pragmas.apply(toReader: table, cacheKibibytes: 8 << 10)
        // One read transaction: a running node may flush meanwhile.
        try table.execute("BEGIN")
        defer { table.rollBack() }
        let applied = Sequence(try table.integer("SELECT applied_sequence FROM meta") ?? 0)
        var report = RecordsReport()
        // An empty name is a private temporary database that goes away with the connection.
        let replay = try SQLiteConnection(path: "", access: .create, vfs: nil)
        try replay.execute("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF")
        try replay.execute(
            """
            CREATE TABLE replay (name BLOB PRIMARY KEY, sequence INTEGER, value INTEGER)
            WITHOUT ROWID
            """)
        guard try replayLog(upTo: applied, into: replay, &report, progress) else { return report }
        try compare(table, replay, &report, progress)
        return report
    }

    private func replayLog(
        upTo applied: Sequence, into replay: SQLiteConnection, _ report: inout RecordsReport,
        _ progress: (RecordsReport) -> Bool
    ) throws(StoreError) -> Bool {
        let put = try replay.prepare("INSERT OR REPLACE INTO replay VALUES (?, ?, ?)")
        let delete = try replay.prepare("DELETE FROM replay WHERE name = ?")
        var next = Sequence.zero
        try replay.execute("BEGIN")
        while next < applied {
            let frames = try log.read(after: next, maximumBytes: 4 << 20)
            guard let last = frames.last else { break }
            for frame in frames where frame.header.last <= applied {
                try apply(frame, put, delete)
                report.transactions += frame.header.transactionCount
            }
            next = last.header.last
            guard progress(report) else { return false }
        }
        try replay.execute("COMMIT")
        return true
    }

    private func apply(
        _ frame: Frame, _ put: SQLiteStatement, _ delete: SQLiteStatement
    ) throws(StoreError) {
        var failure: StoreError?
        frame.forEachMutation { sequence, mutation in
            guard failure == nil else { return }
            let name = StoredName.of(mutation.collection, mutation.key)
            do throws(StoreError) {
                switch mutation.operation {
                case .put:
                    put.bind(1, copying: name)
                    put.bind(2, sequence.value)
                    put.bind(3, bits: XXHash64.hash(mutation.value, seed: 0))
                    try put.run()
                case .delete:
                    delete.bind(1, copying: name)
                    try delete.run()
                }
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
    }

    /// Walks both in the order of names, side by side.
    private func compare(
        _ table: SQLiteConnection, _ replay: SQLiteConnection, _ report: inout RecordsReport,
        _ progress: (RecordsReport) -> Bool
    ) throws(StoreError) {
        let rows = try table.prepare(RunTables.range)
        rows.bind(1, copyingText: StoredName.everything.lower)
        rows.bind(2, copyingText: StoredName.everything.upper)
        var last: [UInt8]?
        // The newest row of the next record that lives.
        func nextRow() throws(StoreError) -> Bool {
            while try rows.step() {
                let name = rows.bytes(0)
                if name == last { continue }
                last = name
                if !rows.isNull(3) { return true }
            }
            return false
        }
        let expected = try replay.prepare("SELECT name, sequence, value FROM replay ORDER BY name")
        while true {
            let hasRow = try nextRow()
            let hasExpected = try expected.step()
            guard hasRow || hasExpected else { return }
            let name = hasRow ? rows.bytes(0) : []
            let expectedName = hasExpected ? expected.bytes(0) : []
            let isSame =
                hasRow && hasExpected && name == expectedName
                && rows.integer(1) == expected.integer(1)
                && XXHash64.hash(rows.buffer(3), seed: 0) == expected.integer(2)
            guard isSame else {
                let shown = String(decoding: hasRow ? name : expectedName, as: UTF8.self)
                report.problem = StoreError(
                    .corrupt, operation: "compare records with the log", path: recordsPath,
                    message: "record \(shown.replacing("\t", with: "/")) is not what the log says",
                    hint: "stop the node, move records.db away, start it: it is made anew from the "
                        + "log")
                return
            }
            report.records += 1
            if report.records % 65_536 == 0 { guard progress(report) else { return } }
        }
    }
}
