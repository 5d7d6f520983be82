/// Whether an acknowledgement needs the standby.
public enum ReplicationMode: String, Sendable {
    case sync
    case async
}

/// The time rules that keep two primaries apart (DESIGN: lease on the monotonic clock).
public struct Timing: Hashable, Sendable {
    public var heartbeat: Span
    /// How long a grant lasts, counted by the primary from the moment it sent the request.
    public var lease: Span
    /// How long the granter waits, counted from its answer: the lease plus the clocks' drift.
    public var grantWait: Span

    public init(heartbeat: Span, lease: Span, grantWait: Span) {
        self.heartbeat = heartbeat
        self.lease = lease
        self.grantWait = grantWait
    }
}

/// What a replica is told once, at its start.
public struct ReplicaOptions: Sendable {
    public var cluster: Identifier
    public var identity: StoreIdentity
    public var peer: NodeName
    public var mode: ReplicationMode
    /// May be the first primary of a new cluster.
    public var isInitialPrimary: Bool
    /// Promotes itself when its grant has expired; otherwise only an operator promotes.
    public var isFailoverAutomatic: Bool
    public var timing: Timing
    public var windowBytes: Int

    public init(
        cluster: Identifier, identity: StoreIdentity, peer: NodeName, mode: ReplicationMode,
        isInitialPrimary: Bool, isFailoverAutomatic: Bool, timing: Timing,
        windowBytes: Int = Limits.windowBytesDefault
    ) {
        self.cluster = cluster
        self.identity = identity
        self.peer = peer
        self.mode = mode
        self.isInitialPrimary = isInitialPrimary
        self.isFailoverAutomatic = isFailoverAutomatic
        self.timing = timing
        self.windowBytes = windowBytes
    }
}

/// What a replica finds on its disk at its start.
public struct RecoveredState: Sendable {
    public var record: ClusterRecord
    public var history: [EpochEntry]
    public var logEnd: Position
    public var logEndOffset: UInt64
    /// A sequence that is certainly committed: what is applied, or what the log itself says.
    public var committed: Sequence
    public var applied: Sequence

    public init(
        record: ClusterRecord, history: [EpochEntry], logEnd: Position, logEndOffset: UInt64,
        committed: Sequence, applied: Sequence
    ) {
        self.record = record
        self.history = history
        self.logEnd = logEnd
        self.logEndOffset = logEndOffset
        self.committed = committed
        self.applied = applied
    }
}

/// What a node is in its cluster.
///
/// ```
///              peer names another primary
///   unconfirmed ───────────────────────────▶ standby
///        │  ▲                                 │   ▲
///  peer  │  │ two primaries met               │   │ a higher epoch
/// agrees │  │                   grant expired │   │ was met
///        ▼  │                                 ▼   │
///        primary ◀──────────────────────── primary
/// ```
public enum Role: String, Sendable {
    /// Started, and nobody has confirmed yet who is primary. Reads are marked, writes refused.
    case unconfirmed
    case standby
    case primary
}

/// The time of a step: the monotonic clock for decisions, the wall clock for people.
public struct Now: Sendable {
    public var instant: Instant
    public var wallMilliseconds: UInt64

    public init(instant: Instant, wallMilliseconds: UInt64) {
        self.instant = instant
        self.wallMilliseconds = wallMilliseconds
    }
}

/// What happens to a replica.
public enum Input: Sendable {
    /// Time has passed.
    case tick
    /// A connection to the peer stands.
    case linkUp
    case linkDown
    case message(Message)
    /// A frame from the peer.
    case frame(Frame)
    /// A frame that this primary just encoded after `logEnd`.
    case submitted(Frame)
    /// The log is durable up to here.
    case appended(Position, offset: UInt64)
    /// The record table has this.
    case applied(Sequence, offset: UInt64)
    /// The answer to `Effect.readLog`: consecutive frames, empty when there is nothing to read.
    case logRead([Frame])
    /// The answer to `Effect.findBoundary`; nil when no frame ends there.
    case boundary(Position?, offset: UInt64)
    /// The answer to `Effect.cutLog`.
    case logCut(offset: UInt64)
    /// The operator wants this node to be primary.
    case promote(acceptLoss: Bool, reason: String)
    /// The store can no longer be trusted: step back and take no role.
    case storeFailed(String)
}

/// What a replica wants done, in this order: durable before sent.
public enum Effect: Sendable {
    case send(Message)
    case ship(Frame)
    /// Append to the log; `Input.appended` follows when it is durable.
    case append(Frame)
    /// Make the record durable before the next effect.
    case persist(ClusterRecord)
    /// Remember a reign.
    case remember(EpochEntry)
    /// Forget the reigns that began after this sequence; their frames were cut off.
    case forget(after: Sequence)
    /// Everything up to here is committed: apply it, acknowledge it.
    case commit(Sequence)
    /// Read frames after this sequence for a peer that is behind; `Input.logRead` follows.
    case readLog(after: Sequence, bytes: Int)
    /// Look for the frame that ends at this sequence; `Input.boundary` follows.
    case findBoundary(Sequence)
    /// Move the frames after this position to quarantine; `Input.logCut` follows.
    case cutLog(after: Position)
    case closeLink(reason: String)
    /// One of the two sides will not work with the other; counted, the reason is in a report or in
    /// `closeLink`.
    case peerRefused
    case roleChanged(Role, reason: String)
    /// Writes under way have an unknown outcome: this node is no longer primary.
    case abandonWrites(reason: String)
    case report(Report)
}

/// Something worth a line in the log.
public struct Report: Sendable, Equatable {
    public enum Level: String, Sendable { case notice, warning, error }

    public var level: Level
    public var message: String

    public init(_ level: Level, _ message: String) {
        self.level = level
        self.message = message
    }
}

/// Whether the primary takes a write now.
public enum Admission: Sendable, Equatable {
    case open
    /// The window to the standby is full: wait, the queue in front bounds it.
    case wait
    case refused(String)
}
