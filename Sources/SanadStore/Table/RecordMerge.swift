/// A merge of some runs, in the order of names, one piece after the other.
final class RecordMerge {
    let slots: [Int]
    private let rows: SQLiteStatement
    /// The name from which the next piece goes on.
    private var next: [UInt8] = []

    // Bounds of a piece: what a flush that is due meanwhile has to wait for.
    private let rowsMaximum: Int
    static let bytesMaximum = 8 << 20

    init(
        _ connection: SQLiteConnection, slots: [Int], rowsMaximum: Int
    ) throws(StoreError) {
        self.slots = slots
        self.rowsMaximum = rowsMaximum
        rows = try connection.prepare(RunTables.waiting(in: slots.map(RunTables.name)))
    }

    /// Brings the newest row of each of the next names into the merged table.
    ///
    /// - Returns: true when no name is left.
    func takePiece(upsert: SQLiteStatement, delete: SQLiteStatement) throws(StoreError) -> Bool {
        defer { rows.reset() }
        rows.bind(1, copyingText: next)
        var last: [UInt8]?
        var count = 0
        var bytes = 0
        while try rows.step() {
            let name = rows.buffer(0)
            if let last, name.elementsEqual(last) { continue }
            if count >= rowsMaximum || bytes >= Self.bytesMaximum {
                next = [UInt8](name)
                return false
            }
            last = [UInt8](name)
            count += 1
            bytes += name.count + rows.buffer(3).count
            let statement = rows.isNull(3) ? delete : upsert
            statement.bind(1, borrowingText: name)
            statement.bind(2, rows.integer(1))
            if !rows.isNull(3) {
                statement.bind(3, bits: rows.integer(2))
                statement.bind(4, borrowing: rows.buffer(3))
            }
            try statement.run()
        }
        return true
    }
}
