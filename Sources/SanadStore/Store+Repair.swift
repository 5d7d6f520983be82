public import SanadCore

// How a store comes back to what the log says: rows fetched after a cut, or all of them.
extension Store {
    /// Whether the records are the state of the log at `table.applied`; a node whose records are
    /// not serves none.
    public func isTableConsistent() throws(StoreError) -> Bool {
        guard let plan = try nodeDatabase.repairPlan() else { return true }
        return try isComplete(plan, at: table.applied)
    }

    private func isComplete(
        _ plan: RepairPlan, at reached: Sequence
    ) throws(StoreError) -> Bool {
        guard plan.phase == .catchUp, let base = plan.base else { return false }
        guard reached >= max(base.sequence, plan.consistentFrom ?? .zero) else { return false }
        return try nodeDatabase.repairNamesLeft() == 0
    }

    /// Takes the answer to a fetch of `nodeDatabase.repairNames`: the rows go into the table, and
    /// with the last of them, or when there are many, they are synced, and the names go off the
    /// list. A kill in between only repeats the fetch.
    ///
    /// - Precondition: the page was read at the primary whose history the log follows now.
    /// - Throws: `.staleRows` when the rows were read before `table.flushedPosition`; the same names
    ///   are to be fetched again once the primary has flushed up to there. `.unexpectedRows` when the
    ///   page answers for other names than the next ones.
    public func repair(with page: RecordPage) throws(StoreError) {
        let names = page.names()
        if page.kind == .names {
            guard !names.isEmpty, try nodeDatabase.repairNames(limit: names.count) == names else {
                throw StoreError(
                    .unexpectedRows, operation: "take rows", path: log.catalog.directory,
                    message: "the page has other records than those that are to be fetched")
            }
        }
        try table.replace(page)
        guard let last = names.last else { return }
        nodeDatabase.noteTaken(page, last: last)
        let isWhole = try nodeDatabase.repairNames(limit: 1).isEmpty
        guard isWhole || (nodeDatabase.taken?.bytes ?? 0) >= Limits.repairSyncBytes else { return }
        log.options.beforeStep()
        try table.synchronizeRows()
        log.options.beforeStep()
        try nodeDatabase.finishTaken()
    }

    /// Ends the plan if the records are right, and stay so after a power loss; call it now and then
    /// once `isTableConsistent()`.
    ///
    /// - Returns: true when there is no plan any more. False while a flush, which it asks for, or a
    ///   reader that holds the WAL is still to end.
    public func endRepairIfComplete() throws(StoreError) -> Bool {
        guard let plan = try nodeDatabase.repairPlan() else { return true }
        guard try isComplete(plan, at: table.applied) else { return false }
        guard try isComplete(plan, at: table.flushedPosition.sequence) else {
            table.requestFlush()
            return false
        }
        if try !isComplete(plan, at: table.durablePosition.sequence) { try table.synchronize() }
        guard try isComplete(plan, at: table.durablePosition.sequence) else { return false }
        try nodeDatabase.endRepair()
        return true
    }

    /// Begins to load rows into a store that was wiped: log and table stand at `base` from now on.
    ///
    /// A call with the `base` of an interrupted load goes on with it. Frames may be appended to the
    /// log at once; they are inserted into the table only after `finishLoad`.
    ///
    /// - Parameters:
    ///   - base: the position of the first page of rows, or an earlier one; the primary must go on
    ///     holding the log after it.
    ///   - offset: bytes of the log up to and with `base`.
    ///   - history: the reigns up to `base`.
    /// - Throws: `.misuse` without a plan to load, `.conflict` when a load from another base has
    ///   begun: plan the reseed anew then.
    public func beginLoad(
        base: Position, offset: UInt64, history: [EpochEntry]
    ) throws(StoreError) {
        var plan = try loadPlan()
        if let begun = plan.base {
            guard begun == base else {
                throw StoreError(
                    .conflict, operation: "begin to load", path: log.catalog.directory,
                    message: "a load from \(begun) has begun, not from \(base)",
                    hint: "plan the reseed anew")
            }
        } else {
            plan.base = base
            try nodeDatabase.write { () throws(StoreError) in
                try nodeDatabase.saveLogBase(base, offset: offset)
                for entry in history { try nodeDatabase.insert(entry) }
                try nodeDatabase.save(plan)
            }
            log.adoptBase(base, offset: offset)
            log.options.beforeStep()
        }
        try table.beginLoad(at: base)
    }

    /// Appends a page of rows, and where the next one follows, in one transaction. It is durable
    /// after `table.commitLoad` or `finishLoad`.
    ///
    /// - Parameter epoch: the primary's reign in which it was read.
    /// - Throws: `.conflict` when it does not follow `loadProgress()`, `.staleRows` when it was read
    ///   before the base.
    public func load(_ page: RecordPage, readIn epoch: Epoch) throws(StoreError) {
        _ = try table.load(page, readIn: epoch)
    }

    /// Where an interrupted load goes on; nil when none has begun.
    public func loadProgress() throws(StoreError) -> LoadProgress? { try table.loadProgress() }

    /// All pages are loaded: from now on frames may be inserted. The plan stays until the table has
    /// applied the log up to the position of every page.
    @discardableResult
    public func finishLoad() throws(StoreError) -> RepairPlan {
        let plan = try loadPlan()
        let progress = try table.finishLoad()
        log.options.beforeStep()
        return try Self.saveLoaded(plan, progress, nodeDatabase)
    }

    private static func saveLoaded(
        _ plan: RepairPlan, _ progress: LoadProgress, _ database: NodeDatabase
    ) throws(StoreError) -> RepairPlan {
        var plan = plan
        plan.phase = .catchUp
        plan.consistentFrom = progress.readAt
        try database.write { () throws(StoreError) in try database.save(plan) }
        return plan
    }

    /// Finishes the beginning, or the end, of a load that was cut short between the two files.
    static func resumeLoad(
        _ table: RecordTable, _ database: NodeDatabase
    ) throws(StoreError) {
        guard let plan = try database.repairPlan(), plan.phase == .load, let base = plan.base else {
            return
        }
        try table.beginLoad(at: base)
        if let progress = try table.loadProgress(), progress.isComplete {
            _ = try saveLoaded(plan, try table.finishLoad(), database)
        }
    }

    private func loadPlan() throws(StoreError) -> RepairPlan {
        guard let plan = try nodeDatabase.repairPlan(), plan.phase == .load else {
            throw StoreError(
                .misuse, operation: "load rows", path: log.catalog.directory,
                message: "this store is not being seeded anew")
        }
        return plan
    }
}
