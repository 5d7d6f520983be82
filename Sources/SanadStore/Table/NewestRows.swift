/// The newest row of each name, of the merged table and of those that wait beside it.
///
/// One statement over all tables gives the same rows. But it takes every row of the merged table
/// through the ordering of the union, which costs a quarter more with one table beside it, and twice
/// as much with two: nearly all rows are the merged table's alone.
struct NewestRows {
    /// Gives rows of the merged table from the name `?1` on, in the order of names.
    let merged: SQLiteStatement
    /// Gives rows of the other tables from the name `?1` on, in the order of names, of one name
    /// newest first; nil when there are none.
    let waiting: SQLiteStatement?

    /// Calls `body` with the statement that stands on each row, in the order of names, until it
    /// returns false.
    func forEach(
        from name: [UInt8], _ body: (SQLiteStatement) -> Bool
    ) throws(StoreError) {
        merged.bind(1, copyingText: name)
        defer { merged.reset() }
        var hasMerged = try merged.step()
        if let waiting {
            waiting.bind(1, copyingText: name)
            defer { waiting.reset() }
            var passed: [UInt8] = []
            var hasWaiting = try waiting.step()
            while hasWaiting {
                let order = hasMerged ? bytesCompare(merged.buffer(0), waiting.buffer(0)) : 1
                // What waits is newer as a rule, or the same, brought over by a merge that is not
                // done. A row that was loaded from a peer can be newer than the log that follows it.
                let isMergedNext =
                    order < 0 || (order == 0 && merged.integer(1) > waiting.integer(1))
                guard body(isMergedNext ? merged : waiting) else { return }
                if order <= 0 { hasMerged = try merged.step() }
                if order >= 0 { hasWaiting = try next(waiting, &passed) }
            }
        }
        while hasMerged {
            guard body(merged) else { return }
            hasMerged = try merged.step()
        }
    }

    /// Goes on to the next name that waits.
    private func next(
        _ waiting: SQLiteStatement, _ passed: inout [UInt8]
    ) throws(StoreError) -> Bool {
        passed.removeAll(keepingCapacity: true)
        passed.append(contentsOf: waiting.buffer(0))
        while try waiting.step() {
            if !waiting.buffer(0).elementsEqual(passed) { return true }
        }
        return false
    }
}
