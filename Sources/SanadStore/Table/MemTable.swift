internal import SanadCore

/// The committed state that is not yet in the record table: the generation that takes new frames,
/// and the one that is being flushed. Guarded by the table's lock.
struct MemTable: Sendable {
    private(set) var active: Generation
    private(set) var frozen: Generation?
    /// What `records.db` holds.
    private(set) var flushed: Position
    /// What `records.db` holds whatever happens to the power: its WAL is synced only by a
    /// checkpoint, and a start does not know when the last one was.
    var durable = Position.origin
    /// Grows when the table's position was set back.
    private(set) var era = 0
    private let bytesMaximum: Int
    private var lastInsert: UInt64 = 0
    private var born: UInt64 = 0
    private var retryAt: UInt64 = 0
    var isFlushRequested = false
    /// Memory has filled up.
    private var isFlushDue = false
    var isRoomWanted = false
    var isStopping = false
    var failure: StoreError?

    /// What the flush thread does next.
    enum Step: Sendable {
        /// Somebody asked for it, and waits perhaps, or it is simply due.
        case flush(Generation, isAwaited: Bool)
        case wait(nanoseconds: UInt64?)
        case stop
    }

    /// What `insert` did.
    enum Insertion: Sendable {
        case refused
        case taken
        /// The flush thread has to look again.
        case takenAndWake
    }

    /// Bytes that a stop still flushes; more is left to the next start's replay.
    private static let stopFlushBytes = 16 << 20

    init(applied: Position, bytesMaximum: Int) {
        active = Generation(after: applied)
        flushed = applied
        self.bytesMaximum = bytesMaximum
    }

    var applied: Position { active.end }

    mutating func insert(_ frame: Frame, now: UInt64) -> Insertion {
        if frame.header.last <= applied.sequence { return .taken }
        precondition(
            frame.header.first == applied.sequence.next, "frames are inserted in log order")
        guard failure?.isFatal != true else { return .refused }
        let size = Generation.estimate(frame)
        var wake = active.isEmpty
        if !active.isEmpty, active.bytes + size > bytesMaximum / 2 {
            if frozen == nil {
                freeze()
                wake = true
            } else if active.bytes + size + (frozen?.bytes ?? 0) > bytesMaximum {
                isRoomWanted = true
                return .refused
            }
        }
        if active.isEmpty { born = now }
        lastInsert = now
        active.append(frame)
        return wake ? .takenAndWake : .taken
    }

    /// The newest entry of a name in memory. Valid as long as the lock is held.
    func find(collection: UnsafeRawBufferPointer, key: UnsafeRawBufferPointer) -> MemEntry? {
        let hash = MemEntry.hash(collection: collection, key: key)
        return active.find(collection: collection, key: key, hash: hash)
            ?? frozen?.find(collection: collection, key: key, hash: hash)
    }

    /// Everything after the position `stored`, oldest part first; nil when a part of it has left
    /// for the table in the meantime.
    func parts(after stored: Sequence) -> [Generation.Part]? {
        guard (frozen ?? active).base.sequence <= stored else { return nil }
        return [frozen?.part, active.part].compactMap(\.self)
    }

    /// Decides for the flush thread.
    mutating func nextStep(now: UInt64, idle: UInt64, age: UInt64) -> Step {
        if failure?.isFatal == true { return .stop }
        if let frozen {
            if isStopping, failure != nil { return .stop }
            return now >= retryAt
                ? .flush(frozen, isAwaited: false) : .wait(nanoseconds: retryAt - now)
        }
        if active.isEmpty {
            isFlushRequested = false
            isFlushDue = false
            return isStopping ? .stop : .wait(nanoseconds: nil)
        }
        if isStopping, active.bytes > Self.stopFlushBytes { return .stop }
        let due = min(lastInsert + idle, born + age)
        guard isStopping || isFlushRequested || isFlushDue || now >= due else {
            return .wait(nanoseconds: due - now)
        }
        let isAwaited = isFlushRequested
        isFlushRequested = false
        isFlushDue = false
        return .flush(freeze(), isAwaited: isAwaited)
    }

    /// Whether a generation is still the one to flush.
    func isFrozen(_ generation: Generation) -> Bool { frozen === generation }

    /// Forgets what memory holds: `records.db` is what there is.
    ///
    /// - Parameter position: the position of `records.db`.
    /// - Returns: whether somebody waits for room.
    mutating func reset(to position: Position) -> Bool {
        active = Generation(after: position)
        frozen = nil
        flushed = position
        if durable.sequence > position.sequence { durable = position }
        if failure?.isFatal == false { failure = nil }
        era += 1
        isFlushRequested = false
        isFlushDue = false
        defer { isRoomWanted = false }
        return isRoomWanted
    }

    /// A flushed generation is safe from a power loss.
    mutating func noteDurable(_ position: Position) {
        // Another position: it was set back in between.
        if flushed == position { durable = position }
    }

    /// The frozen generation is in the table.
    ///
    /// - Returns: whether somebody waits for room.
    mutating func finishFlush(_ generation: Generation, now: UInt64) -> Bool {
        guard isFrozen(generation) else { return false }
        flushed = generation.end
        frozen = nil
        failure = nil
        // A generation that filled up during the flush is due at once.
        if active.bytes > bytesMaximum / 2 { isFlushDue = true }
        defer { isRoomWanted = false }
        return isRoomWanted
    }

    /// Keeps the frozen generation for another attempt after a full disk.
    mutating func failFlush(_ error: StoreError, retryAt: UInt64) {
        failure = error
        self.retryAt = retryAt
    }

    @discardableResult
    private mutating func freeze() -> Generation {
        let full = active
        frozen = full
        active = Generation(after: full.end)
        return full
    }
}
