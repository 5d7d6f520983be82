public import SanadCore

/// One node's data directory, opened by one process.
///
/// Not thread-safe: the store, `nodeDatabase` and `log` belong to the node thread. `table` and the
/// readers may be used from any thread.
public final class Store {
    public let cluster: Identifier
    public let identity: StoreIdentity
    public let nodeDatabase: NodeDatabase
    public let log: SegmentLog
    public let table: RecordTable

    /// Opens the store, or makes a new one when the directory is missing or empty. A reseed that
    /// was planned begins here: see `RepairPlan`.
    ///
    /// After it, the record table stands at `table.applied`; the frames of the log that follow and
    /// are known to be committed are for the caller to insert, unless rows are being loaded.
    ///
    /// - Throws: `.locked`, `.foreignStore`, `.newerFormat`, `.corrupt`, `.io`, `.diskFull`.
    public static func open(
        directory: String, options: StoreOptions = StoreOptions(), cluster: Identifier,
        node: NodeName, makeStoreIdentifier: @Sendable () -> Identifier
    ) throws(StoreError) -> sending Store {
        try Store(directory, options, cluster, node, makeStoreIdentifier)
    }

    private init(
        _ directory: String, _ options: StoreOptions, _ cluster: Identifier, _ node: NodeName,
        _ makeStoreIdentifier: @Sendable () -> Identifier
    ) throws(StoreError) {
        try Files.makeDirectory(directory)
        let lock = try DirectoryLock(directory + "/lock")
        self.cluster = cluster
        let database = try NodeDatabase(
            path: directory + "/node.db", options: options, cluster: cluster, node: node,
            lock: lock, makeStoreIdentifier: makeStoreIdentifier)
        nodeDatabase = database
        let known = try database.identity(cluster: cluster, node: node)
        if let plan = try database.repairPlan(), plan.phase == .wipe {
            try Self.wipe(directory, plan, database, options, newStore: makeStoreIdentifier())
            identity = try database.identity(cluster: cluster, node: node)
        } else {
            identity = known
        }
        let plan = try database.repairPlan()
        let table = try RecordTable(
            directory: directory, cluster: cluster, options: options, lock: lock,
            isLoading: plan?.kind == .reseed && plan?.phase == .load)
        self.table = table
        do throws(StoreError) {
            try Self.resumeLoad(table, database)
            log = try SegmentLog(
                directory: directory, cluster: cluster, options: options, node: database,
                table: table)
            try table.start()
        } catch {
            table.close()
            throw error
        }
    }

    deinit { table.close() }

    /// Finishes the sealing of segments, stops the flush thread and waits for it. Nothing depends on
    /// this having been called.
    public func close() {
        // What could not be sealed is sealed at the next start.
        try? log.finishSealing()
        table.close()
    }
}
