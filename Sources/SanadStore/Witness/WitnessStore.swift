public import SanadCore

/// `witness.db`: what a witness must remember across restarts.
///
/// Used by one thread at a time. What a call saved is on the disk when it returns.
///
/// One row: the cluster, the record as `ClusterRecord.encoded` has it, the committed mark, the
/// longest wait, and an XXH64 over all of them, so that a flipped bit is not taken for a vote.
public final class WitnessStore {
    /// The one row.
    public struct State: Hashable, Sendable {
        public var record: ClusterRecord
        public var committed: Sequence
        /// The longest time that a lease of this witness, granted before now, can still run.
        public var longestWait: Span

        public init(record: ClusterRecord, committed: Sequence, longestWait: Span) {
            self.record = record
            self.committed = committed
            self.longestWait = longestWait
        }
    }

    /// What is on the disk.
    public private(set) var state: State
    /// True when this call of `open` made the store: earlier leases, if there were any, are not
    /// known to it.
    public let isNew: Bool

    private let connection: SQLiteConnection
    private let lock: DirectoryLock

    private static let schema = """
        CREATE TABLE witness (
            id INTEGER PRIMARY KEY CHECK (id = 1), cluster BLOB NOT NULL, record BLOB NOT NULL,
            committed INTEGER NOT NULL, longest_wait_ns INTEGER NOT NULL,
            checksum INTEGER NOT NULL) STRICT;
        """

    /// Opens the store, or makes a new one when the directory is missing or has none.
    ///
    /// - Throws: `.locked` when another process has it, `.foreignStore` for another cluster's and
    ///   in a data node's directory, `.newerFormat`, `.corrupt`, `.io`, `.diskFull`.
    public static func open(
        directory: String, cluster: Identifier, options: StoreOptions = StoreOptions()
    ) throws(StoreError) -> sending WitnessStore {
        try WitnessStore(directory, cluster, options)
    }

    private init(
        _ directory: String, _ cluster: Identifier, _ options: StoreOptions
    ) throws(StoreError) {
        try Files.makeDirectory(directory)
        lock = try DirectoryLock(directory + "/lock")
        guard !Files.exists(directory + "/node.db") else {
            throw StoreError(
                .foreignStore, operation: "open the witness's store", path: directory,
                message: "a data node keeps its records here",
                hint: "give the witness a directory of its own")
        }
        let path = directory + "/witness.db"
        connection = try SQLiteConnection(path: path, access: .create, vfs: options.vfs)
        try Pragmas(
            pageBytes: 4_096, synchronous: .full, cacheKibibytes: 128, journalBytesLimit: 1 << 20
        ).apply(toWriter: connection)
        isNew = try FileFormat.witness.check(connection) == nil
        if isNew {
            let first = State(
                record: .initial(cluster: cluster), committed: .zero, longestWait: .zero)
            let connection = connection
            try connection.transaction { () throws(StoreError) in
                try connection.execute(Self.schema)
                try Self.write(first, to: connection)
                try FileFormat.witness.mark(connection)
            }
            try Files.synchronizeDirectory(directory)
        }
        // A later start must not find a large WAL, however this one ended.
        _ = try connection.checkpoint(.truncate)
        state = try Self.read(connection)
        guard state.record.cluster == cluster else {
            throw StoreError(
                .foreignStore, operation: "open the witness's store", path: path,
                message: "it belongs to cluster \(state.record.cluster)",
                hint: "check the data directory and the cluster's id")
        }
    }

    /// Replaces the row.
    ///
    /// - Throws: `.diskFull`, after which nothing has changed; anything else is fatal.
    public func save(_ new: State) throws(StoreError) {
        do throws(StoreError) {
            let connection = connection
            try connection.transaction { () throws(StoreError) in
                try Self.write(new, to: connection)
            }
            state = new
            _ = try connection.checkpoint(.passive)
        } catch {
            throw error.code == .diskFull ? error : error.fatal
        }
    }

    private static func write(
        _ state: State, to connection: SQLiteConnection
    ) throws(StoreError) {
        let statement = try connection.prepare(
            "INSERT OR REPLACE INTO witness VALUES (1, ?, ?, ?, ?, ?)")
        statement.bind(1, copying: state.record.cluster.bytes)
        statement.bind(2, copying: state.record.encoded)
        statement.bind(3, bits: state.committed.value)
        statement.bind(4, bits: state.longestWait.nanoseconds)
        statement.bind(5, bits: checksum(state))
        try statement.run()
    }

    private static func read(_ connection: SQLiteConnection) throws(StoreError) -> State {
        let statement = try connection.prepare("SELECT * FROM witness")
        defer { statement.reset() }
        guard try statement.step() else { throw damaged(connection, "it has no row") }
        let record: ClusterRecord
        do throws(MessageError) {
            record = try ClusterRecord(decoding: statement.bytes(2))
        } catch {
            throw damaged(connection, "the record cannot be read: \(error)")
        }
        let state = State(
            record: record, committed: Sequence(statement.integer(3)),
            longestWait: Span(nanoseconds: statement.integer(4)))
        guard statement.bytes(1) == record.cluster.bytes, statement.integer(5) == checksum(state)
        else { throw damaged(connection, "the checksum is not the row's") }
        return state
    }

    private static func checksum(_ state: State) -> UInt64 {
        var bytes = state.record.encoded
        for word in [state.committed.value, state.longestWait.nanoseconds] {
            withUnsafeBytes(of: word.littleEndian) { bytes.append(contentsOf: $0) }
        }
        return bytes.withUnsafeBytes { XXHash64.hash($0, seed: 0) }
    }

    private static func damaged(_ connection: SQLiteConnection, _ message: String) -> StoreError {
        StoreError(
            .corrupt, operation: "read witness.db", path: connection.path, message: message,
            hint: "move the witness's directory away and start it: the primary gives it the "
                + "record anew")
    }
}
