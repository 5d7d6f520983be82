internal import SanadCore

/// The log and records of a store that was wiped, kept for the operator.
public struct KeptStore: Hashable, Sendable {
    /// The directory's name inside `quarantine/`; it can be inspected as a store.
    public var name: String
    /// Bytes of its files.
    public var bytes: UInt64
}

extension Store {
    /// Decides that the next opening begins with an empty log and empty records, as a new store.
    /// The process is to end and start anew.
    ///
    /// - Parameter keepOld: the files are moved to `quarantine/store-<wallMilliseconds>/`, not
    ///   removed. A plan that says so is not replaced by one that does not.
    public func planReseed(
        keepOld: Bool, reason: String, wallMilliseconds: UInt64
    ) throws(StoreError) {
        try nodeDatabase.write { () throws(StoreError) in
            try nodeDatabase.saveWipe(keepOld, reason, wallMilliseconds)
        }
    }

    /// What the reseed of a store that no process has open puts at stake.
    ///
    /// - Throws: `.locked` when a process has the store open.
    public static func offlineReseedStake(directory: String) throws(StoreError) -> ReseedStake {
        try ReseedStake(try closedDatabase(directory), directory: directory)
    }

    /// The same as `planReseed`, for a store that no process has open, and that may not open at
    /// all; only its `node.db` must be sound. The audit trail gets an entry with what is at stake.
    ///
    /// - Parameters:
    ///   - acceptLoss: empty it also when it may be the only one that has acknowledged writes.
    ///   - actor: who wants it.
    /// - Throws: `.locked` when a process has the store open, `.lastCopy` when nobody accepted
    ///   the loss.
    public static func planReseedOffline(
        directory: String, keepOld: Bool, acceptLoss: Bool, reason: String,
        wallMilliseconds: UInt64, actor: String
    ) throws(StoreError) {
        let database = try closedDatabase(directory)
        let stake = try ReseedStake(database, directory: directory)
        if let danger = stake.danger, !acceptLoss {
            throw StoreError(
                .lastCopy, operation: "plan a reseed", path: directory, message: danger,
                hint: "make sure that the other node is primary and has everything, "
                    + "then accept the loss")
        }
        let epoch = stake.record?.epoch ?? .zero
        try database.write { () throws(StoreError) in
            try database.insertAudit(
                wallMilliseconds, actor, "reseed",
                "epoch \(epoch): \(keepOld ? reason : reason + " (nothing kept)") "
                    + "[\(stake.lines.joined(separator: "; "))]")
            try database.saveWipe(keepOld, reason, wallMilliseconds)
        }
    }

    private static func closedDatabase(_ directory: String) throws(StoreError) -> NodeDatabase {
        let path = directory + "/node.db"
        guard Files.exists(path) else {
            throw StoreError(
                .io, operation: "plan a reseed", path: path, message: "there is no store here",
                hint: "check the data directory")
        }
        return try NodeDatabase(existing: path, lock: try DirectoryLock(directory + "/lock"))
    }

    /// Carries out a planned wipe, before anything of the store but `node.db` is opened.
    static func wipe(
        _ directory: String, _ plan: RepairPlan, _ database: NodeDatabase,
        _ options: StoreOptions, newStore: Identifier
    ) throws(StoreError) {
        let quarantine = directory + "/quarantine"
        try Files.makeDirectory(quarantine)
        try Files.makeDirectory(directory + "/segments")
        let kept = quarantine + "/" + plan.keptName
        if plan.keepsOld {
            try Files.makeDirectory(kept)
            try Files.makeDirectory(kept + "/segments")
            // Without an unfinished repair the old store is a whole one, and can be put back.
            if plan.consistentFrom == nil {
                try database.copyWithoutPlan(to: kept + "/node.db", options)
            }
        }
        // The file before its WAL, as everywhere: half of a database is never opened, since the
        // plan stands until all is gone.
        let segments = try Files.names(in: directory + "/segments").map { "segments/" + $0 }
        let records = ["records.db", "records.db-wal", "records.db-shm", "records.db-journal"]
        for name in segments + records where Files.exists(directory + "/" + name) {
            options.beforeStep()
            if plan.keepsOld {
                try Files.rename(directory + "/" + name, to: kept + "/" + name)
            } else {
                try Files.remove(directory + "/" + name)
            }
        }
        if plan.keepsOld {
            try Files.synchronizeDirectory(kept + "/segments")
            try Files.synchronizeDirectory(kept)
        }
        try Files.synchronizeDirectory(directory + "/segments")
        try Files.synchronizeDirectory(directory)
        options.beforeStep()
        try database.finishWipe(plan, newStore, cut: try unfinishedCut(quarantine, database))
    }

    /// A cut that a wipe overtakes: its file, if complete, may be all that is left of its frames.
    private static func unfinishedCut(
        _ quarantine: String, _ database: NodeDatabase
    ) throws(StoreError) -> QuarantineEntry? {
        guard let plan = try database.cutPlan() else { return nil }
        let path = quarantine + "/" + plan.file
        try Files.removeDatabase(path + ".part")
        guard Files.exists(path) else { return nil }
        return QuarantineEntry(
            plan, try QuarantineReader(path: path), number: try database.nextQuarantineNumber())
    }

    /// The wiped stores that were kept, oldest first.
    public func keptStores() throws(StoreError) -> [KeptStore] {
        var stores: [KeptStore] = []
        for name in try Files.names(in: log.quarantineDirectory) where Self.isKeptName(name) {
            let path = log.quarantineDirectory + "/" + name
            var bytes: UInt64 = 0
            for part in [path, path + "/segments"] where Files.exists(part) {
                for file in try Files.names(in: part) where file != "segments" {
                    bytes += Files.size(part + "/" + file)
                }
            }
            stores.append(KeptStore(name: name, bytes: bytes))
        }
        return stores
    }

    private static func isKeptName(_ name: String) -> Bool {
        name.hasPrefix("store-") && UInt64(name.dropFirst("store-".count)) != nil
    }

    /// Bytes that may still be used of the file system that holds the store.
    public func freeBytes() throws(StoreError) -> UInt64 {
        try Files.freeBytes(log.catalog.directory)
    }
}

extension NodeDatabase {
    /// Call it inside `write`.
    fileprivate func saveWipe(
        _ keepOld: Bool, _ reason: String, _ wallMilliseconds: UInt64
    ) throws(StoreError) {
        // Another wipe that was not carried out yet: its directory may have files already.
        let known = try repairPlan()
        if let known, known.phase == .wipe, known.keepsOld { return }
        // Not nil: a repair was under way, and the records are not those of one moment.
        let unfinished = known.flatMap {
            $0.phase == .wipe ? $0.consistentFrom : $0.consistentFrom ?? .zero
        }
        try save(
            RepairPlan(
                kind: .reseed, phase: .wipe, base: nil, consistentFrom: unfinished,
                quarantine: nil, keepsOld: keepOld, reason: reason,
                wallMilliseconds: wallMilliseconds))
    }

    /// Puts a copy of the database beside a store that is set aside, as that store needs it.
    fileprivate func copyWithoutPlan(
        to path: String, _ options: StoreOptions
    ) throws(StoreError) {
        // A copy of an earlier try may have been cut short.
        try Files.removeDatabase(path)
        try connection.execute("VACUUM INTO '\(path.replacing("'", with: "''"))'")
        let copy = try SQLiteConnection(path: path, access: .create, vfs: options.vfs)
        try copy.execute("DELETE FROM repair_plan")
        try Files.synchronizeFile(path)
    }

    /// The store is empty, and another one: what it knew of its log goes.
    fileprivate func finishWipe(
        _ plan: RepairPlan, _ newStore: Identifier, cut: QuarantineEntry?
    ) throws(StoreError) {
        var plan = plan
        plan.phase = .load
        plan.consistentFrom = nil
        try write { () throws(StoreError) in
            if let cut { try insert(cut) }
            try connection.execute(
                """
                DELETE FROM epoch_history; DELETE FROM cut_plan; DELETE FROM log_base;
                DELETE FROM repair_names;
                """)
            let identity = try connection.prepare("UPDATE identity SET store = ?")
            identity.bind(1, copying: newStore.bytes)
            try identity.run()
            try save(plan)
        }
    }
}
