public import SanadCore

/// One thing that an operator, or the controller, did.
public struct AuditEntry: Hashable, Sendable {
    public var number: UInt64
    public var wallMilliseconds: UInt64
    /// Who: a user's name, or the node itself.
    public var actor: String
    public var action: String
    public var detail: String
}

/// A file of frames that a fork cut off.
public struct QuarantineEntry: Hashable, Sendable {
    public var number: UInt64
    public var wallMilliseconds: UInt64
    public var firstEpoch: Epoch
    public var lastEpoch: Epoch
    public var first: Sequence
    public var last: Sequence
    /// The file's name inside `quarantine/`.
    public var file: String
    public var reason: String
    /// Bytes of the frames.
    public var bytes: UInt64

    public var transactionCount: UInt64 { last.value - first.value + 1 }
}

extension QuarantineEntry {
    init(_ plan: CutPlan, _ reader: QuarantineReader, number: UInt64) {
        self.init(
            number: number, wallMilliseconds: plan.wallMilliseconds, firstEpoch: reader.firstEpoch,
            lastEpoch: reader.lastEpoch, first: reader.first, last: reader.last, file: plan.file,
            reason: plan.reason, bytes: reader.bytes)
    }
}

extension NodeDatabase {
    /// Records an action, before it is carried out, or its outcome.
    public func appendAudit(
        wallMilliseconds: UInt64, actor: String, action: String, detail: String
    ) throws(StoreError) {
        try write { () throws(StoreError) in
            try insertAudit(wallMilliseconds, actor, action, detail)
        }
    }

    /// Call it inside `write`.
    func insertAudit(
        _ wallMilliseconds: UInt64, _ actor: String, _ action: String, _ detail: String
    ) throws(StoreError) {
        let statement = try connection.prepare(
            "INSERT INTO audit (wall_ms, actor, action, detail) VALUES (?, ?, ?, ?)")
        statement.bind(1, wallMilliseconds)
        statement.bind(2, text: actor)
        statement.bind(3, text: action)
        statement.bind(4, text: detail)
        try statement.run()
        let prune = try connection.prepare(
            "DELETE FROM audit WHERE id <= (SELECT max(id) FROM audit) - ?")
        prune.bind(1, Limits.auditEntriesMaximum)
        try prune.run()
    }

    /// The last `limit` entries, newest first.
    public func audit(limit: Int) throws(StoreError) -> [AuditEntry] {
        let statement = try connection.prepare("SELECT * FROM audit ORDER BY id DESC LIMIT ?")
        defer { statement.reset() }
        statement.bind(1, UInt64(max(0, limit)))
        var entries: [AuditEntry] = []
        while try statement.step() {
            entries.append(
                AuditEntry(
                    number: statement.integer(0), wallMilliseconds: statement.integer(1),
                    actor: statement.text(2), action: statement.text(3),
                    detail: statement.text(4)))
        }
        return entries
    }

    /// The quarantine files, oldest first.
    public func quarantine() throws(StoreError) -> [QuarantineEntry] {
        let statement = try connection.prepare("SELECT * FROM quarantine ORDER BY id")
        defer { statement.reset() }
        var entries: [QuarantineEntry] = []
        while try statement.step() {
            entries.append(
                QuarantineEntry(
                    number: statement.integer(0), wallMilliseconds: statement.integer(1),
                    firstEpoch: Epoch(statement.integer(2)), lastEpoch: Epoch(statement.integer(3)),
                    first: Sequence(statement.integer(4)), last: Sequence(statement.integer(5)),
                    file: statement.text(6), reason: statement.text(7),
                    bytes: statement.integer(8)))
        }
        return entries
    }

    /// The number that the next quarantine entry gets.
    func nextQuarantineNumber() throws(StoreError) -> UInt64 {
        let last = try connection.integer(
            "SELECT max(seq) FROM sqlite_sequence WHERE name = 'quarantine'")
        return (last ?? 0) + 1
    }

    /// Takes an entry off the list. The caller removes the file first: an entry without a file is
    /// seen, a file without an entry would be forgotten.
    func removeQuarantine(number: UInt64) throws(StoreError) {
        try write { () throws(StoreError) in
            let statement = try connection.prepare("DELETE FROM quarantine WHERE id = ?")
            statement.bind(1, number)
            try statement.run()
        }
    }
}

/// A cut that was decided and may not be finished: `SegmentLog` carries it out, again if need be.
struct CutPlan: Hashable, Sendable {
    var position: Position
    /// Bytes of the log up to and with `position`.
    var logOffset: UInt64
    var wallMilliseconds: UInt64
    var file: String
    var reason: String
    /// The record table has applied frames beyond the position.
    var repairs = false
    /// The names of the frames up to here are in `repair_names`.
    var namesUntil = Sequence.zero
}

extension NodeDatabase {
    func cutPlan() throws(StoreError) -> CutPlan? {
        let statement = try connection.prepare("SELECT * FROM cut_plan")
        defer { statement.reset() }
        guard try statement.step() else { return nil }
        return CutPlan(
            position: try position(statement, 1), logOffset: statement.integer(4),
            wallMilliseconds: statement.integer(5), file: statement.text(6),
            reason: statement.text(7), repairs: statement.integer(8) != 0,
            namesUntil: Sequence(statement.integer(9)))
    }

    func begin(_ plan: CutPlan) throws(StoreError) {
        try write { () throws(StoreError) in
            let statement = try connection.prepare(
                "INSERT INTO cut_plan VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
            bind(plan.position, statement, 1)
            statement.bind(4, plan.logOffset)
            statement.bind(5, plan.wallMilliseconds)
            statement.bind(6, text: plan.file)
            statement.bind(7, text: plan.reason)
            statement.bind(8, plan.repairs ? 1 : 0)
            statement.bind(9, plan.namesUntil.value)
            try statement.run()
        }
    }

    /// Lists the quarantine file, forgets the reigns beyond the fork, and ends the plan, all in
    /// one transaction.
    func finish(_ plan: CutPlan, _ entry: QuarantineEntry) throws(StoreError) {
        try write { () throws(StoreError) in
            try insert(entry)
            try saveRepair(after: plan, quarantine: entry.number)
            try deleteHistory(after: plan.position.sequence)
            try saveLogBase(plan.position, offset: plan.logOffset)
            try connection.execute("DELETE FROM cut_plan")
        }
    }

    /// Call it inside `write`.
    func insert(_ entry: QuarantineEntry) throws(StoreError) {
        let statement = try connection.prepare(
            """
            INSERT INTO quarantine
            (wall_ms, first_epoch, last_epoch, first, last, file, reason, bytes)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?)
            """)
        statement.bind(1, entry.wallMilliseconds)
        statement.bind(2, entry.firstEpoch.value)
        statement.bind(3, entry.lastEpoch.value)
        statement.bind(4, entry.first.value)
        statement.bind(5, entry.last.value)
        statement.bind(6, text: entry.file)
        statement.bind(7, text: entry.reason)
        statement.bind(8, entry.bytes)
        try statement.run()
    }

    /// Where the log begins when it has no segment.
    func logBase() throws(StoreError) -> (position: Position, offset: UInt64) {
        let statement = try connection.prepare("SELECT * FROM log_base")
        defer { statement.reset() }
        guard try statement.step() else { return (.origin, 0) }
        return (try position(statement, 1), statement.integer(4))
    }

    /// Call it inside `write`.
    func saveLogBase(_ base: Position, offset: UInt64) throws(StoreError) {
        let statement = try connection.prepare(
            "INSERT OR REPLACE INTO log_base VALUES (1, ?, ?, ?, ?)")
        bind(base, statement, 1)
        statement.bind(4, offset)
        try statement.run()
    }
}
