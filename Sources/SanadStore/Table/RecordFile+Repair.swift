internal import SanadCore

// The rows that come from a peer over what a cut made wrong.
extension RecordFile {
    /// Puts the rows of a page in the place of whatever the table has under their names. The next
    /// transaction that is durable makes them so.
    ///
    /// Sequences do not count here: what the table has may be of a history that was cut off, with
    /// higher numbers. The log that follows the table's position is applied over it by the usual
    /// rule, and has every later change of these records.
    ///
    /// What is written is in proportion to the page: the merged table, of any size, is touched
    /// later, and its rows of these names are hidden until then.
    func replace(_ page: RecordPage) throws(StoreError) {
        guard page.kind == .names else {
            throw refusal(.misuse, "a page of a range repairs nothing")
        }
        try leaveDirectMode()
        guard page.position.sequence >= position.sequence else {
            throw refusal(
                .staleRows,
                "rows of \(page.position) came to a table that stands at \(position)")
        }
        var statements: [SQLiteStatement] = []
        for slot in runs.sorted() {
            statements.append(
                try connection.prepare("DELETE FROM \(RunTables.name(slot)) WHERE name = ?1"))
        }
        let put = try connection.prepare(
            "INSERT OR REPLACE INTO \(RunTables.repaired) VALUES (?1, ?2, ?3, ?4)")
        try connection.transaction { () throws(StoreError) in
            try page.forEachRow { row throws(StoreError) in
                for delete in statements {
                    delete.bind(1, borrowingText: row.name)
                    try delete.run()
                }
                put.bind(1, borrowingText: row.name)
                put.bind(2, row.sequence)
                if let value = row.value {
                    put.bind(3, bits: row.checksum)
                    put.bind(4, borrowing: value)
                } else {
                    // As a deletion in a run has it; the value stays NULL.
                    let nothing = UnsafeRawBufferPointer(start: nil, count: 0)
                    put.bind(3, bits: RowChecksum.of(row.name, row.sequence, nothing))
                }
                try put.run()
            }
        }
        hasRepaired = true
        try countLoaded(page)
    }

    /// Brings everything committed to where a power loss cannot take it back, whoever reads the file.
    ///
    /// SQLite syncs only what a transaction writes, and an update to the same bytes writes nothing.
    /// The page with the file's version is always written.
    func synchronizeRows() throws(StoreError) {
        try durably { () throws(StoreError) in try FileFormat.records.mark(connection) }
    }

    /// Brings a bounded number of the fetched rows into the merged table, in one transaction.
    func mergeRepaired(rowsMaximum: Int) throws(StoreError) {
        let rows = try connection.prepare("SELECT * FROM \(RunTables.repaired) ORDER BY name")
        let put = try connection.prepare("INSERT OR REPLACE INTO records VALUES (?1, ?2, ?3, ?4)")
        let delete = try connection.prepare("DELETE FROM records WHERE name = ?1")
        let finish = try connection.prepare(
            "DELETE FROM \(RunTables.repaired) WHERE name <= ?1")
        let isLast = try connection.transaction { () throws(StoreError) in
            defer { rows.reset() }
            var (count, bytes) = (0, 0)
            var last: [UInt8] = []
            while try rows.step() {
                if count >= rowsMaximum || bytes >= RecordMerge.bytesMaximum {
                    finish.bind(1, copyingText: last)
                    try finish.run()
                    return false
                }
                let name = rows.buffer(0)
                let statement = rows.isNull(3) ? delete : put
                statement.bind(1, borrowingText: name)
                if !rows.isNull(3) {
                    put.bind(2, rows.integer(1))
                    put.bind(3, bits: rows.integer(2))
                    put.bind(4, borrowing: rows.buffer(3))
                }
                try statement.run()
                last = [UInt8](name)
                count += 1
                bytes += name.count + rows.buffer(3).count
            }
            try connection.execute("DELETE FROM \(RunTables.repaired)")
            return true
        }
        hasRepaired = !isLast
    }

    func countLoaded(_ page: RecordPage) throws(StoreError) {
        loadedBytes += page.bytes.count
        if loadedBytes >= Limits.loadCheckpointBytes { _ = try checkpoint() }
    }

    func refusal(_ code: StoreError.Code, _ message: String) -> StoreError {
        StoreError(code, operation: "take rows", path: connection.path, message: message)
    }
}
