public import SanadCore

/// The record table is not what the log says, and on its way back: written to `node.db` before
/// anything changes, and there until the table is right again.
///
/// The table is right once no name is left to fetch and it has applied the log up to
/// `consistentFrom`: rows were read at the primary at positions up to that one, so an earlier state
/// has some of them too new.
public struct RepairPlan: Hashable, Sendable {
    public enum Kind: String, Sendable {
        /// The table had applied frames that a cut removed.
        case rejoin
        /// The whole store is made anew from the primary's records.
        case reseed
    }

    public enum Phase: String, Sendable {
        /// The next start removes, or moves away, the log and the records.
        case wipe
        /// Rows are being taken from the primary, in the order of their names.
        case load
        /// Names are fetched, if there are any, and the log is applied.
        case catchUp
    }

    public var kind: Kind
    public var phase: Phase
    /// The log's boundary after which it is applied to the table; nil until it is known.
    public var base: Position?
    /// The highest position at which rows were read; nil until some were. For `wipe`: nil when no
    /// repair was under way.
    public var consistentFrom: Sequence?
    /// The number of the quarantine entry that the cut made.
    public var quarantine: UInt64?
    /// For `wipe`: the old files are kept in `quarantine/`.
    public var keepsOld: Bool
    public var reason: String
    public var wallMilliseconds: UInt64

    /// The name of the directory in `quarantine/` that keeps a wiped store.
    var keptName: String { "store-\(wallMilliseconds)" }
}

/// The first of the names still listed: their rows were taken, and a power loss can take them back.
struct TakenNames {
    var last: RecordName
    /// The highest position at which they were read.
    var readAt: Sequence
    /// Bytes of the pages.
    var bytes: Int
}

extension NodeDatabase {
    /// The plan that is being carried out; nil when the record table is what the log says.
    public func repairPlan() throws(StoreError) -> RepairPlan? { try Self.repairPlan(connection) }

    static func repairPlan(_ connection: SQLiteConnection) throws(StoreError) -> RepairPlan? {
        let statement = try connection.prepare("SELECT * FROM repair_plan")
        defer { statement.reset() }
        guard try statement.step() else { return nil }
        guard let kind = RepairPlan.Kind(rawValue: statement.text(1)),
            let phase = RepairPlan.Phase(rawValue: statement.text(2))
        else {
            throw StoreError(
                .corrupt, operation: "read the repair plan", path: connection.path,
                message: "\(statement.text(1)) \(statement.text(2)) is not known",
                hint: "install the version of Sanad that wrote this store, or a later one")
        }
        return RepairPlan(
            kind: kind, phase: phase, base: Position(statement, column: 3),
            consistentFrom: statement.isNull(6) ? nil : Sequence(statement.integer(6)),
            quarantine: statement.isNull(7) ? nil : statement.integer(7),
            keepsOld: statement.integer(8) != 0, reason: statement.text(9),
            wallMilliseconds: statement.integer(10))
    }

    /// Call it inside `write`.
    func save(_ plan: RepairPlan) throws(StoreError) {
        let statement = try connection.prepare(
            "INSERT OR REPLACE INTO repair_plan VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
        statement.bind(1, text: plan.kind.rawValue)
        statement.bind(2, text: plan.phase.rawValue)
        if let base = plan.base { bind(base, statement, 3) }
        if let from = plan.consistentFrom { statement.bind(6, from.value) }
        if let number = plan.quarantine { statement.bind(7, number) }
        statement.bind(8, plan.keepsOld ? 1 : 0)
        statement.bind(9, text: plan.reason)
        statement.bind(10, plan.wallMilliseconds)
        try statement.run()
    }

    /// Names of records that are still to be fetched from the primary, in their order.
    ///
    /// Those of rows that were taken are left out before it is written down that they need not be
    /// fetched any more: after a crash they are.
    public func repairNames(limit: Int) throws(StoreError) -> [RecordName] {
        let statement = try connection.prepare(
            "SELECT name FROM repair_names WHERE is_done = 0 AND name > ? ORDER BY name LIMIT ?")
        defer { statement.reset() }
        statement.bind(1, copying: taken?.last.bytes ?? [])
        statement.bind(2, UInt64(max(0, limit)))
        var names: [RecordName] = []
        while try statement.step() {
            guard let name = RecordName(bytes: statement.bytes(0)) else {
                throw damaged("repair_names holds what is not a name")
            }
            names.append(name)
        }
        return names
    }

    /// How many names are listed as to be fetched.
    public func repairNamesLeft() throws(StoreError) -> UInt64 {
        try connection.integer("SELECT count(*) FROM repair_names WHERE is_done = 0") ?? 0
    }

    /// The rows of a page, the answer for the first of `repairNames`, are in the record table.
    func noteTaken(_ page: RecordPage, last: RecordName) {
        var noted = taken ?? TakenNames(last: last, readAt: .zero, bytes: 0)
        noted.last = last
        noted.readAt = max(noted.readAt, page.position.sequence)
        noted.bytes += page.bytes.count
        taken = noted
    }

    /// Writes down that the names of rows that were taken need not be fetched any more; call it
    /// once the rows are synced.
    func finishTaken() throws(StoreError) {
        guard let noted = taken, var plan = try repairPlan() else { return }
        plan.consistentFrom = max(plan.consistentFrom ?? .zero, noted.readAt)
        try write { () throws(StoreError) in
            let statement = try connection.prepare(
                "UPDATE repair_names SET is_done = 1 WHERE name <= ?")
            statement.bind(1, copying: noted.last.bytes)
            try statement.run()
            try save(plan)
        }
        taken = nil
    }

    /// Adds names found in a quarantine file up to `sequence`. A name that is there already is
    /// to be fetched once more.
    func addRepairNames(
        _ names: Set<[UInt8]>, until sequence: Sequence
    ) throws(StoreError) {
        try write { () throws(StoreError) in
            let statement = try connection.prepare(
                "INSERT OR REPLACE INTO repair_names VALUES (?, 0)")
            // In order, so that pages are filled one after the other.
            for name in names.sorted(by: { $0.lexicographicallyPrecedes($1) }) {
                statement.bind(1, copying: name)
                try statement.run()
            }
            let progress = try connection.prepare("UPDATE cut_plan SET names_until = ?")
            progress.bind(1, sequence.value)
            try progress.run()
        }
    }

    /// Writes down, in the transaction that ends a cut, what it leaves to be repaired.
    ///
    /// A cut that removes a position at which rows were read takes these rows' history away: every
    /// name is then to be fetched again. Names stay listed until the plan ends for that reason.
    func saveRepair(after cut: CutPlan, quarantine: UInt64) throws(StoreError) {
        let known = try repairPlan()
        guard cut.repairs || known != nil else { return }
        var plan =
            known
            ?? RepairPlan(
                kind: .rejoin, phase: .catchUp, base: nil, consistentFrom: nil, quarantine: nil,
                keepsOld: false, reason: cut.reason, wallMilliseconds: cut.wallMilliseconds)
        // Whatever was loaded before: names that are listed are to be fetched.
        if cut.repairs { plan.kind = .rejoin }
        plan.quarantine = quarantine
        if plan.base.map({ $0.sequence > cut.position.sequence }) ?? true {
            plan.base = cut.position
        }
        try forgetRows(of: &plan, beyond: cut.position.sequence)
        try save(plan)
    }

    /// The same for a log that ends at `sequence`, so that there is nothing to cut off.
    func forgetRows(beyond sequence: Sequence) throws(StoreError) {
        guard var plan = try repairPlan(), plan.kind == .rejoin else { return }
        try write { () throws(StoreError) in
            try forgetRows(of: &plan, beyond: sequence)
            try save(plan)
        }
    }

    private func forgetRows(
        of plan: inout RepairPlan, beyond sequence: Sequence
    ) throws(StoreError) {
        guard let from = plan.consistentFrom, from > sequence else { return }
        plan.consistentFrom = nil
        try connection.execute("UPDATE repair_names SET is_done = 0")
    }

    /// Ends the plan and forgets the names; call it once the table is right for good.
    public func endRepair() throws(StoreError) {
        try write { () throws(StoreError) in
            try connection.execute("DELETE FROM repair_names; DELETE FROM repair_plan")
        }
    }
}
