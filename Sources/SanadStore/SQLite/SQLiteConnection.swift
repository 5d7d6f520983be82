internal import CSQLite

/// One connection to one file, used by one thread at a time.
///
/// SQLite 3.40.1 corrupts a file when two connections write or checkpoint it at the same moment,
/// so each file has one connection opened `create` or `readWrite`, and every other one is
/// `readOnly` or `immutable` and never checkpoints.
final class SQLiteConnection {
    enum Access {
        case create
        case readWrite
        case readOnly
        /// For a file that nobody writes any more: no locks, no shared memory, no WAL.
        case immutable
    }

    enum CheckpointMode {
        /// Moves what no reader holds back, without waiting.
        case passive
        /// Moves everything and empties the WAL file; waits for readers.
        case truncate
    }

    let path: String
    private let handle: OpaquePointer

    init(
        path: String, access: Access, vfs: String? = nil, busyTimeoutMilliseconds: Int32 = 5_000
    ) throws(StoreError) {
        self.path = path
        var flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE | SQLITE_OPEN_PRIVATECACHE
        var name = path
        switch access {
        case .create: flags |= SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
        case .readWrite: flags |= SQLITE_OPEN_READWRITE
        case .readOnly: flags |= SQLITE_OPEN_READONLY
        case .immutable:
            flags |= SQLITE_OPEN_READONLY | SQLITE_OPEN_URI
            name = "file:" + Self.escaped(path) + "?immutable=1"
        }
        var opened: OpaquePointer?
        let status = sqlite3_open_v2(name, &opened, flags, vfs)
        guard status == SQLITE_OK, let opened else {
            let error = Self.error(status, opened, "open", path)
            sqlite3_close_v2(opened)
            throw error
        }
        handle = opened
        sqlite3_busy_timeout(handle, busyTimeoutMilliseconds)
        _ = sanad_sqlite_defend(handle)
        if access == .readOnly || access == .immutable {
            _ = sanad_sqlite_never_checkpoint_on_close(handle)
        }
    }

    deinit {
        // Statements hold the connection, so they are gone by now.
        sqlite3_close_v2(handle)
    }

    /// Runs statements that return nothing of interest.
    func execute(_ sql: String) throws(StoreError) {
        let status = sqlite3_exec(handle, sql, nil, nil, nil)
        guard status == SQLITE_OK else { throw error(status, sql) }
    }

    /// Compiles a statement for repeated use.
    func prepare(_ sql: String) throws(StoreError) -> SQLiteStatement {
        var statement: OpaquePointer?
        let status = sqlite3_prepare_v3(
            handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &statement, nil)
        guard status == SQLITE_OK, let statement else { throw error(status, sql) }
        return SQLiteStatement(statement, connection: self, sql: sql)
    }

    /// The integer in the first column of the first row; nil without a row.
    func integer(_ sql: String) throws(StoreError) -> UInt64? {
        let statement = try prepare(sql)
        defer { statement.reset() }
        return try statement.step() ? statement.integer(0) : nil
    }

    /// Runs `body` in one transaction, undone when it throws.
    func transaction<Result>(
        _ body: () throws(StoreError) -> Result
    ) throws(StoreError) -> Result {
        try execute("BEGIN IMMEDIATE")
        do throws(StoreError) {
            let result = try body()
            try execute("COMMIT")
            return result
        } catch {
            rollBack()
            throw error
        }
    }

    /// Ends an open transaction, if SQLite has not already done so.
    func rollBack() {
        if sqlite3_get_autocommit(handle) == 0 {
            // Nothing can be done about a failing rollback: the error that led here is thrown.
            sqlite3_exec(handle, "ROLLBACK", nil, nil, nil)
        }
    }

    /// Moves the WAL into the file.
    ///
    /// - Returns: frames in the WAL that could not be moved because a reader needs them.
    func checkpoint(_ mode: CheckpointMode) throws(StoreError) -> Int {
        var logged: Int32 = 0
        var moved: Int32 = 0
        let number =
            switch mode {
            case .passive: SQLITE_CHECKPOINT_PASSIVE
            case .truncate: SQLITE_CHECKPOINT_TRUNCATE
            }
        let status = sqlite3_wal_checkpoint_v2(handle, nil, number, &logged, &moved)
        guard status == SQLITE_OK else { throw error(status, "checkpoint") }
        return Int(max(0, logged - moved))
    }

    /// The failure of the call that returned `status`.
    func error(_ status: Int32, _ operation: String) -> StoreError {
        Self.error(status, handle, operation, path)
    }

    private static func error(
        _ status: Int32, _ handle: OpaquePointer?, _ operation: String, _ path: String
    ) -> StoreError {
        let text = handle.flatMap { sqlite3_errmsg($0) } ?? sqlite3_errstr(status)
        let message = text.map { String(cString: $0) } ?? "unknown failure"
        let code: StoreError.Code
        var hint = ""
        switch status & 0xFF {
        case SQLITE_CORRUPT, SQLITE_NOTADB:
            code = .corrupt
            hint = "keep the file, and reseed this node from its peer"
        case SQLITE_FULL:
            code = .diskFull
            hint = "free disk space; nothing was changed"
        case SQLITE_BUSY, SQLITE_LOCKED: code = .busy
        case SQLITE_IOERR, SQLITE_CANTOPEN, SQLITE_READONLY, SQLITE_NOMEM, SQLITE_PERM:
            code = .io
            hint = "look at the disk and the kernel's log"
        case SQLITE_CONSTRAINT: code = .conflict
        default: code = .misuse
        }
        return StoreError(
            code, operation: operation, path: path, message: message, systemCode: status,
            hint: hint)
    }

    /// A path as SQLite's URI parser reads it back.
    private static func escaped(_ path: String) -> String {
        var text = ""
        for character in path {
            switch character {
            case "%": text += "%25"
            case "?": text += "%3f"
            case "#": text += "%23"
            default: text.append(character)
            }
        }
        return text
    }
}
