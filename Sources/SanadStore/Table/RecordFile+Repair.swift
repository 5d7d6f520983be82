internal import SanadCore

// The rows that come from a peer over what a cut made wrong.
extension RecordFile {
    /// Puts the rows of a page in the place of whatever the table has under their names, durably.
    ///
    /// Sequences do not count here: what the table has may be of a history that was cut off, with
    /// higher numbers. The log that follows the table's position is applied over it by the usual
    /// rule, and has every later change of these records.
    func replace(_ page: RecordPage) throws(StoreError) {
        guard page.kind == .names else {
            throw refusal(.misuse, "a page of a range repairs nothing")
        }
        guard page.position.sequence >= position.sequence else {
            throw refusal(
                .staleRows,
                "rows of \(page.position) came to a table that stands at \(position)")
        }
        var tables: [SQLiteStatement] = []
        for slot in runs.sorted() {
            tables.append(
                try connection.prepare("DELETE FROM \(RunTables.name(slot)) WHERE name = ?1"))
        }
        let delete = try connection.prepare("DELETE FROM records WHERE name = ?1")
        let put = try connection.prepare("INSERT OR REPLACE INTO records VALUES (?1, ?2, ?3, ?4)")
        try durably { () throws(StoreError) in
            try page.forEachRow { row throws(StoreError) in
                for table in tables + (row.value == nil ? [delete] : []) {
                    table.bind(1, borrowingText: row.name)
                    try table.run()
                }
                guard let value = row.value else { return }
                bind(row, value, to: put)
                try put.run()
            }
        }
        try countLoaded(page)
    }

    private func bind(
        _ row: RecordPageRow, _ value: UnsafeRawBufferPointer, to statement: SQLiteStatement
    ) {
        statement.bind(1, borrowingText: row.name)
        statement.bind(2, row.sequence)
        statement.bind(3, bits: row.checksum)
        statement.bind(4, borrowing: value)
    }

    func countLoaded(_ page: RecordPage) throws(StoreError) {
        loadedBytes += page.bytes.count
        if loadedBytes >= Limits.loadCheckpointBytes { _ = try checkpoint() }
    }

    func refusal(_ code: StoreError.Code, _ message: String) -> StoreError {
        StoreError(code, operation: "take rows", path: connection.path, message: message)
    }
}
