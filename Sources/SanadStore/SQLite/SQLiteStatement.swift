internal import CSQLite

/// A compiled statement. It keeps its connection open.
final class SQLiteStatement {
    private let handle: OpaquePointer
    private let connection: SQLiteConnection
    private let sql: String

    init(_ handle: OpaquePointer, connection: SQLiteConnection, sql: String) {
        self.handle = handle
        self.connection = connection
        self.sql = sql
    }

    deinit { sqlite3_finalize(handle) }

    func bind(_ index: Int32, _ value: UInt64) {
        precondition(value <= UInt64(Int64.max), "SQLite's integers have 63 bits")
        check(sqlite3_bind_int64(handle, index, Int64(value)))
    }

    /// Binds 64 bits as they are, the highest one as a sign.
    func bind(_ index: Int32, bits: UInt64) {
        check(sqlite3_bind_int64(handle, index, Int64(bitPattern: bits)))
    }

    func bind(_ index: Int32, text: String) {
        check(sanad_sqlite_bind_text_copy(handle, index, text, Int32(text.utf8.count)))
    }

    func bind(_ index: Int32, copying bytes: [UInt8]) {
        guard !bytes.isEmpty else { return check(sqlite3_bind_zeroblob(handle, index, 0)) }
        check(
            bytes.withUnsafeBytes {
                sanad_sqlite_bind_blob_copy(handle, index, $0.baseAddress, Int32($0.count))
            })
    }

    /// Binds bytes as text in which SQLite compares byte by byte, and copies them.
    func bind(_ index: Int32, copyingText bytes: [UInt8]) {
        check(
            bytes.withUnsafeBytes {
                sanad_sqlite_bind_text_copy(
                    handle, index, $0.baseAddress?.assumingMemoryBound(to: CChar.self),
                    Int32($0.count))
            })
    }

    /// Binds bytes that stay where they are until the statement is reset.
    func bind(_ index: Int32, borrowing bytes: UnsafeRawBufferPointer) {
        guard bytes.count > 0 else { return check(sqlite3_bind_zeroblob(handle, index, 0)) }
        check(sqlite3_bind_blob(handle, index, bytes.baseAddress, Int32(bytes.count), nil))
    }

    /// Binds bytes as text that stay where they are until the statement is reset.
    func bind(_ index: Int32, borrowingText bytes: UnsafeRawBufferPointer) {
        check(
            sqlite3_bind_text(
                handle, index, bytes.baseAddress?.assumingMemoryBound(to: CChar.self),
                Int32(bytes.count), nil))
    }

    /// Goes to the next row.
    ///
    /// - Returns: false after the last one.
    func step() throws(StoreError) -> Bool { try outcome(stepStatus()) }

    /// The bare result of a step, for use inside closures that cannot throw.
    func stepStatus() -> Int32 { sqlite3_step(handle) }

    /// What `stepStatus` means; a failure resets the statement.
    func outcome(_ status: Int32) throws(StoreError) -> Bool {
        switch status {
        case SQLITE_ROW: return true
        case SQLITE_DONE: return false
        default:
            let error = connection.error(status, sql)
            reset()
            throw error
        }
    }

    /// Runs a statement that gives no rows, and makes it ready for the next use.
    func run() throws(StoreError) {
        _ = try step()
        reset()
    }

    /// Makes the statement ready for its next use; ends the read transaction it may hold.
    func reset() {
        sqlite3_reset(handle)
        sqlite3_clear_bindings(handle)
    }

    /// Makes the statement ready for its next use with the same values, or with all others.
    func resetKeepingBindings() { sqlite3_reset(handle) }

    func integer(_ column: Int32) -> UInt64 {
        UInt64(bitPattern: sqlite3_column_int64(handle, column))
    }

    func isNull(_ column: Int32) -> Bool { sqlite3_column_type(handle, column) == SQLITE_NULL }

    func text(_ column: Int32) -> String { String(decoding: bytes(column), as: UTF8.self) }

    func bytes(_ column: Int32) -> [UInt8] { [UInt8](buffer(column)) }

    /// The column's bytes, valid until the next step or reset.
    func buffer(_ column: Int32) -> UnsafeRawBufferPointer {
        // The order matters: `column_blob` may convert, and `column_bytes` tells the result.
        let start = sqlite3_column_blob(handle, column)
        return UnsafeRawBufferPointer(
            start: start, count: Int(sqlite3_column_bytes(handle, column)))
    }

    private func check(_ status: Int32) {
        precondition(status == SQLITE_OK, "a bind can only fail on a wrong index or no memory")
    }
}
