public import SanadCore

// A cut has these steps: the plan is written to node.db; the frames are copied to a quarantine
// file; if the record table has applied some of them, the names in them are listed in node.db and
// the table's position goes back to the fork; the frames are removed from the segments, newest
// file first; the file is listed, and the plan ended and what is left to repair written down in one
// transaction. A crash between any two is resumed at the next start: each step finds out by itself
// whether it was done.
extension SegmentLog {
    /// Moves every frame beyond `position` to a quarantine file, and forgets the reigns that began
    /// there.
    ///
    /// With `repairsTable` the table may have taken over frames beyond the position. What of them is
    /// only in memory is dropped with all that memory holds; what is on the disk makes a
    /// `RepairPlan`. Whatever the outcome, the table may stand at an earlier position afterwards:
    /// the caller inserts the log from `RecordTable.applied` on.
    ///
    /// - Returns: the new entry of the quarantine list; nil when nothing lies beyond.
    /// - Throws: `.appliedBeyondFork` when the record table has taken over frames beyond the
    ///   position and may not be repaired, or cannot: then this store is to be seeded anew;
    ///   `.notABoundary` when the position is not one of this log.
    public func cut(
        after position: Position, reason: String, wallMilliseconds: UInt64,
        repairsTable: Bool = false
    ) throws(StoreError) -> QuarantineEntry? {
        guard try boundary(at: position.sequence) == position else {
            throw StoreError(
                .notABoundary, operation: "cut the log", path: catalog.directory,
                message: "\(position) is not a boundary of this log")
        }
        node.taken = nil
        guard position != end else {
            // Rows that a repair has read beyond it are of a history that was given up, all the same.
            try node.forgetRows(beyond: position.sequence)
            return nil
        }
        try finishSealing()
        let repairs = try needsRepair(position.sequence, isAllowed: repairsTable)
        let next = try lookup.read(after: position.sequence, maximumBytes: 1, previous: position)
        let plan = CutPlan(
            position: position, logOffset: next.first?.header.logOffset ?? endOffset,
            wallMilliseconds: wallMilliseconds,
            file: "\(position.sequence.next)-\(end.sequence)-\(end.hash.prefixText)"
                + "-\(wallMilliseconds).quarantine",
            reason: reason, repairs: repairs)
        options.beforeStep()
        try node.begin(plan)
        let entry = try carryOut(plan)
        knownCommitted = min(knownCommitted, position.sequence)
        try openLast()
        return entry
    }

    /// Whether a cut after `sequence` leaves rows in the table that are to be fetched anew.
    private func needsRepair(
        _ sequence: Sequence, isAllowed: Bool
    ) throws(StoreError) -> Bool {
        func refusal(_ message: String) -> StoreError {
            StoreError(
                .appliedBeyondFork, operation: "cut the log", path: catalog.directory,
                message: message, hint: "reseed this node from its peer: 'sanadctl reseed'")
        }
        let plan = try node.repairPlan()
        if let plan, plan.kind == .reseed, plan.phase != .catchUp {
            throw refusal("the records are being loaded from a primary with another history")
        }
        if let plan, plan.kind == .reseed, let from = plan.consistentFrom, from > sequence {
            throw refusal("records were loaded as they were up to \(from), beyond \(sequence)")
        }
        guard table.applied > sequence else { return false }
        guard isAllowed else {
            throw refusal("the record table has applied \(table.applied), beyond \(sequence)")
        }
        return try table.dropMemory() > sequence
    }

    /// Does what is left of a plan.
    @discardableResult
    func carryOut(_ plan: CutPlan) throws(StoreError) -> QuarantineEntry {
        let path = "\(quarantineDirectory)/\(plan.file)"
        options.beforeStep()
        if !Files.exists(path) { try copyFrames(plan, to: path) }
        let reader = try QuarantineReader(path: path, vfs: options.vfs)
        let entry = QuarantineEntry(plan, reader, number: try node.nextQuarantineNumber())
        if plan.repairs {
            try collectNames(plan, reader)
            options.beforeStep()
            try table.rewind(to: plan.position)
        }
        active = nil
        options.beforeStep()
        try catalog.gate.exclusive { () throws(StoreError) in try removeFrames(plan) }
        options.beforeStep()
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
                pageBytes: options.segmentPageBytes, synchronous: .normal,
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
            var copiedBytes = 0
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
                        copiedBytes += frame.bytes.count
                    }
                }
                if copiedBytes >= Limits.loadCheckpointBytes {
                    _ = try connection.checkpoint(.passive)
                    copiedBytes = 0
                }
                previous = last.position
            }
            // This is what syncs the file: a part of it is worth nothing.
            _ = try connection.checkpoint(.truncate)
        }
        try Files.rename(partial, to: path)
        try Files.synchronizeDirectory(quarantineDirectory)
    }

    /// Lists the names of all records that the frames touch, a bounded piece at a time.
    private func collectNames(
        _ plan: CutPlan, _ reader: QuarantineReader
    ) throws(StoreError) {
        var next = plan.namesUntil
        while true {
            let frames = try reader.read(
                after: next, maximumBytes: Limits.appendBatchBytesMaximum)
            guard let last = frames.last else { return }
            var names: Set<[UInt8]> = []
            for frame in frames {
                frame.forEachMutation { _, mutation in
                    names.insert(StoredName.of(mutation.collection, mutation.key))
                }
            }
            options.beforeStep()
            next = last.header.last
            try node.addRepairNames(names, until: next)
        }
    }

    private func removeFrames(_ plan: CutPlan) throws(StoreError) {
        var entries = catalog.entries
        while let last = entries.last, last.first > plan.position.sequence {
            options.beforeStep()
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
}
