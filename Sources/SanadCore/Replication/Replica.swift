/// One node's decisions: who is primary, what is committed, what goes to the peer.
///
/// It is pure: `step` takes what happened and the time, changes the value, and says what to do, in
/// the order in which it must be done. It has no clock, thread, file or socket. One thread owns it.
public struct Replica: Sendable {
    public let options: ReplicaOptions

    public internal(set) var role = Role.unconfirmed
    public internal(set) var record: ClusterRecord
    public internal(set) var history: [EpochEntry]

    /// The log's end, with frames whose append is under way.
    public internal(set) var logEnd: Position
    public internal(set) var logEndOffset: UInt64
    public internal(set) var durable: Position
    public internal(set) var durableOffset: UInt64
    public internal(set) var committed: Sequence
    public internal(set) var applied: Sequence
    public internal(set) var appliedOffset: UInt64

    public internal(set) var lease = Lease()
    public internal(set) var grant: Grant
    /// Why this node may neither serve nor be promoted; nil when all is well.
    public internal(set) var storeProblem: String?

    /// When the last sign of life of the peer came.
    public internal(set) var peerHeard: Instant?
    /// As a standby: what the primary said of itself last.
    public internal(set) var primaryMarks: Heartbeat?
    public internal(set) var lagClock = LagClock()

    /// How far the standby was durable when it was heard last; stays when the link is gone, so that
    /// what could be lost is known then too. Nil while unknown.
    public internal(set) var standbyMark: StandbyMark?

    var link = LinkPhase.down
    var shipper: Shipper
    var proposal: Proposal?
    var boundaryQuestion: BoundaryQuestion?
    /// From here on every acknowledgement needs both sites, though the record does not say so yet.
    var isJoining = false
    var isFollowing = false
    var heartbeatDue = Instant.zero
    /// When the standby has to be told of a commit that no frame has carried.
    var commitNoticeDue = Instant.never
    var reportedAppliedOffset: UInt64 = 0
    /// Log bytes up to `committed`, as a primary: bounds what is written and not acknowledged.
    var committedOffset: UInt64 = 0
    /// As a standby: what the primary called committed; it may be ahead of what is durable here.
    var committedByPrimary = Sequence.zero

    public struct StandbyMark: Sendable, Equatable {
        public var durable: Sequence
        public var offset: UInt64
    }

    enum LinkPhase: Sendable {
        case down
        case greeting(since: Instant)
        case open(Hello)
    }

    struct Proposal: Sendable {
        enum Purpose: Sendable, Equatable {
            case takeRole(reason: String)
            case join
        }

        var record: ClusterRecord
        var purpose: Purpose
    }

    enum BoundaryQuestion: Sendable {
        /// A standby looks for the primary's bound in its own log.
        case fork(Position)
        /// A primary looks for the standby's end in its own log.
        case resume(Position)
    }

    public init(options: ReplicaOptions, recovered: RecoveredState, now: Now) {
        self.options = options
        record = recovered.record
        history = recovered.history
        logEnd = recovered.logEnd
        logEndOffset = recovered.logEndOffset
        durable = recovered.logEnd
        durableOffset = recovered.logEndOffset
        committed = recovered.committed
        applied = recovered.applied
        appliedOffset = recovered.logEndOffset
        grant = Grant(startedAt: now.instant, wait: options.timing.grantWait)
        shipper = Shipper(windowBytes: options.windowBytes)
    }

    /// Takes one input and appends what has to be done.
    public mutating func step(_ input: Input, now: Now, into effects: inout [Effect]) {
        switch input {
        case .tick: break
        case .linkUp: greet(now, &effects)
        case .linkDown: linkWentDown(&effects)
        case .message(let message):
            peerHeard = now.instant
            receive(message, now, &effects)
        case .frame(let frame):
            peerHeard = now.instant
            follow(frame, &effects)
        case .submitted(let frame): submitted(frame, now, &effects)
        case .appended(let position, let offset): appended(position, offset, &effects)
        case .applied(let sequence, let offset): didApply(sequence, offset, &effects)
        case .logRead(let frames): shipper.logRead(frames, into: &effects)
        case .boundary(let position, let offset): answer(position, offset, now, &effects)
        case .logCut(let offset): didCut(offset, &effects)
        case .promote(let acceptLoss, let reason):
            promoteByOperator(acceptLoss: acceptLoss, reason: reason, now, &effects)
        case .storeFailed(let problem): storeFailed(problem, &effects)
        }
        advance(now, &effects)
    }

    /// What follows from the new state whatever the input was.
    private mutating func advance(_ now: Now, _ effects: inout [Effect]) {
        promoteIfDue(now, &effects)
        closeQuietLink(now, &effects)
        guard role == .primary else { return }
        joinIfReady(now, &effects)
        advanceCommit(now, &effects)
        beatIfDue(now, &effects)
        if now.instant >= commitNoticeDue {
            commitNoticeDue = .never
            if shipper.isFollowed { effects.append(.send(.commit(committed))) }
        }
        pump(&effects)
    }

    /// The instant at which a `tick` is due if nothing else happens before.
    public var nextDeadline: Instant {
        let duty: Instant =
            switch role {
            case .primary: min(isLinked ? heartbeatDue : .never, commitNoticeDue)
            case .standby, .unconfirmed: mayPromoteItself ? grant.expires : .never
            }
        return min(duty, linkQuietDeadline)
    }

    /// A link on which nothing was heard for a whole lease is as good as cut: it is closed and
    /// dialled anew.
    private var linkQuietDeadline: Instant {
        switch link {
        case .down: .never
        case .greeting(let since): since + options.timing.lease
        case .open: (peerHeard ?? .zero) + options.timing.lease
        }
    }

    private mutating func closeQuietLink(_ now: Now, _ effects: inout [Effect]) {
        guard now.instant >= linkQuietDeadline else { return }
        link = .down
        effects.append(
            .closeLink(
                reason: "nothing heard from \(options.peer) for "
                    + "\(options.timing.lease.wholeMilliseconds) ms"))
    }

    // MARK: What others may ask

    /// True when an acknowledgement needs a lease: another store could promote itself.
    public var isLeaseNeeded: Bool {
        role == .primary && record.inSync.contains { $0.node != options.identity.node }
    }

    /// True when an acknowledgement needs both sites.
    public var needsStandby: Bool { role == .primary && (isJoining || isLeaseNeeded) }

    public func isWritable(at now: Instant) -> Bool {
        role == .primary && storeProblem == nil && (!isLeaseNeeded || lease.holds(at: now))
    }

    public func admission(at now: Instant) -> Admission {
        guard role == .primary else { return .refused("this node is \(role.rawValue)") }
        if let storeProblem { return .refused(storeProblem) }
        guard isWritable(at: now) else {
            return .refused("the standby has not renewed the lease; no write is acknowledged")
        }
        guard needsStandby else { return .open }
        return logEndOffset < committedOffset + UInt64(options.windowBytes) ? .open : .wait
    }

    public var isLinked: Bool {
        if case .open = link { true } else { false }
    }

    /// `none`, `probing`, `catching-up` or `streaming`, of either role.
    public var replicationState: String {
        if role == .primary {
            return shipper.state == .catchingUp ? "catching-up" : shipper.state.rawValue
        }
        guard isLinked else { return "none" }
        guard isFollowing, let primaryMarks else { return "probing" }
        return logEnd.sequence.value + 1 >= primaryMarks.logEnd.value ? "streaming" : "catching-up"
    }

    public var peerProgress: Progress? { role == .primary ? shipper.progress : nil }

    func report(_ level: Report.Level, _ message: String, _ effects: inout [Effect]) {
        effects.append(.report(Report(level, message)))
    }
}
