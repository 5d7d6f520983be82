internal import SanadCore

/// One store: what survives the end of a process, all of it durable.
struct Disk {
    /// The record table as it was written last, with the position that it has.
    struct Table {
        var rows = RecordTable()
        var applied = Sequence.zero
        var offset: UInt64 = 0
    }

    /// A repair that was begun, so that it goes on after a restart.
    enum Plan {
        case rejoin(names: [Int], consistentFrom: Sequence)
        case seed(base: Position?, cursor: [UInt8]?, isLoaded: Bool, consistentFrom: Sequence)
    }

    var identity: StoreIdentity
    var record: ClusterRecord
    var history: [EpochEntry] = []
    /// The log continues this.
    var base = Position.origin
    var baseOffset: UInt64 = 0
    var frames: [Frame] = []
    var table = Table()
    var plan: Plan?
    var fence: String?
    var epochAsked = Epoch.zero
    var conflict: String?
    /// Frames that were cut off, by their hash.
    var quarantine: Set<ChainHash> = []
    var quarantinedTransactions: UInt64 = 0

    init(identity: StoreIdentity, cluster: Identifier) {
        self.identity = identity
        record = .initial(cluster: cluster)
    }

    /// Nothing was ever written, and nothing is waited for.
    var isFresh: Bool { plan == nil && end == .origin }

    var end: Position { frames.last?.position ?? base }
    var endOffset: UInt64 { frames.last?.header.logEnd ?? baseOffset }

    /// What a replica is told when it starts on this store.
    var recovered: RecoveredState {
        let known = frames.map(\.header.committed).max() ?? .zero
        let committed = max(table.applied, min(known, end.sequence))
        let repair: StoreRepair? =
            switch plan {
            case nil: nil
            case .rejoin(let names, let from):
                .rejoin(namesLeft: !names.isEmpty, consistentFrom: from)
            case .seed(let base, let cursor, let isLoaded, let from):
                .seed(base: base, cursor: cursor, isLoaded: isLoaded, consistentFrom: from)
            }
        return RecoveredState(
            record: record, history: history, logEnd: end, logEndOffset: endOffset,
            logBegin: base.sequence, committed: committed, applied: table.applied,
            repair: repair, fence: fence, conflict: conflict,
            epochAsked: epochAsked)
    }

    /// The frames that begin after `sequence`, up to `bytes` of them and at least one.
    func frames(after sequence: Sequence, bytes: Int) -> [Frame] {
        guard let start = place(after: sequence) else { return [] }
        var sum = 0
        var end = start
        while end < frames.count, sum < bytes {
            sum += frames[end].bytes.count
            end += 1
        }
        return Array(frames[start..<end])
    }

    /// The place of the frame that begins right after `sequence`.
    func place(after sequence: Sequence) -> Int? {
        var low = 0
        var high = frames.count
        while low < high {
            let middle = (low + high) / 2
            if frames[middle].header.first <= sequence { low = middle + 1 } else { high = middle }
        }
        return low < frames.count && frames[low].header.first == sequence.next ? low : nil
    }

    /// The boundary at `sequence`, and the bytes of the log up to there; nil when none is known.
    func boundary(at sequence: Sequence) -> (position: Position, offset: UInt64)? {
        if sequence == base.sequence { return (base, baseOffset) }
        guard sequence > base.sequence, sequence <= end.sequence else { return nil }
        if sequence == end.sequence { return (end, endOffset) }
        guard let next = place(after: sequence), next > 0 else { return nil }
        let frame = frames[next - 1]
        return (frame.position, frame.header.logEnd)
    }

    /// Moves what follows `bound` to quarantine and sets the table back to it, as one change.
    ///
    /// - Parameter applied: how far the table in memory was; records changed after the bound and up
    ///   to there have to be fetched.
    mutating func cut(after bound: Position, applied: Sequence) {
        let tail = frames.filter { $0.header.first > bound.sequence }
        var names: Set<Int> = []
        for frame in tail where frame.header.first <= applied {
            names.formUnion(RecordTable.keys(of: frame))
        }
        quarantine.formUnion(tail.map(\.hash))
        quarantinedTransactions += tail.reduce(0) { $0 + $1.header.transactionCount }
        frames.removeLast(tail.count)
        if case .rejoin(let left, let from) = plan {
            plan = .rejoin(names: Set(left).union(names).sorted(), consistentFrom: from)
        } else if applied > bound.sequence {
            plan = .rejoin(names: names.sorted(), consistentFrom: bound.sequence)
        }
        if table.applied > bound.sequence {
            table.applied = bound.sequence
            table.offset = endOffset
        }
    }

    /// Rows as they were at `readAt` take the place of what the table has; the log is replayed over
    /// them from there.
    ///
    /// - Returns: the keys that were replaced.
    mutating func replace(_ rows: [UInt8], readAt: Sequence) -> [Int] {
        if table.applied > readAt { table.applied = readAt }
        return table.rows.replace(rows)
    }

    /// Retention: forgets the frames up to the boundary at `sequence`.
    mutating func trim(upTo sequence: Sequence) {
        guard let (position, offset) = boundary(at: sequence) else { return }
        frames.removeAll { $0.header.last <= sequence }
        base = position
        baseOffset = offset
    }

    var namesLeft: [Int] {
        if case .rejoin(let names, _)? = plan { names } else { [] }
    }
}
