/// What a node is in its cluster.
///
/// ```
///         the record names another primary
///   unconfirmed ───────────────────────────▶ standby
///        │  ▲                                 │   ▲
/// peer or│  │ two primaries met,       grants │   │ a higher epoch
/// arbiter│  │ hand-over, fence        expired │   │ was met
/// agrees ▼  │                                 ▼   │
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

/// What an operator asks of a replica. `objection(to:at:)` tells first whether it would be done.
public enum OperatorCommand: Hashable, Sendable {
    /// Take the primary role; what the leases demand holds.
    case promote(acceptLoss: Bool)
    /// Hand the primary role over to the standby without losing a write.
    case switchover
    /// Be primary without a lease or anybody's word: the operator knows that the other site is dead.
    case runAlone
    /// Give up the primary role and take none until lifted.
    case fence
    case liftFence
    /// No automatic promotion until then.
    case pause(until: Instant)
    case resume
    /// Of two that were both made primary, give way to the peer.
    case giveWay
    /// Empty this store and fill it from the primary's snapshot.
    case reseed
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
    /// A page of records from the peer, as the store encodes it.
    case page([UInt8])
    case arbiter(ArbiterAnswer)
    /// The arbiter could not be asked.
    case arbiterFailed(sent: Instant, reason: String)
    /// A frame that this primary just encoded after `logEnd`.
    case submitted(Frame)
    /// The log is durable up to here.
    case appended(Position, offset: UInt64)
    /// The record table has this.
    case applied(Sequence, offset: UInt64)
    /// The answer to `Effect.readLog`: consecutive frames, empty when there is nothing to read.
    case logRead([Frame])
    /// Frames up to and with this sequence were removed by retention.
    case logTrimmed(Sequence)
    /// The answer to `Effect.findBoundary`; nil when no frame ends there.
    case boundary(Position?, offset: UInt64)
    /// The answer to `Effect.cutLog`; names of records that the cut-off tail had changed are left.
    case logCut(offset: UInt64, namesLeft: Bool)
    /// The answer to `Effect.readNames`; none: all are fetched.
    case names([RecordName])
    /// The answer to `Effect.readRecords`: a page, the state of the table at `readAt`.
    case recordsRead(session: UInt64, [UInt8], readAt: Sequence)
    /// The answer to `Effect.replaceRecords`.
    case recordsReplaced
    /// The answer to `Effect.openSnapshot`: the log after `base` continues the snapshot.
    case snapshotOpened(session: UInt64, base: Position, offset: UInt64)
    /// The answer to `Effect.readPage`; `last` is the name of its last row.
    case pageRead(
        session: UInt64, [UInt8], last: [UInt8]?, readAt: Sequence, isLast: Bool)
    /// The answer to `Effect.loadPage`: the page is in the table, and the next one follows this
    /// name. A crash may take both back together; `Effect.finishLoad` makes them durable.
    case pageLoaded(cursor: [UInt8]?)
    /// The veto command's answer: nil lets the promotion go on, a reason stops it.
    case vetoAnswered(String?)
    case command(OperatorCommand, reason: String)
    /// The process ends soon: a standby asks to be let go first.
    case stopping
    /// The store can no longer be trusted: step back and take no role.
    case storeFailed(String)
}

/// What a replica wants done, in this order: durable before sent.
public enum Effect: Sendable {
    case send(Message)
    case ship(Frame)
    case shipPage([UInt8])
    case ask(ArbiterRequest)
    /// Append to the log; `Input.appended` follows when it is durable.
    case append(Frame)
    /// Make the record durable before the next effect.
    case persist(ClusterRecord)
    /// Remember that this epoch was asked for.
    case persistEpoch(Epoch)
    /// Remember, or forget with nil, that the operator fenced this node.
    case persistFence(String?)
    /// Remember until when automatic promotion is off; zero: it is on.
    case persistPause(until: Instant, reason: String)
    /// Remember, or forget with nil, that two primaries met.
    case persistConflict(String?)
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
    /// The names that a cut-off tail changed, the next of them; `Input.names` follows.
    case readNames(limit: Int)
    /// Read these records from the table; `Input.recordsRead` follows, with the same session, which
    /// is the number of the link: an answer that comes on a later one has no meaning there.
    case readRecords(session: UInt64, [RecordName])
    /// Put the page's rows in place of what the table has, and take their names off the list;
    /// neither when they were read before what the table has applied. `Input.recordsReplaced`
    /// follows.
    case replaceRecords([UInt8], readAt: Sequence)
    /// Fix where the log continues a snapshot that begins now; `Input.snapshotOpened` follows.
    case openSnapshot(session: UInt64)
    /// Read the snapshot's page after this name; `Input.pageRead` follows.
    case readPage(session: UInt64, after: [UInt8]?)
    /// Begin to fill the emptied store.
    case beginLoad(base: Position, offset: UInt64, history: [EpochEntry])
    /// Write a page of the snapshot, read in that reign; `Input.pageLoaded` follows.
    case loadPage([UInt8], readAt: Sequence, epoch: Epoch)
    /// All pages are there; the table is consistent once it has applied this.
    case finishLoad(consistentFrom: Sequence)
    /// The repair is over: forget its plan.
    case endRepair
    /// Empty this store, and start anew.
    case emptyStore(keepingOld: Bool, reason: String)
    case closeLink(reason: String)
    /// One of the two sides will not work with the other; counted, the reason is in a report or in
    /// `closeLink`.
    case peerRefused
    /// May this node promote itself? `Input.vetoAnswered` follows.
    case askVeto(reason: String)
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
    /// The window to the standby is full, or the role is being handed over: wait, the queue in
    /// front bounds it.
    case wait
    case refused(String)
}
