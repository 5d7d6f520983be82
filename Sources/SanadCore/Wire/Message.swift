/// What two nodes say to each other beside frames. Byte tables: `docs/formats/wire.md`.
public enum Message: Hashable, Sendable {
    /// First message of each side on a new connection.
    case hello(Hello)
    /// The greeting of a program with which this one has no version in common; it is only received.
    case otherProtocol(ProtocolRange)
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
    /// The arbiter has taken this record; the primary passes it on.
    case record(ClusterRecord)
    /// The primary has given up its role; the standby that has everything may take it at once.
    case handOver(HandOver)
    /// The standby will not take the role.
    case handOverRefused(String)
    /// The standby will be gone for a while and asks not to be waited for.
    case leave
    /// No automatic promotion for this long; zero: from now on again.
    case pause(Span)
    /// The standby asks for records that a cut-off tail had changed.
    case fetch([RecordName])
    /// The standby asks for a snapshot, or for the rest of one.
    case seed(SeedRequest)
    /// The snapshot begins, or goes on; pages follow.
    case seeding(Seeding)
    /// The standby has made a page durable.
    case pageTaken
    /// A question to the witness.
    case arbiterRequest(ArbiterRequest)
    /// The witness's answer.
    case arbiterAnswer(ArbiterAnswer)
}

/// Who a node is and what it has.
public struct Hello: Hashable, Sendable {
    public var versions: ProtocolRange
    public var identity: StoreIdentity
    public var record: ClusterRecord
    public var logEnd: Position
    /// Newest last; at most `Limits.historyEntriesMaximum`, reasons left out.
    public var history: [EpochEntry]
    /// True when this node's configuration lets it be the first primary of a new cluster.
    public var isInitialPrimary: Bool
    /// The sender acts as primary at this moment.
    public var isPrimary: Bool
    /// The sender has met a second primary and waits for the operator.
    public var isInConflict: Bool
    /// The sender's lease length and granter's wait, in nanoseconds: both sites must agree on the
    /// arithmetic that keeps them apart.
    public var lease: Span
    public var grantWait: Span
    /// The sender's replication mode, and the loss that it allows a promotion: both sites must agree
    /// on what a listed standby may lack.
    public var mode: ReplicationMode
    public var maxLoss: UInt64
}

/// The protocol versions that a program speaks, both included.
public struct ProtocolRange: Hashable, Sendable {
    public var oldest: UInt16
    public var newest: UInt16

    func overlaps(_ own: ClosedRange<UInt16>) -> Bool {
        newest >= own.lowerBound && oldest <= own.upperBound
    }
}

/// Where the old primary's log ends; its standby must end there too.
public struct HandOver: Hashable, Sendable {
    public var epoch: Epoch
    public var position: Position
}

public struct SeedRequest: Hashable, Sendable {
    /// The base of a snapshot that was begun before; nil when there is none.
    public var base: Position?
    /// The last name that is durable, as the store encodes it; nil before the first page.
    public var cursor: [UInt8]?
}

public struct Seeding: Hashable, Sendable {
    /// The log continues the snapshot from here.
    public var base: Position
    public var offset: UInt64
    /// The reigns up to the base.
    public var history: [EpochEntry]
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
    /// The primary's log holds what follows this; a standby that ends before it has lost its place.
    public var logBegin: Sequence
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

/// A page of records on its way: what the store encoded, and what it is worth.
public struct PagePacket: Hashable, Sendable {
    public enum Purpose: UInt8, Sendable {
        /// The answer to `Message.fetch`.
        case rows = 1
        /// A part of a snapshot.
        case snapshot = 2
    }

    public var purpose: Purpose
    /// The table's state at this sequence; later rows may be newer.
    public var readAt: Sequence
    public var isLast: Bool
    public var rows: [UInt8]

    public init(purpose: Purpose, readAt: Sequence, isLast: Bool, rows: [UInt8]) {
        self.purpose = purpose
        self.readAt = readAt
        self.isLast = isLast
        self.rows = rows
    }
}

/// Why bytes are not a message.
public enum MessageError: Error, Equatable, Sendable {
    case truncated
    case trailingBytes
    case unknownType(UInt8)
    case malformed(String)
}
