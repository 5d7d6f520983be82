public import SanadCore
internal import Synchronization

/// What memory knows about a record.
public enum MemoryLookup: Equatable, Sendable {
    case value([UInt8], Sequence)
    case deleted
    /// Nothing: the record table has the answer.
    case unknown
}

/// The records: what is committed, in memory and in `records.db`, with the thread that moves it
/// from the one to the other.
///
/// One thread, the node's, inserts; everything else may be called from any thread.
public final class RecordTable: Sendable {
    private struct Callbacks {
        var roomAvailable: @Sendable () -> Void = {}
        var failure: @Sendable (StoreError) -> Void = { _ in }
    }

    let path: String
    let options: StoreOptions
    let memory: Mutex<MemTable>
    let file: Mutex<RecordFile>
    private let points: Mutex<RecordReaderCore?>
    private let callbacks = Mutex(Callbacks())
    private let thread = Mutex<WorkerThread?>(nil)
    private let signal = ThreadSignal()
    private let lock: DirectoryLock

    init(
        directory: String, cluster: Identifier, options: StoreOptions, lock: DirectoryLock,
        isLoading: Bool
    ) throws(StoreError) {
        self.lock = lock
        path = directory + "/records.db"
        self.options = options
        let file = try RecordFile(
            path: path, cluster: cluster, options: options, isLoading: isLoading)
        let applied = file.position
        memory = Mutex(MemTable(applied: applied, bytesMaximum: options.memtableBytes))
        self.file = Mutex(file)
        points = Mutex(nil)
    }

    /// The sequence of the last frame inserted.
    public var applied: Sequence { appliedPosition.sequence }

    /// The boundary after the last frame inserted.
    public var appliedPosition: Position { memory.withLock { $0.applied } }

    /// The boundary up to which `records.db` holds everything; a start replays the log from here.
    public var flushedPosition: Position { memory.withLock { $0.flushed } }

    /// The boundary up to which `records.db` holds everything even after a power loss, which may
    /// take back what `flushedPosition` tells. The log must be kept from here; the origin until
    /// the first flush after a start.
    public var durablePosition: Position { memory.withLock { $0.durable } }

    /// Takes a committed frame, the next one in log order; one that was taken before is ignored.
    ///
    /// - Returns: false when memory is full and the flush has not caught up. The call set with
    ///   `setRoomAvailable` tells when to try again.
    public func insert(_ frame: Frame) -> Bool {
        let now = Clock.monotonic()
        switch memory.withLock({ $0.insert(frame, now: now) }) {
        case .refused: return false
        case .taken: return true
        case .takenAndWake:
            signal.raise()
            return true
        }
    }

    /// Sets what the flush thread calls once there is room after a refused insertion.
    public func setRoomAvailable(_ callback: @escaping @Sendable () -> Void) {
        callbacks.withLock { $0.roomAvailable = callback }
    }

    /// Sets what the flush thread calls when a flush failed. After a fatal error it has stopped,
    /// and the node must exit; after another one (a full disk) it tries again each second.
    public func onFailure(_ callback: @escaping @Sendable (StoreError) -> Void) {
        callbacks.withLock { $0.failure = callback }
    }

    /// Asks for a flush of what is in memory, without waiting for it.
    public func requestFlush() {
        memory.withLock { $0.isFlushRequested = true }
        signal.raise()
    }

    /// The sequence of the transaction that last put a record; nil when there is no such record.
    public func currentSequence(
        collection: UnsafeRawBufferPointer, key: UnsafeRawBufferPointer
    ) throws(StoreError) -> Sequence? {
        let known: (found: Bool, sequence: Sequence?) = memory.withLock {
            guard let entry = $0.find(collection: collection, key: key) else { return (false, nil) }
            return (true, entry.operation == .put ? Sequence(entry.sequence) : nil)
        }
        if known.found { return known.sequence }
        let name = StoredName.of(collection, key)
        return try points.withLock { reader throws(StoreError) in
            if let reader { return try reader.sequence(name) }
            let opened = try RecordReaderCore(path: path, options: options)
            reader = opened
            return try opened.sequence(name)
        }
    }

    /// What memory knows about a record, under a short lock.
    public func lookupInMemory(
        collection: UnsafeRawBufferPointer, key: UnsafeRawBufferPointer
    ) -> MemoryLookup {
        memory.withLock {
            guard let entry = $0.find(collection: collection, key: key) else { return .unknown }
            switch entry.operation {
            case .put: return .value([UInt8](entry.value), Sequence(entry.sequence))
            case .delete: return .deleted
            }
        }
    }

    /// A reader with a connection of its own.
    public func makeReader() throws(StoreError) -> RecordReader { try RecordReader(table: self) }

    /// Pages of records for a peer, over a connection of their own.
    public func makeSnapshotReader() throws(StoreError) -> SnapshotReader {
        try SnapshotReader(path: path, options: options)
    }

    /// Grows when the table's position was set back: what was read before may have been cut off.
    public var era: Int { memory.withLock { $0.era } }

    /// What memory holds beyond `stored`, and the position that it reaches; nil when a flush has
    /// taken a part of it away since `stored` was read in this era, or when another one has begun.
    func parts(
        after stored: Sequence, era: Int
    ) -> (parts: [Generation.Part], position: Position)? {
        memory.withLock { memory in
            guard memory.era == era else { return nil }
            return memory.parts(after: stored).map { ($0, memory.applied) }
        }
    }

    /// Tells whoever waits for room, and lets the flush thread look again.
    func wake(_ isRoomWanted: Bool) {
        if isRoomWanted { callbacks.withLock { $0.roomAvailable }() }
        signal.raise()
    }

    /// Starts the flush thread.
    func start() throws(StoreError) {
        let worker = try WorkerThread(niceness: Limits.tableNiceness) { [self] in runFlushes() }
        thread.withLock { $0 = worker }
    }

    /// Flushes what is cheap, keeps what was loaded, and waits for the flush thread to end.
    func close() {
        memory.withLock { $0.isStopping = true }
        signal.raise()
        let worker = thread.withLock { $0.take() }
        worker?.join()
        // What cannot be kept is asked for again.
        try? file.withLock { file throws(StoreError) in try file.commitLoad() }
    }

    /// Merging begins when no flush was due for this long.
    private static let mergeDelay: UInt64 = 5_000_000_000

    /// Nothing has to be flushed for `nanoseconds`: merges a piece when it is time, else waits.
    private func mergeOrWait(_ nanoseconds: UInt64?, now: UInt64, _ mergeDue: inout UInt64) {
        guard file.withLock({ $0.hasUnmerged }) else {
            signal.wait(nanoseconds: nanoseconds)
            return
        }
        guard now >= mergeDue else {
            signal.wait(nanoseconds: min(nanoseconds ?? .max, mergeDue - now))
            return
        }
        // After a failure, a full disk as a rule, the next try comes later.
        if !mergePiece() { mergeDue = now + Self.mergeDelay }
    }

    func mergePiece() -> Bool {
        do throws(StoreError) {
            try file.withLock { file throws(StoreError) in
                _ = try file.mergePiece()
                _ = try file.checkpoint()
            }
            return true
        } catch {
            report(error)
            return false
        }
    }

    private func runFlushes() {
        var mergeDue: UInt64 = 0
        while true {
            let now = Clock.monotonic()
            let step = memory.withLock {
                $0.nextStep(
                    now: now, idle: options.flushIdle.nanoseconds,
                    age: options.flushAge.nanoseconds)
            }
            switch step {
            case .stop: return
            case .wait(let nanoseconds): mergeOrWait(nanoseconds, now: now, &mergeDue)
            case .flush(let generation, let isAwaited):
                flush(generation, isAwaited)
                mergeDue = Clock.monotonic() + Self.mergeDelay
            }
        }
    }

    private func flush(_ generation: Generation, _ isAwaited: Bool) {
        do throws(StoreError) {
            let isApplied = try file.withLock { file throws(StoreError) in
                // The table may have been set back while this thread waited for the file.
                guard memory.withLock({ $0.isFrozen(generation) }) else { return false }
                // All runs taken: the flush waits for a merge, and writes for the flush.
                while !file.hasFreeRun { _ = try file.mergePiece() }
                try file.apply(generation, isAwaited: isAwaited)
                return true
            }
            guard isApplied else { return }
            // Room first: the checkpoint works on what is already safe.
            let wanted = memory.withLock {
                $0.finishFlush(generation, now: Clock.monotonic())
            }
            if wanted { callbacks.withLock { $0.roomAvailable }() }
            if try file.withLock({ file throws(StoreError) in try file.checkpoint() }) {
                memory.withLock { $0.noteDurable(generation.end) }
            }
        } catch {
            report(error)
        }
    }

    private func report(_ error: StoreError) {
        let failure = error.code == .diskFull ? error : error.fatal
        let isNew = memory.withLock { memory in
            defer { memory.failFlush(failure, retryAt: Clock.monotonic() + 1_000_000_000) }
            return memory.failure == nil
        }
        if isNew { callbacks.withLock { $0.failure }(failure) }
    }
}
