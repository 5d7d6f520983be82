/// Whether an acknowledgement needs the standby.
public enum ReplicationMode: String, Sendable {
    case sync
    case async
}

/// What the primary does in `sync` when its standby is lost.
public enum StandbyLossPolicy: String, Sendable {
    /// Goes on alone, after the record says so.
    case degrade
    /// Waits for the standby.
    case block
}

/// Who promotes a standby.
public enum FailoverMode: String, Sendable {
    /// The standby itself.
    case automatic
    /// An operator; the standby says when it would have done it.
    case observe
    /// An operator.
    case manual
}

/// The time rules that keep two primaries apart (DESIGN: lease on the monotonic clock).
public struct Timing: Hashable, Sendable {
    public var heartbeat: Span
    /// How long a grant lasts, counted by the primary from the moment it sent the request.
    public var lease: Span
    /// How long the granter waits, counted from its answer: the lease plus the clocks' drift.
    public var grantWait: Span
    /// How long an in-sync standby may leave a write unconfirmed before the primary degrades.
    public var degradeAfter: Span

    public init(heartbeat: Span, lease: Span, grantWait: Span, degradeAfter: Span? = nil) {
        self.heartbeat = heartbeat
        self.lease = lease
        self.grantWait = grantWait
        self.degradeAfter = degradeAfter ?? lease
    }
}

/// What a replica is told once, at its start.
public struct ReplicaOptions: Sendable {
    public var cluster: Identifier
    public var identity: StoreIdentity
    public var peer: NodeName
    public var mode: ReplicationMode
    public var onStandbyLoss: StandbyLossPolicy
    public var failoverMode: FailoverMode
    /// In `async`, how many acknowledged transactions a standby may lack and still promote itself;
    /// the primary acknowledges no further ahead of a standby that the record lists.
    public var maxLoss: UInt64
    /// A third voice keeps the record; otherwise the two nodes do.
    public var hasArbiter: Bool
    /// May be the first primary of a new cluster.
    public var isInitialPrimary: Bool
    /// A command has to agree before this node promotes itself.
    public var hasVeto: Bool
    public var timing: Timing
    public var windowBytes: Int

    public init(
        cluster: Identifier, identity: StoreIdentity, peer: NodeName, mode: ReplicationMode,
        onStandbyLoss: StandbyLossPolicy = .degrade, failoverMode: FailoverMode = .automatic,
        maxLoss: UInt64 = 0, hasArbiter: Bool = false, isInitialPrimary: Bool,
        hasVeto: Bool = false, timing: Timing, windowBytes: Int = Limits.windowBytesDefault
    ) {
        self.cluster = cluster
        self.identity = identity
        self.peer = peer
        self.mode = mode
        self.onStandbyLoss = onStandbyLoss
        self.failoverMode = failoverMode
        self.maxLoss = maxLoss
        self.hasArbiter = hasArbiter
        self.isInitialPrimary = isInitialPrimary
        self.hasVeto = hasVeto
        self.timing = timing
        self.windowBytes = windowBytes
    }

    /// Acknowledged transactions that a listed standby may lack.
    var lossAllowed: UInt64 { mode == .sync ? 0 : maxLoss }

    /// A standby that keeps up is listed in the record, and may then promote itself.
    var listsStandby: Bool { mode == .sync || maxLoss > 0 }
}

/// A change of the store that was begun and is not finished: the records are not those of one
/// moment.
public enum StoreRepair: Hashable, Sendable {
    /// Records of a cut-off tail are fetched anew; `names` are left to fetch.
    case rejoin(namesLeft: Bool, consistentFrom: Sequence)
    /// The store was emptied and takes a snapshot; nil base: none was begun.
    case seed(base: Position?, cursor: [UInt8]?, isLoaded: Bool, consistentFrom: Sequence)
}

/// What a replica finds on its disk at its start.
public struct RecoveredState: Sendable {
    public var record: ClusterRecord
    public var history: [EpochEntry]
    public var logEnd: Position
    public var logEndOffset: UInt64
    /// The log holds what follows this.
    public var logBegin: Sequence
    /// A sequence that is certainly committed: what is applied, or what the log itself says.
    public var committed: Sequence
    public var applied: Sequence
    public var repair: StoreRepair?
    /// The reign in which the last page of a snapshot was read.
    public var rowsEpoch: Epoch?
    /// The operator took the primary role from this node; the reason.
    public var fence: String?
    /// Two primaries met, and the operator has not chosen yet; what was found.
    public var conflict: String?
    /// The highest epoch that this node ever asked for.
    public var epochAsked: Epoch
    /// How far the standby was when it was last remembered: a lower bound of what it has now.
    public var standbyMark: Replica.StandbyMark?

    public init(
        record: ClusterRecord, history: [EpochEntry], logEnd: Position, logEndOffset: UInt64,
        logBegin: Sequence = .zero, committed: Sequence, applied: Sequence,
        repair: StoreRepair? = nil, rowsEpoch: Epoch? = nil, fence: String? = nil,
        conflict: String? = nil, epochAsked: Epoch = .zero,
        standbyMark: Replica.StandbyMark? = nil
    ) {
        self.record = record
        self.history = history
        self.logEnd = logEnd
        self.logEndOffset = logEndOffset
        self.logBegin = logBegin
        self.committed = committed
        self.applied = applied
        self.repair = repair
        self.rowsEpoch = rowsEpoch
        self.fence = fence
        self.conflict = conflict
        self.epochAsked = epochAsked
        self.standbyMark = standbyMark
    }
}
