internal import SanadCore

extension SegmentLog {
    /// Finds the end of the log, finishes a cut that was begun, and verifies what the record table
    /// has not taken over: the work is bounded by the memtable, not by the log.
    func recover() throws(StoreError) {
        catalog.replace(with: try SegmentCatalog.entries(in: catalog.directory))
        try finishInterruptedSealing()
        if let plan = try node.cutPlan() { try carryOut(plan) }
        try openLast()
        if end.sequence < table.applied {
            throw StoreError(
                .corrupt, operation: "open the log", path: catalog.directory,
                message: "it ends at \(end.sequence), before the record table's \(table.applied)",
                hint: "segment files are missing; reseed this node from its peer")
        }
        try verifyTail()
    }

    /// Seals the segments before the newest one whose sealing a crash, a full disk or a reader has
    /// kept from its end.
    private func finishInterruptedSealing() throws(StoreError) {
        for entry in catalog.entries.dropLast() where !entry.isSealed {
            guard
                let (file, _) = try SegmentFile.open(
                    path: catalog.path(entry.first), first: entry.first, cluster: cluster,
                    options: options)
            else { continue }
            do throws(StoreError) {
                if try file.seal() { catalog.markSealed(entry.first) }
            } catch  where error.code == .diskFull {
                // Its frames are readable where they are.
            }
        }
    }

    /// Opens the newest segment, and learns from it where the log ends.
    func openLast() throws(StoreError) {
        active = nil
        while let entry = catalog.last {
            let path = catalog.path(entry.first)
            if let (file, meta) = try SegmentFile.open(
                path: path, first: entry.first, cluster: cluster, options: options),
                let frame = try file.lastFrame()
            {
                end = frame.position
                endOffset = frame.header.logEnd
                file.frameBytes = frame.header.logEnd - meta.logOffset
                knownCommitted = max(knownCommitted, frame.header.committed)
                // A crash may have come between the flag and the checkpoint.
                if meta.isSealed, try file.seal() {
                    catalog.markSealed(entry.first)
                } else {
                    active = file
                }
                return
            }
            // Its creation was cut short, before any frame was acknowledged from it.
            try Files.removeDatabase(path)
            try Files.synchronizeDirectory(catalog.directory)
            catalog.replace(with: catalog.entries.dropLast())
        }
        (end, endOffset) = try node.logBase()
        knownCommitted = end.sequence
    }

    /// Verifies the frames that the record table will be brought up to date from, the last frame
    /// in any case.
    private func verifyTail() throws(StoreError) {
        guard catalog.last != nil else { return }
        let from = min(table.applied, Sequence(end.sequence.value - 1))
        guard let start = try lookup.start(ofFrameAt: max(from, first)) else { return }
        var position: Position?
        var next = Sequence(start.value - 1)
        while next < end.sequence {
            let frames = try lookup.read(
                after: next, maximumBytes: Limits.appendBatchBytesMaximum, previous: position)
            guard let last = frames.last else { break }
            knownCommitted = max(knownCommitted, last.header.committed)
            position = last.position
            next = last.header.last
        }
        guard position == end else {
            throw StoreError(
                .corrupt, operation: "verify the log's tail", path: catalog.directory,
                message: "the chain from \(start) does not reach \(end)",
                hint: "keep the directory, and reseed this node from its peer")
        }
    }
}
