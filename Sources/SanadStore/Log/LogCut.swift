public import SanadCore

// A cut has four steps: the plan is written to node.db; the frames are copied to a quarantine
// file; they are removed from the segments, newest file first; the file is listed and the plan
// ended in one transaction. A crash between any two is resumed at the next start: each step finds
// out by itself whether it was done.
extension SegmentLog {
    /// Moves every frame beyond `position` to a quarantine file, and forgets the reigns that began
    /// there.
    ///
    /// - Returns: the new entry of the quarantine list; nil when nothing lies beyond.
    /// - Throws: `.appliedBeyondFork` when the record table has taken over frames beyond the
    ///   position, `.notABoundary` when the position is not one of this log.
    public func cut(
        after position: Position, reason: String, wallMilliseconds: UInt64
    ) throws(StoreError) -> QuarantineEntry? {
        guard try boundary(at: position.sequence) == position else {
            throw StoreError(
                .notABoundary, operation: "cut the log", path: catalog.directory,
                message: "\(position) is not a boundary of this log")
        }
        guard position != end else { return nil }
        try finishSealing()
        guard applied() <= position.sequence else {
            throw StoreError(
                .appliedBeyondFork, operation: "cut the log", path: catalog.directory,
                message: "the record table has applied \(applied()), beyond \(position.sequence)",
                hint: "the records must be seeded anew from the primary")
        }
        let next = try lookup.read(after: position.sequence, maximumBytes: 1, previous: position)
        let plan = CutPlan(
            position: position, logOffset: next.first?.header.logOffset ?? endOffset,
            wallMilliseconds: wallMilliseconds,
            file: "\(position.sequence.next)-\(end.sequence)-\(end.hash.prefixText)"
                + "-\(wallMilliseconds).quarantine",
            reason: reason)
        try node.begin(plan)
        let entry = try carryOut(plan)
        knownCommitted = min(knownCommitted, position.sequence)
        try openLast()
        return entry
    }

    /// Does what is left of a plan.
    @discardableResult
    func carryOut(_ plan: CutPlan) throws(StoreError) -> QuarantineEntry {
        let path = "\(quarantineDirectory)/\(plan.file)"
        if !Files.exists(path) { try copyFrames(plan, to: path) }
        let entry = try quarantineEntry(plan, path)
        active = nil
        try catalog.gate.exclusive { () throws(StoreError) in try removeFrames(plan) }
        try node.finish(plan, entry)
        return entry
    }

    private func copyFrames(_ plan: CutPlan, to path: String) throws(StoreError) {
        // The file gets its name once it is complete, so a file of that name needs no check.
        let partial = path + ".part"
        try Files.removeDatabase(partial)
        do {
            let connection = try SQLiteConnection(
                path: partial, access: .create, vfs: options.vfs)
            try Pragmas(
                pageBytes: options.segmentPageBytes, synchronous: .full,
                cacheKibibytes: 4 << 10, journalBytesLimit: 0
            ).apply(toWriter: connection)
            try connection.transaction { () throws(StoreError) in
                try connection.execute(SegmentFile.schema)
                let meta = try connection.prepare(
                    "INSERT INTO meta VALUES (1, ?, ?, ?, ?, ?, ?, 1)")
                meta.bind(1, copying: cluster.bytes)
                meta.bind(2, plan.position.sequence.next.value)
                plan.position.bind(to: meta, at: 3)
                meta.bind(6, plan.logOffset)
                try meta.run()
                try FileFormat.segment.mark(connection)
            }
            let insert = try connection.prepare("INSERT INTO frames VALUES (?, ?, ?, ?, ?)")
            var previous = plan.position
            while true {
                let frames = try lookup.read(
                    after: previous.sequence, maximumBytes: Limits.appendBatchBytesMaximum,
                    previous: previous)
                guard let last = frames.last else { break }
                try connection.transaction { () throws(StoreError) in
                    for frame in frames {
                        insert.bind(1, frame.header.first.value)
                        insert.bind(2, frame.header.last.value)
                        insert.bind(3, frame.header.epoch.value)
                        insert.bind(4, copying: frame.hash.bytes)
                        insert.bind(5, copying: frame.bytes)
                        try insert.run()
                    }
                }
                _ = try connection.checkpoint(.passive)
                previous = last.position
            }
            _ = try connection.checkpoint(.truncate)
        }
        try Files.rename(partial, to: path)
        try Files.synchronizeDirectory(quarantineDirectory)
    }

    /// Reads back from the finished file what the list says about it.
    private func quarantineEntry(
        _ plan: CutPlan, _ path: String
    ) throws(StoreError) -> QuarantineEntry {
        let connection = try SQLiteConnection(path: path, access: .immutable, vfs: options.vfs)
        let statement = try connection.prepare(
            """
            SELECT min(epoch), max(epoch), min(first), max(last), sum(length(frame)) FROM frames
            """)
        defer { statement.reset() }
        _ = try statement.step()
        return QuarantineEntry(
            number: try node.nextQuarantineNumber(), wallMilliseconds: plan.wallMilliseconds,
            firstEpoch: Epoch(statement.integer(0)), lastEpoch: Epoch(statement.integer(1)),
            first: Sequence(statement.integer(2)), last: Sequence(statement.integer(3)),
            file: plan.file, reason: plan.reason, bytes: statement.integer(4))
    }

    private func removeFrames(_ plan: CutPlan) throws(StoreError) {
        var entries = catalog.entries
        while let last = entries.last, last.first > plan.position.sequence {
            try Files.removeDatabase(catalog.path(last.first))
            entries.removeLast()
        }
        try Files.synchronizeDirectory(catalog.directory)
        if let last = entries.popLast() {
            if let (file, _) = try SegmentFile.open(
                path: catalog.path(last.first), first: last.first, cluster: cluster,
                options: options)
            {
                try file.truncate(after: plan.position.sequence)
            }
            entries.append(SegmentCatalog.Entry(first: last.first, isSealed: false))
        }
        catalog.replace(with: entries)
    }

    /// Frames of a quarantine file, in order, for listing and export.
    public func readQuarantine(
        _ entry: QuarantineEntry, after sequence: Sequence, maximumBytes: Int
    ) throws(StoreError) -> [Frame] {
        let path = "\(quarantineDirectory)/\(entry.file)"
        let connection = try SQLiteConnection(path: path, access: .immutable, vfs: options.vfs)
        let statement = try connection.prepare(
            "SELECT first, last, epoch, hash, frame FROM frames WHERE first > ? ORDER BY first")
        defer { statement.reset() }
        statement.bind(1, sequence.value)
        var frames: [Frame] = []
        var bytes = 0
        while frames.isEmpty || bytes < maximumBytes, try statement.step() {
            let frame = try FrameRow.decode(statement, path: path)
            bytes += frame.bytes.count
            frames.append(frame)
        }
        return frames
    }

    /// Deletes a quarantine file that the operator no longer needs.
    public func discardQuarantine(_ entry: QuarantineEntry) throws(StoreError) {
        try Files.removeDatabase("\(quarantineDirectory)/\(entry.file)")
        try Files.synchronizeDirectory(quarantineDirectory)
        try node.removeQuarantine(number: entry.number)
    }
}
