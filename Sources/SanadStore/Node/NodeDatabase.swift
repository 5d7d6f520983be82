public import SanadCore

/// `node.db`: who this store is, and what its node must remember across restarts.
///
/// Used by the node thread only. What a call saved is on the disk when it returns.
public final class NodeDatabase {
    let connection: SQLiteConnection
    /// Fetched rows that are in the record table, and not yet synced.
    ///
    /// A cut forgets them: their history may go with it, and names may be added before the last one.
    var taken: TakenNames?
    private let lock: DirectoryLock

    /// Opens the file, or makes it for this cluster and node.
    init(
        path: String, options: StoreOptions, cluster: Identifier, node: NodeName,
        lock: DirectoryLock, makeStoreIdentifier: () -> Identifier
    ) throws(StoreError) {
        self.lock = lock
        connection = try Self.connect(path, .create, options)
        if let version = try FileFormat.node.check(connection) {
            try NodeSchema.upgrade(connection, from: version)
        } else {
            let store = makeStoreIdentifier()
            try connection.transaction { () throws(StoreError) in
                try connection.execute(NodeSchema.version1)
                try connection.execute(NodeSchema.upgradeTo2)
                let statement = try connection.prepare("INSERT INTO identity VALUES (1, ?, ?, ?)")
                statement.bind(1, copying: cluster.bytes)
                statement.bind(2, text: node.text)
                statement.bind(3, copying: store.bytes)
                try statement.run()
                try FileFormat.node.mark(connection)
            }
            try Files.synchronizeDirectory(Files.parent(of: path))
        }
        // A later start must not find a large WAL, however this one ended.
        _ = try connection.checkpoint(.truncate)
    }

    /// Opens the file of a store that need not open otherwise.
    ///
    /// - Throws: `.corrupt` when its creation was cut short.
    init(existing path: String, lock: DirectoryLock) throws(StoreError) {
        self.lock = lock
        connection = try Self.connect(path, .readWrite, StoreOptions())
        guard let version = try FileFormat.node.check(connection) else {
            throw StoreError(
                .corrupt, operation: "open node.db", path: path, message: "it holds nothing",
                hint: "start the node: it makes the file anew")
        }
        try NodeSchema.upgrade(connection, from: version)
    }

    private static func connect(
        _ path: String, _ access: SQLiteConnection.Access, _ options: StoreOptions
    ) throws(StoreError) -> SQLiteConnection {
        let connection = try SQLiteConnection(path: path, access: access, vfs: options.vfs)
        try Pragmas(
            pageBytes: 4_096, synchronous: .full, cacheKibibytes: 512, journalBytesLimit: 1 << 20
        ).apply(toWriter: connection)
        return connection
    }

    /// The identity, after checking that the store is this cluster's and this node's.
    func identity(cluster: Identifier, node: NodeName) throws(StoreError) -> StoreIdentity {
        let (found, identity) = try storedIdentity()
        guard found == cluster, identity.node == node else {
            throw StoreError(
                .foreignStore, operation: "open the store", path: connection.path,
                message: "it belongs to node \(identity.node) of cluster \(found)",
                hint: "check the data directory, the node's name and the cluster's id")
        }
        return identity
    }

    /// Whose store this is, whoever asks.
    func identity() throws(StoreError) -> StoreIdentity { try storedIdentity().identity }

    private func storedIdentity() throws(StoreError) -> (
        cluster: Identifier, identity: StoreIdentity
    ) {
        let statement = try connection.prepare("SELECT cluster, node, store FROM identity")
        defer { statement.reset() }
        guard try statement.step(), let name = NodeName(statement.text(1)) else {
            throw damaged("it has no identity")
        }
        return (
            try identifier(statement.buffer(0)),
            StoreIdentity(node: name, store: try identifier(statement.buffer(2)))
        )
    }

    /// The last version of the cluster's record that this node saw.
    public func clusterRecord() throws(StoreError) -> ClusterRecord? {
        let statement = try connection.prepare("SELECT * FROM cluster_record")
        defer { statement.reset() }
        guard try statement.step() else { return nil }
        let members = try connection.prepare("SELECT node, store FROM cluster_in_sync")
        defer { members.reset() }
        var inSync: [StoreIdentity] = []
        while try members.step() {
            guard let node = NodeName(members.text(0)) else { throw damaged("bad node name") }
            inSync.append(StoreIdentity(node: node, store: try identifier(members.buffer(1))))
        }
        return ClusterRecord(
            cluster: try identifier(statement.buffer(1)), version: statement.integer(2),
            epoch: Epoch(statement.integer(3)), primary: NodeName(statement.text(4)),
            inSync: inSync, since: try position(statement, 5))
    }

    /// Replaces the remembered record.
    public func save(_ record: ClusterRecord) throws(StoreError) {
        try write { () throws(StoreError) in
            let statement = try connection.prepare(
                "INSERT OR REPLACE INTO cluster_record VALUES (1, ?, ?, ?, ?, ?, ?, ?)")
            statement.bind(1, copying: record.cluster.bytes)
            statement.bind(2, record.version)
            statement.bind(3, record.epoch.value)
            statement.bind(4, text: record.primary?.text ?? "")
            bind(record.since, statement, 5)
            try statement.run()
            try connection.execute("DELETE FROM cluster_in_sync")
            let member = try connection.prepare("INSERT INTO cluster_in_sync VALUES (?, ?)")
            for store in record.inSync {
                member.bind(1, text: store.node.text)
                member.bind(2, copying: store.store.bytes)
                try member.run()
            }
        }
    }

    /// The reigns that this log went through, oldest first; the last
    /// `Limits.historyEntriesMaximum` of them.
    public func history() throws(StoreError) -> [EpochEntry] {
        let statement = try connection.prepare(
            "SELECT * FROM epoch_history ORDER BY epoch DESC LIMIT ?")
        defer { statement.reset() }
        statement.bind(1, UInt64(Limits.historyEntriesMaximum))
        var entries: [EpochEntry] = []
        while try statement.step() { entries.append(try entry(statement)) }
        return entries.reversed()
    }

    /// Remembers a reign; an equal entry may be there already.
    ///
    /// - Throws: `.conflict` when another entry has this epoch.
    public func append(_ entry: EpochEntry) throws(StoreError) {
        let existing = try connection.prepare("SELECT * FROM epoch_history WHERE epoch = ?")
        existing.bind(1, entry.epoch.value)
        let known = try existing.step() ? try self.entry(existing) : nil
        existing.reset()
        if let known {
            guard known == entry else {
                throw StoreError(
                    .conflict, operation: "append to the history", path: connection.path,
                    message: "epoch \(entry.epoch) is \(known.node)'s from \(known.start)")
            }
            return
        }
        try write { () throws(StoreError) in try insert(entry) }
    }

    /// Call it inside `write`.
    func insert(_ entry: EpochEntry) throws(StoreError) {
        let statement = try connection.prepare(
            "INSERT INTO epoch_history VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
        statement.bind(1, entry.epoch.value)
        statement.bind(2, text: entry.node.text)
        bind(entry.begins, statement, 3)
        bind(entry.start, statement, 6)
        statement.bind(9, entry.wallMilliseconds)
        statement.bind(10, text: entry.reason)
        statement.bind(11, entry.storedOverride)
        try statement.run()
    }

    /// Forgets the reigns whose first frame lies after `sequence`.
    public func removeHistory(after sequence: Sequence) throws(StoreError) {
        try write { () throws(StoreError) in try deleteHistory(after: sequence) }
    }

    func deleteHistory(after sequence: Sequence) throws(StoreError) {
        let statement = try connection.prepare(
            "DELETE FROM epoch_history WHERE start_sequence > ?")
        statement.bind(1, sequence.value)
        try statement.run()
    }

    /// One durable transaction; its WAL is emptied now and then.
    func write(_ body: () throws(StoreError) -> Void) throws(StoreError) {
        do throws(StoreError) {
            try connection.transaction(body)
            _ = try connection.checkpoint(.passive)
        } catch {
            throw error.code == .io ? error.fatal : error
        }
    }

    private func entry(_ statement: SQLiteStatement) throws(StoreError) -> EpochEntry {
        guard let node = NodeName(statement.text(1)) else { throw damaged("bad node name") }
        var entry = EpochEntry(
            epoch: Epoch(statement.integer(0)), node: node, begins: try position(statement, 2),
            start: try position(statement, 5), wallMilliseconds: statement.integer(8),
            reason: statement.text(9))
        entry.takeStoredOverride(statement.integer(10))
        return entry
    }

    func damaged(_ message: String) -> StoreError {
        StoreError(
            .corrupt, operation: "read node.db", path: connection.path, message: message,
            hint: "keep the directory, and reseed this node from its peer")
    }
}
