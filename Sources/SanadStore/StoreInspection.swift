internal import SanadCore

/// What a comparison of the record table with the log found.
public struct RecordsReport: Sendable {
    /// Rows compared so far.
    public var records: UInt64 = 0
    /// Of these, rows that were last put before the log's oldest frame: only their own checksums
    /// were verified.
    public var beforeLog: UInt64 = 0
    /// Transactions of the log replayed so far.
    public var transactions: UInt64 = 0
    /// The first thing that is not as the log says; nil when all is.
    public var problem: StoreError?
    /// Why nothing was compared: the records are being repaired or loaded, and cannot be what the
    /// log says yet. Nil when they were compared.
    public var notCompared: String?

    public init() {}
}

/// A store's files for an operator's tools: read only, beside a running node or without one.
public struct StoreInspection: Sendable {
    public let log: LogReader
    /// The repair or reseed that the store is in; nil when it is in none.
    public let plan: RepairPlan?
    /// Names of records that are still to be fetched from the primary.
    public let repairNamesLeft: UInt64
    private let firstHeld: Sequence
    let nodePath: String
    let recordsPath: String

    /// - Parameter directory: the store's directory.
    /// - Throws: `.io` when it cannot be read.
    public init(directory: String) throws(StoreError) {
        let catalog = SegmentCatalog(directory: directory + "/segments", vfs: nil)
        catalog.replace(with: try SegmentCatalog.entries(in: catalog.directory))
        log = LogReader(catalog: catalog)
        firstHeld = catalog.first ?? .zero
        nodePath = directory + "/node.db"
        (plan, repairNamesLeft) = try Self.plan(nodePath)
        recordsPath = directory + "/records.db"
    }

    private static func plan(_ path: String) throws(StoreError) -> (RepairPlan?, UInt64) {
        // A store that a reseed kept in the middle of a repair has none.
        guard Files.exists(path) else { return (nil, 0) }
        let node = try SQLiteConnection(path: path, access: .readOnly, vfs: nil)
        try Pragmas.apply(toReader: node, cacheKibibytes: 256)
        // Before version 2 there were no plans.
        guard let version = try FileFormat.node.check(node), version >= 2 else { return (nil, 0) }
        let left = try node.integer("SELECT count(*) FROM repair_names WHERE is_done = 0")
        return (try NodeDatabase.repairPlan(node), left ?? 0)
    }

    /// The plan as it stands now.
    func presentPlan() throws(StoreError) -> RepairPlan? { try Self.plan(nodePath).0 }

    static func unloaded(_ plan: RepairPlan) -> String {
        "the store is being reseeded (\(plan.reason)), and has not all records yet"
    }

    var namesMissing: String? {
        repairNamesLeft == 0
            ? nil : "\(repairNamesLeft) records are still to be fetched from the primary"
    }

    /// Why the records cannot be what the log says at `applied`.
    func unfinished(_ applied: Sequence) -> String? {
        guard let plan else { return nil }
        guard plan.phase != .load else { return Self.unloaded(plan) }
        if let words = namesMissing { return words }
        guard let from = plan.consistentFrom, from > applied else { return nil }
        return "the log is applied up to \(applied), and must be up to \(from)"
    }

    /// Compares every row of the record table with a replay of the log up to the position that the
    /// table says it has applied.
    ///
    /// Where the log begins later, with a reseed or after retention, rows that were put before it
    /// are only compared with their own checksums. A store that is in a repair is not compared.
    ///
    /// The replay goes to a temporary file of SQLite's, so that memory does not grow with the store.
    ///
    /// - Parameter progress: called now and then; false ends the work.
    public func verifyRecords(
        progress: (RecordsReport) -> Bool
    ) throws(StoreError) -> RecordsReport {
        var report = RecordsReport()
        // While rows are loaded the table has no WAL: whoever reads it would hold the loader up. A
        // reseed may have begun since this inspection did.
        if let plan = try presentPlan(), plan.phase == .load {
            report.notCompared = Self.unloaded(plan)
            return report
        }
        let table = try SQLiteConnection(path: recordsPath, access: .readOnly, vfs: nil)
        try Pragmas.apply(toReader: table, cacheKibibytes: 8 << 10)
        // One read transaction: a running node may flush meanwhile.
        try table.execute("BEGIN")
        defer { table.rollBack() }
        let applied = Sequence(try table.integer("SELECT applied_sequence FROM meta") ?? 0)
        report.notCompared = unfinished(applied)
        guard report.notCompared == nil else { return report }
        let version = try FileFormat.records.check(table) ?? FileFormat.records.version
        let rows = try table.prepare(RunTables.range(inVersion: version))
        // An empty name is a private temporary database that goes away with the connection.
        let replay = try SQLiteConnection(path: "", access: .create, vfs: nil)
        try replay.execute("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF")
        try replay.execute(
            """
            CREATE TABLE replay (name BLOB PRIMARY KEY, sequence INTEGER, value INTEGER)
            WITHOUT ROWID
            """)
        guard try replayLog(upTo: applied, into: replay, &report, progress) else { return report }
        try compare(rows, replay, &report, progress)
        return report
    }

    private func replayLog(
        upTo applied: Sequence, into replay: SQLiteConnection, _ report: inout RecordsReport,
        _ progress: (RecordsReport) -> Bool
    ) throws(StoreError) -> Bool {
        let put = try replay.prepare("INSERT OR REPLACE INTO replay VALUES (?, ?, ?)")
        // A deletion is kept, so that a row from before the log's beginning is seen to be gone.
        let delete = try replay.prepare("INSERT OR REPLACE INTO replay VALUES (?, NULL, NULL)")
        var next = Sequence(max(1, firstHeld.value) - 1)
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
        _ rows: SQLiteStatement, _ replay: SQLiteConnection, _ report: inout RecordsReport,
        _ progress: (RecordsReport) -> Bool
    ) throws(StoreError) {
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
        var hasRow = try nextRow()
        var hasExpected = try expected.step()
        while hasRow || hasExpected {
            let order =
                if !hasRow {
                    1
                } else if !hasExpected {
                    -1
                } else {
                    bytesCompare(rows.buffer(0), expected.buffer(0))
                }
            let isSame =
                if order < 0 {
                    rows.integer(1) < firstHeld.value
                        && RowChecksum.of(rows.buffer(0), rows.integer(1), rows.buffer(3))
                            == rows.integer(2)
                } else if order > 0 {
                    expected.isNull(1)
                } else {
                    rows.integer(1) == expected.integer(1)
                        && XXHash64.hash(rows.buffer(3), seed: 0) == expected.integer(2)
                }
            guard isSame else {
                report.problem = difference(order < 1 ? rows.bytes(0) : expected.bytes(0))
                return
            }
            if order <= 0 {
                report.records += 1
                report.beforeLog += order < 0 ? 1 : 0
                hasRow = try nextRow()
            }
            if order >= 0 { hasExpected = try expected.step() }
            guard order <= 0 else { continue }
            if report.records % 65_536 == 0 { guard progress(report) else { return } }
        }
    }
    private func difference(_ name: [UInt8]) -> StoreError {
        let shown = String(decoding: name, as: UTF8.self).replacing("\t", with: "/")
        return StoreError(
            .corrupt, operation: "compare records with the log", path: recordsPath,
            message: "record \(shown) is not what the log says",
            hint: firstHeld <= Sequence(1)
                ? "stop the node, move records.db away, start it: it is made anew from the log"
                : "reseed this node from its peer")
    }
}
