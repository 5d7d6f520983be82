/// What two nodes say to each other beside frames. Byte tables: `docs/formats/wire.md`.
public enum Message: Hashable, Sendable {
    /// First message of each side on a new connection.
    case hello(Hello)
    /// The sender will not go on with this peer; it closes the connection after this.
    case refusal(String)
    /// A change of the cluster record, for the receiver to make durable before it answers.
    case proposal(ClusterRecord)
    /// The answer to a proposal: the record that the answerer now holds, and why not, if refused.
    case proposalAnswer(ProposalAnswer)
    /// The primary of `epoch` asks the standby to follow from the last common frame.
    case lead(Lead)
    /// The standby's log ends here, and everything before is common.
    case resume(Position)
    /// The standby cannot find the common frame, or may not cut what it has beyond it.
    case diverged(String)
    /// The primary's sign of life and request for a grant.
    case heartbeat(Heartbeat)
    /// The standby's sign of life, and grant.
    case heartbeatAnswer(HeartbeatAnswer)
    /// How far the standby is.
    case progress(Progress)
    /// The primary's committed sequence.
    case commit(Sequence)
}

/// Who a node is and what it has.
public struct Hello: Hashable, Sendable {
    /// Protocol versions that the sender speaks, both included.
    public var oldestProtocol: UInt16
    public var newestProtocol: UInt16
    public var identity: StoreIdentity
    public var record: ClusterRecord
    public var logEnd: Position
    /// Newest last; at most `Limits.historyEntriesMaximum`, reasons left out.
    public var history: [EpochEntry]
    /// True when this node's configuration lets it be the first primary of a new cluster.
    public var isInitialPrimary: Bool
    /// The sender's lease length and granter's wait, in nanoseconds: both sites must agree on the
    /// arithmetic that keeps them apart.
    public var lease: Span
    public var grantWait: Span
}

public struct ProposalAnswer: Hashable, Sendable {
    public var version: UInt64
    /// Nil when accepted.
    public var refusal: String?
}

public struct Lead: Hashable, Sendable {
    public var epoch: Epoch
    /// The highest frame boundary that can be common to both logs.
    public var bound: Position
    /// The primary's history, so that the standby's has the same entries.
    public var history: [EpochEntry]
}

public struct Heartbeat: Hashable, Sendable {
    public var epoch: Epoch
    /// The primary's own clock when it sent this; comes back in the answer.
    public var sent: Instant
    public var logEnd: Sequence
    public var logEndOffset: UInt64
    public var committed: Sequence
    /// The standby's lag by the primary's clock, or nil when the primary does not know.
    public var lagNanoseconds: UInt64?
}

public struct HeartbeatAnswer: Hashable, Sendable {
    public var epoch: Epoch
    /// `Heartbeat.sent`, as it came.
    public var echo: Instant
    public var isGranted: Bool
    public var progress: Progress
}

/// The standby's three marks, each a sequence, with log offsets for the last two.
public struct Progress: Hashable, Sendable {
    public var received: Sequence
    public var durable: Sequence
    public var durableOffset: UInt64
    public var applied: Sequence
    public var appliedOffset: UInt64

    public init(
        received: Sequence, durable: Sequence, durableOffset: UInt64, applied: Sequence,
        appliedOffset: UInt64
    ) {
        self.received = received
        self.durable = durable
        self.durableOffset = durableOffset
        self.applied = applied
        self.appliedOffset = appliedOffset
    }
}

/// Why bytes are not a message.
public enum MessageError: Error, Equatable, Sendable {
    case truncated
    case trailingBytes
    case unknownType(UInt8)
    case malformed(String)
}
