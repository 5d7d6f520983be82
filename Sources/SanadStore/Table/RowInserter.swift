internal import SanadCore

/// Adds rows in the order of their names to a table that has none behind the first of them.
///
/// Many rows go to one statement, which finds the end of the table once for all of them. Measured
/// with rows of 200 bytes: a third to a half of the time that a statement for each row takes.
struct RowInserter {
    /// Rows of one statement. With more of them what a statement costs no longer shows.
    static let group = 128

    /// The statements of one table, made once.
    struct Statements {
        fileprivate let many: SQLiteStatement
        fileprivate let one: SQLiteStatement

        init(_ connection: SQLiteConnection, into table: String) throws(StoreError) {
            // OR FAIL: the transaction is undone as a whole, so the statement need not be.
            let start = "INSERT OR FAIL INTO \(table) VALUES (?, ?, ?, ?)"
            many = try connection.prepare(
                start + String(repeating: ", (?, ?, ?, ?)", count: RowInserter.group - 1))
            one = try connection.prepare(start)
        }
    }

    private let many: SQLiteStatement
    private let one: SQLiteStatement
    /// Rows still to come, those of the open group included.
    private var left: Int
    /// The place in its group of the next row.
    private(set) var position = 0

    /// - Parameter count: the rows that will be added.
    init(_ statements: Statements, count: Int) {
        many = statements.many
        one = statements.one
        left = count
    }

    /// Adds a row; without a value, one that says that the record is deleted.
    ///
    /// The bytes are read when their group is full: they must stay as they are until the row with
    /// the same `position` is added, or the last one.
    mutating func add(
        name: UnsafeRawBufferPointer, sequence: UInt64, checksum: UInt64,
        value: UnsafeRawBufferPointer?
    ) throws(StoreError) {
        guard left >= Self.group || position > 0 else {
            bind(to: one, at: 0, name, sequence, checksum, value)
            left -= 1
            return try one.run()
        }
        bind(to: many, at: Int32(4 * position), name, sequence, checksum, value)
        position += 1
        guard position == Self.group else { return }
        position = 0
        left -= Self.group
        try many.run()
    }

    private func bind(
        to statement: SQLiteStatement, at offset: Int32, _ name: UnsafeRawBufferPointer,
        _ sequence: UInt64, _ checksum: UInt64, _ value: UnsafeRawBufferPointer?
    ) {
        statement.bind(offset + 1, borrowingText: name)
        statement.bind(offset + 2, sequence)
        statement.bind(offset + 3, bits: checksum)
        // A parameter that is not bound is NULL.
        if let value { statement.bind(offset + 4, borrowing: value) }
    }
}
