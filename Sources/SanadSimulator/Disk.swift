internal import SanadCore

/// One store: what survives the end of a process, all of it durable.
struct Disk {
    /// The record table as it was written last, with the position that it has.
    struct Table {
        var rows = RecordTable()
        var applied = Sequence.zero
        var offset: UInt64 = 0
    }

    /// Automatic promotion is off, in true time.
    struct Pause {
        var since: UInt64 = 0
        var until: UInt64 = 0

        /// It stands at that time, whatever the host's clock does.
        func certainlyStands(at time: UInt64) -> Bool {
            since < time && time < until - (until - since) / 50
        }
    }

    /// A repair that was begun, so that it goes on after a restart.
    enum Plan {
        case rejoin(Rejoin)
        case seed(Load)

        /// All rows are there, and a log that is applied up to `reached` makes of them the records
        /// of one moment.
        func isComplete(at reached: Sequence) -> Bool {
            switch self {
            case .rejoin(let rejoin): rejoin.isComplete(at: reached)
            case .seed(let load): load.isLoaded && reached >= load.consistentFrom
            }
        }
    }

    /// All records are taken from the primary, page by page.
    struct Load {
        /// The log goes on from there; nil until the primary has said it.
        var base: Position?
        /// The last name loaded.
        var cursor: [UInt8]?
        var isLoaded = false
        /// The highest position at which a page was read.
        var consistentFrom = Sequence.zero
        /// The reign in which the last page was read.
        var readIn: Epoch?
    }

    /// Records that a cut-off tail had changed are fetched anew.
    struct Rejoin {
        /// The keys of all of them, and whether each is done.
        var names: [Int: Bool] = [:]
        var base: Sequence
        /// Rows were read at the primary up to there.
        var readAt: Sequence?

        var consistentFrom: Sequence { readAt ?? base }

        var left: [Int] { names.filter { !$0.value }.map(\.key).sorted() }

        mutating func finish(_ done: [Int], readAt: Sequence) {
            self.readAt = max(self.readAt ?? readAt, readAt)
            for key in done where names[key] != nil { names[key] = true }
        }

        /// A cut that takes away a position at which rows were read takes the rows' history away.
        mutating func cut(after bound: Sequence, changed: Set<Int>) {
            for key in changed { names[key] = false }
            base = min(base, bound)
            guard let readAt, readAt > bound else { return }
            self.readAt = nil
            names = names.mapValues { _ in false }
        }

        func isComplete(at applied: Sequence) -> Bool {
            left.isEmpty && applied >= max(base, consistentFrom)
        }
    }

    var identity: StoreIdentity
    var record: ClusterRecord
    var history: [EpochEntry] = []
    /// The log continues this.
    var base = Position.origin
    var baseOffset: UInt64 = 0
    var frames: [Frame] = []
    var table = Table()
    /// The table of the last sync: a power loss may take it back to there.
    var synced = Table()
    var plan: Plan?
    var fence: String?
    var epochAsked = Epoch.zero
    var conflict: String?
    var pause = Pause()
    /// Frames that were cut off, by their hash.
    var quarantine: Set<ChainHash> = []
    var quarantinedTransactions: UInt64 = 0

    init(identity: StoreIdentity, cluster: Identifier) {
        self.identity = identity
        record = .initial(cluster: cluster)
    }

    /// What was decided about the cluster and this node stays when a store is emptied: only what it
    /// knew of its log goes.
    mutating func keepDecisions(of other: Disk) {
        record = other.record
        fence = other.fence
        conflict = other.conflict
        epochAsked = other.epochAsked
        pause = other.pause
    }

    /// There are no records, and none are on their way.
    var isVoid: Bool {
        if case .seed(let load)? = plan, load.base == nil { return true }
        return record.primary == nil
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
            case .rejoin(let plan):
                .rejoin(namesLeft: !plan.left.isEmpty, consistentFrom: plan.consistentFrom)
            case .seed(let load):
                .seed(
                    base: load.base, cursor: load.cursor, isLoaded: load.isLoaded,
                    consistentFrom: load.consistentFrom)
            }
        var readIn: Epoch?
        if case .seed(let load)? = plan { readIn = load.readIn }
        return RecoveredState(
            record: record, history: history, logEnd: end, logEndOffset: endOffset,
            logBegin: base.sequence, committed: committed, applied: table.applied,
            repair: repair, rowsEpoch: readIn, fence: fence, conflict: conflict,
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
        if case .rejoin(var known) = plan {
            known.cut(after: bound.sequence, changed: names)
            plan = .rejoin(known)
        } else if applied > bound.sequence {
            var rejoin = Rejoin(base: bound.sequence)
            rejoin.cut(after: bound.sequence, changed: names)
            plan = .rejoin(rejoin)
        }
        if table.applied > bound.sequence {
            table.applied = bound.sequence
            table.offset = endOffset
        }
        synced = table
    }

    /// Retention: forgets the frames up to the boundary at `sequence`.
    mutating func trim(upTo sequence: Sequence) {
        guard let (position, offset) = boundary(at: sequence) else { return }
        frames.removeAll { $0.header.last <= sequence }
        base = position
        baseOffset = offset
    }

    /// The records are right, and stay so after a power loss.
    var isRepairComplete: Bool { plan?.isComplete(at: synced.applied) ?? true }

    var namesLeft: [Int] {
        if case .rejoin(let plan)? = plan { plan.left } else { [] }
    }
}
