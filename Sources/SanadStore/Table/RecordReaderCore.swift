internal import SanadCore

/// The work of a record reader, for one thread at a time.
final class RecordReaderCore {
    /// Memory and table at one committed position; the connection holds the table's side.
    struct Snapshot {
        var parts: [Generation.Part]
        var position: Position
        var expires: UInt64
    }

    private struct Candidate {
        let entry: UnsafePointer<MemEntry>
        /// Grows with age, so that of two versions the later one is known.
        let order: Int
    }

    private let connection: SQLiteConnection
    private let point: SQLiteStatement
    private let range: SQLiteStatement
    private let applied: SQLiteStatement
    private let begin: SQLiteStatement
    private let commit: SQLiteStatement
    private let snapshotMaximum: Span

    init(path: String, options: StoreOptions) throws(StoreError) {
        connection = try SQLiteConnection(path: path, access: .readOnly, vfs: options.vfs)
        try Pragmas.apply(toReader: connection, cacheKibibytes: 2 << 10)
        point = try connection.prepare(RunTables.point)
        range = try connection.prepare(RunTables.range)
        applied = try connection.prepare("SELECT applied_sequence FROM meta")
        begin = try connection.prepare("BEGIN")
        commit = try connection.prepare("COMMIT")
        snapshotMaximum = options.readTransactionMaximum
    }

    func get(
        _ name: [UInt8]
    ) throws(StoreError) -> (value: [UInt8], sequence: Sequence)? {
        defer { point.reset() }
        point.bind(1, copyingText: name)
        guard try point.step() else { return nil }
        let row = try row(point)
        guard !point.isNull(3) else { return nil }
        return ([UInt8](row.value), row.sequence)
    }

    func sequence(_ name: [UInt8]) throws(StoreError) -> Sequence? {
        defer { point.reset() }
        point.bind(1, copyingText: name)
        return try point.step() && !point.isNull(3) ? Sequence(point.integer(1)) : nil
    }

    /// Takes a consistent view of memory and table.
    func beginSnapshot(_ table: RecordTable) throws(StoreError) -> Snapshot {
        while true {
            let era = table.era
            try begin.run()
            do throws(StoreError) {
                // The first read fixes the state of the table that this transaction sees.
                _ = try applied.step()
                let stored = Sequence(applied.integer(0))
                applied.reset()
                if let (parts, position) = table.parts(after: stored, era: era) {
                    return Snapshot(
                        parts: parts, position: position,
                        expires: Clock.monotonic() + snapshotMaximum.nanoseconds)
                }
                // A flush ended in between: the next look sees its result.
                endSnapshot()
            } catch {
                endSnapshot()
                throw error
            }
        }
    }

    func endSnapshot() {
        range.reset()
        connection.rollBack()
    }

    func list(
        _ snapshot: Snapshot, from: [UInt8], to: [UInt8], limit: Int
    ) throws(StoreError) -> [ListedRecord] {
        var result: [ListedRecord] = []
        var lower = from
        while result.count < limit {
            // Rows of the table first: they bound the names that matter in memory.
            let rows = try rows(lower, to, limit: limit - result.count)
            let isLast = rows.count < limit - result.count
            let upper = isLast ? to : rows.last.map { StoredName.successor($0.name) } ?? to
            merge(rows, newest(snapshot, from: lower, to: upper), limit: limit, into: &result)
            if isLast { break }
            lower = upper
        }
        return result
    }

    func export(
        _ snapshot: Snapshot, from: [UInt8], to: [UInt8], _ body: (RecordView) -> Bool
    ) throws(StoreError) {
        let entries = newest(snapshot, from: from, to: to)
        var index = 0
        var handedOut = 0
        func emit(_ entry: MemEntry) -> Bool {
            guard entry.operation == .put else { return true }
            return body(
                RecordView(
                    collection: entry.collection, key: entry.key,
                    sequence: Sequence(entry.sequence), value: entry.value))
        }
        range.bind(1, copyingText: from)
        range.bind(2, copyingText: to)
        var last: [UInt8] = []
        rows: while try range.step() {
            let name = range.buffer(0)
            // Older rows of the same name, in a run or in the merged table.
            if name.elementsEqual(last) { continue }
            last.removeAll(keepingCapacity: true)
            last.append(contentsOf: name)
            handedOut += 1
            if handedOut % 256 == 0, Clock.monotonic() > snapshot.expires {
                throw StoreError(
                    .snapshotExpired, operation: "export", path: connection.path,
                    message: "the snapshot was held for \(snapshotMaximum.seconds) s",
                    hint: "read faster, one collection at a time, or raise the limit")
            }
            while index < entries.count {
                let order = entries[index].pointee.compareName(stored: name)
                if order > 0 { break }
                guard emit(entries[index].pointee) else { return }
                index += 1
                if order == 0 { continue rows }
            }
            let row = try row(range)
            guard !range.isNull(3) else { continue }
            guard let names = StoredName.split(row.name) else { throw damaged(row.name) }
            let view = RecordView(
                collection: names.collection, key: names.key, sequence: row.sequence,
                value: row.value)
            guard body(view) else { return }
        }
        for entry in entries[index...] {
            guard emit(entry.pointee) else { return }
        }
        // The entries' bytes live as long as the generations that the snapshot holds.
        withExtendedLifetime(snapshot) {}
    }

    private struct Row {
        var name: [UInt8]
        var sequence: Sequence
        /// Nil: the record is deleted.
        var value: [UInt8]?
    }

    private func rows(
        _ lower: [UInt8], _ upper: [UInt8], limit: Int
    ) throws(StoreError) -> [Row] {
        defer { range.reset() }
        range.bind(1, copyingText: lower)
        range.bind(2, copyingText: upper)
        var rows: [Row] = []
        while rows.count < limit, try range.step() {
            if let last = rows.last, range.buffer(0).elementsEqual(last.name) { continue }
            let row = try row(range)
            rows.append(
                Row(
                    name: [UInt8](row.name), sequence: row.sequence,
                    value: range.isNull(3) ? nil : [UInt8](row.value)))
        }
        return rows
    }

    private func merge(
        _ rows: [Row], _ entries: [UnsafePointer<MemEntry>], limit: Int,
        into result: inout [ListedRecord]
    ) {
        var index = 0
        var row = 0
        while result.count < limit, row < rows.count || index < entries.count {
            var order = row < rows.count ? 1 : -1
            if row < rows.count, index < entries.count {
                order = rows[row].name.withUnsafeBytes {
                    entries[index].pointee.compareName(stored: $0)
                }
            }
            if order > 0 {
                let found = rows[row]
                row += 1
                guard let value = found.value else { continue }
                let key = found.name.firstIndex(of: nameSeparator).map { $0 + 1 } ?? 0
                result.append(
                    ListedRecord(
                        key: Array(found.name[key...]), sequence: found.sequence, value: value))
                continue
            }
            let entry = entries[index].pointee
            if entry.operation == .put {
                result.append(
                    ListedRecord(
                        key: [UInt8](entry.key), sequence: Sequence(entry.sequence),
                        value: [UInt8](entry.value)))
            }
            index += 1
            if order == 0 { row += 1 }
        }
    }

    /// The newest entry of each name of a range that memory holds, deletions included, in order.
    private func newest(
        _ snapshot: Snapshot, from: [UInt8], to: [UInt8]
    ) -> [UnsafePointer<MemEntry>] {
        var candidates: [Candidate] = []
        from.withUnsafeBytes { from in
            to.withUnsafeBytes { to in
                var order = 0
                for part in snapshot.parts {
                    part.visit { entry in
                        order += 1
                        guard entry.pointee.compareName(stored: to) < 0,
                            entry.pointee.compareName(stored: from) >= 0
                        else { return }
                        candidates.append(Candidate(entry: entry, order: order))
                    }
                }
            }
        }
        candidates.sort { left, right in
            let order = left.entry.pointee.compareName(right.entry.pointee)
            return order != 0 ? order < 0 : left.order > right.order
        }
        var newest: [UnsafePointer<MemEntry>] = []
        newest.reserveCapacity(candidates.count)
        for candidate in candidates {
            if let last = newest.last, last.pointee.compareName(candidate.entry.pointee) == 0 {
                continue
            }
            newest.append(candidate.entry)
        }
        return newest
    }

    /// The current row, after its checksum was found right.
    private func row(
        _ statement: SQLiteStatement
    ) throws(StoreError) -> (
        name: UnsafeRawBufferPointer, sequence: Sequence, value: UnsafeRawBufferPointer
    ) {
        let name = statement.buffer(0)
        let sequence = statement.integer(1)
        let value = statement.buffer(3)
        guard RowChecksum.of(name, sequence, value) == statement.integer(2) else {
            throw damaged(name)
        }
        return (name, Sequence(sequence), value)
    }

    private func damaged(_ name: UnsafeRawBufferPointer) -> StoreError {
        StoreError(
            .corrupt, operation: "read a record", path: connection.path,
            message: "record \(String(decoding: name, as: UTF8.self)): the checksum does not match",
            hint: "keep the file, and reseed this node from its peer")
    }
}
