public import SanadCore
internal import Synchronization

// What the node thread does to the table beside inserting. Each call takes the file's lock, and so
// waits for a flush or a piece of a merge that is under way.
extension RecordTable {
    /// Forgets what memory holds: it is in the log.
    ///
    /// - Returns: the sequence up to which `records.db` holds the log, from now on `applied`.
    func dropMemory() throws(StoreError) -> Sequence {
        let (position, wanted) = file.withLock { file in
            (file.position, memory.withLock { $0.reset(to: file.position) })
        }
        wake(wanted)
        return position.sequence
    }

    /// Takes the table's position back to `bound`, durably, if it lies beyond, and forgets what
    /// memory holds. The rows stay as they are.
    func rewind(to bound: Position) throws(StoreError) {
        let wanted = try changing { file throws(StoreError) in
            if file.position.sequence > bound.sequence { try file.setPosition(bound) }
            return memory.withLock { $0.reset(to: file.position) }
        }
        wake(wanted)
    }

    /// Brings what was flushed to where a power loss cannot take it back, unless a reader holds it.
    func synchronize() throws(StoreError) {
        try changing { file throws(StoreError) in
            guard try file.checkpoint() else { return }
            memory.withLock { $0.noteDurable(file.position) }
        }
    }

    /// Puts rows fetched from the primary in the place of what the table has under their names,
    /// whatever their sequences are; `synchronizeRows` makes them durable.
    ///
    /// Frames of the log may be inserted before and after it. The table is the state of the log
    /// again once it has applied it up to the position of every such page.
    ///
    /// - Throws: `.staleRows` when the rows were read before `flushedPosition`: what the log
    ///   changed since is in the table already, and they must be read again.
    public func replace(_ page: RecordPage) throws(StoreError) {
        try changing { file throws(StoreError) in try file.replace(page) }
    }

    /// Brings what was replaced to where a power loss cannot take it back, whoever reads the file.
    func synchronizeRows() throws(StoreError) {
        try changing { file throws(StoreError) in try file.synchronizeRows() }
    }

    /// Makes an empty table stand at `base`, and ready for `load`.
    func beginLoad(at base: Position) throws(StoreError) {
        let wanted = try changing { file throws(StoreError) in
            try file.beginLoad(at: base)
            return memory.withLock { memory in
                defer { memory.durable = base }
                return memory.applied == base ? false : memory.reset(to: base)
            }
        }
        wake(wanted)
    }

    /// See `Store.load`; any thread may call it, one at a time.
    ///
    /// - Returns: how far the load has come with it.
    public func load(
        _ page: RecordPage, readIn epoch: Epoch
    ) throws(StoreError) -> LoadProgress {
        try changing { file throws(StoreError) in
            guard memory.withLock({ $0.applied == file.position }) else {
                throw StoreError(
                    .misuse, operation: "load rows", path: path,
                    message: "frames were inserted before the load has ended")
            }
            return try file.load(page, readIn: epoch)
        }
    }

    /// Makes durable what was loaded. Until then a crash may take pages back, together with the cursor
    /// that tells of them.
    ///
    /// - Throws: `.busy` when somebody reads the file: nothing is lost, and it can be tried again.
    public func commitLoad() throws(StoreError) {
        try changing { file throws(StoreError) in try file.commitLoad() }
    }

    /// See `Store.loadProgress`.
    public func loadProgress() throws(StoreError) -> LoadProgress? {
        try changing { file throws(StoreError) in try file.loadProgress() }
    }

    func finishLoad() throws(StoreError) -> LoadProgress {
        try changing { file throws(StoreError) in try file.finishLoad() }
    }

    private func changing<Result: Sendable>(
        _ body: (RecordFile) throws(StoreError) -> Result
    ) throws(StoreError) -> Result {
        do throws(StoreError) {
            return try file.withLock { file throws(StoreError) in try body(file) }
        } catch {
            throw error.code == .io ? error.fatal : error
        }
    }
}
