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
    /// The log holds what follows this.
    public internal(set) var logBegin: Sequence
    public internal(set) var durable: Position
    public internal(set) var durableOffset: UInt64
    public internal(set) var committed: Sequence
    public internal(set) var applied: Sequence
    public internal(set) var appliedOffset: UInt64

    public internal(set) var lease = Lease()
    public internal(set) var grant: Grant
    /// Why this node may neither serve nor be promoted; nil when all is well.
    public internal(set) var storeProblem: String?
    /// Why an operator took the primary role from this node; nil when it may have it.
    public internal(set) var fence: String?
    /// What was found when two primaries met; nil when the operator has chosen.
    public internal(set) var conflict: String?
    /// A repair of the store that is not finished; until then no records are served or handed out.
    public internal(set) var repair: StoreRepair?
    /// No automatic promotion before this.
    public internal(set) var pausedUntil = Instant.zero
    /// An operator let this primary act without a lease; over as soon as another could take the role.
    public internal(set) var runsAlone = false

    /// When the last sign of life of the peer came.
    public internal(set) var peerHeard: Instant?
    /// As a standby: what the primary said of itself last.
    public internal(set) var primaryMarks: Heartbeat?
    public internal(set) var lagClock = LagClock()

    /// How far the standby was durable when it was heard last; stays when the link is gone, so that
    /// what could be lost is known then too. Nil while unknown.
    public internal(set) var standbyMark: StandbyMark?

    /// The highest epoch that this node ever asked for; none of them may be used again.
    var epochAsked: Epoch
    var link = LinkPhase.down
    /// Counts the links: what was asked for during an earlier one is known by it.
    public internal(set) var session: UInt64 = 0
    var shipper: Shipper
    var arbiter = ArbiterDesk()
    /// A change of the record that the peer was asked to make durable.
    var proposal: Proposal?
    /// A change of the record that this primary asked the arbiter for.
    var change: RecordChange?
    /// This node's way to the primary role, while it is on it.
    var bid: Bid?
    var handOver: HandOverPhase?
    var seeding: SeedSession?
    /// What the peer asked for while this node's own records are being repaired.
    var heldRequest: HeldRequest?
    var boundaryQuestion: BoundaryQuestion?
    /// The reign in which the rows of a repair were read last; nil when this node does not know.
    var rowsEpoch: Epoch?
    /// Pages of a snapshot that the store is writing, and how many of them an older link brought.
    var pagesLoading = 0
    var pagesOfOldLink = 0
    /// From here on every acknowledgement needs both sites, though the record does not say so yet.
    var isJoining = false
    var isFollowing = false
    /// The standby follows as soon as its log's end is durable.
    var isResumeDue = false
    /// On this link the peer has told where the common history ends.
    var isLed = false
    /// As a primary: what this node told of it, and up to where the standby has it durable without
    /// having said so with its progress.
    var leadBound = Position.origin
    var standbyProven = Sequence.zero
    /// What the two told of their logs when they greeted no longer holds.
    var isGreetingStale = false
    var peerLeaves = false
    var heartbeatDue = Instant.zero
    /// When the standby has to be told of a commit that no frame has carried.
    var commitNoticeDue = Instant.never
    /// Since when the listed standby holds a commit back, and at which commit.
    var stall: Stall?
    /// How far the standby was when the primary went on without it although it was linked: it has to
    /// confirm more before it is counted on again.
    var heldBackAt: Sequence?
    /// Nothing is tried towards the primary role before this.
    var retryAt = Instant.zero
    var saidLast: String?
    /// Reigns are on the disk whose first frame a crash took before it was durable.
    private var hasLostReigns: Bool
    /// The time of the step under way, or of the last one.
    var stepped = Instant.zero
    var reportedAppliedOffset: UInt64 = 0
    /// Log bytes up to `committed`, as a primary: bounds what is written and not acknowledged.
    var committedOffset: UInt64 = 0
    /// As a standby: what the primary called committed; it may be ahead of what is durable here.
    var committedByPrimary = Sequence.zero

    public init(options: ReplicaOptions, recovered: RecoveredState, now: Now) {
        self.options = options
        record = recovered.record
        history = recovered.history.filter { $0.start.sequence <= recovered.logEnd.sequence }
        hasLostReigns = history.count < recovered.history.count
        logEnd = recovered.logEnd
        logEndOffset = recovered.logEndOffset
        logBegin = recovered.logBegin
        durable = recovered.logEnd
        durableOffset = recovered.logEndOffset
        committed = recovered.committed
        applied = recovered.applied
        appliedOffset = recovered.logEndOffset
        repair = recovered.repair
        rowsEpoch = recovered.rowsEpoch
        fence = recovered.fence
        conflict = recovered.conflict
        epochAsked = recovered.epochAsked
        standbyMark = recovered.standbyMark.flatMap {
            $0.durable <= recovered.logEnd.sequence ? $0 : nil
        }
        grant = Grant(startedAt: now.instant, wait: options.timing.grantWait)
        shipper = Shipper(windowBytes: options.windowBytes)
        arbiter.heard = now.instant
        // Who acted as primary of the record's epoch has granted nobody anything since.
        if let last = history.last, last.epoch == record.epoch, last.node == options.identity.node,
            record.primary == options.identity.node
        {
            grant.release()
        }
    }

    /// Takes one input and appends what has to be done.
    public mutating func step(_ input: Input, now: Now, into effects: inout [Effect]) {
        stepped = now.instant
        if hasLostReigns {
            hasLostReigns = false
            effects.append(.forget(after: logEnd.sequence))
        }
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
        case .page(let bytes):
            peerHeard = now.instant
            take(page: bytes, &effects)
        case .arbiter(let answer): heard(answer, now, &effects)
        case .arbiterFailed(_, let reason): arbiter.problem = reason
        case .submitted(let frame): submitted(frame, now, &effects)
        case .appended(let position, let offset): appended(position, offset, &effects)
        case .applied(let sequence, let offset): didApply(sequence, offset, &effects)
        case .logRead(let frames):
            if !shipper.logRead(frames, into: &effects) {
                drop("the log no longer has what \(options.peer) needs next", &effects)
            }
        case .logTrimmed(let sequence): logBegin = max(logBegin, sequence)
        case .boundary(let position, let offset): answer(position, offset, now, &effects)
        case .logCut(let offset, let namesLeft): didCut(offset, namesLeft, &effects)
        case .vetoAnswered(let objection): vetoAnswered(objection, now, &effects)
        case .command(let command, let reason): carryOut(command, reason, now, &effects)
        case .stopping: askToLeave(&effects)
        case .storeFailed(let problem): storeFailed(problem, &effects)
        case .names, .recordsRead, .recordsReplaced, .snapshotOpened, .pageRead, .pageLoaded:
            stepRepair(input, &effects)
        }
        advance(now, &effects)
    }

    /// What follows from the new state whatever the input was.
    private mutating func advance(_ now: Now, _ effects: inout [Effect]) {
        closeQuietLink(now, &effects)
        advanceHandOver(now, &effects)
        seekRole(now, &effects)
        promoteIfDue(now, &effects)
        advanceBid(now, &effects)
        askArbiterIfDue(now, &effects)
        guard role == .primary else { return }
        joinIfReady(now, &effects)
        degradeIfDue(now, &effects)
        repeatChange(now, &effects)
        advanceCommit(now, &effects)
        beatIfDue(now, &effects)
        if now.instant >= commitNoticeDue {
            commitNoticeDue = .never
            if shipper.isFollowed { effects.append(.send(.commit(committed))) }
        }
        pump(&effects)
        pumpPages(&effects)
    }

    /// The instant at which a `tick` is due if nothing else happens before.
    public var nextDeadline: Instant {
        var deadline = min(linkQuietDeadline, handOverDeadline, bidDeadline)
        if role == .primary {
            if isLinked || options.hasArbiter { deadline = min(deadline, heartbeatDue) }
            deadline = min(deadline, commitNoticeDue, degradeDeadline, changeDeadline)
        } else {
            if options.hasArbiter { deadline = min(deadline, arbiter.readDue) }
            if mayPromoteItself, bid == nil {
                deadline = min(deadline, max(grant.expires, retryAt, pausedUntil))
            }
            if role == .unconfirmed, isLinked { deadline = min(deadline, seekDeadline) }
        }
        // What was due in the last step and could not be done is looked at again later.
        return deadline > stepped ? deadline : stepped + options.timing.heartbeat
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

    mutating func storeFailed(_ problem: String, _ effects: inout [Effect]) {
        storeProblem = problem
        isFollowing = false
        bid = nil
        report(.error, problem, &effects)
        stepDown(problem, &effects)
    }

    func report(_ level: Report.Level, _ message: String, _ effects: inout [Effect]) {
        effects.append(.report(Report(level, message)))
    }

    /// Says something once, however often the state that it describes is looked at.
    mutating func reportOnce(_ level: Report.Level, _ message: String, _ effects: inout [Effect]) {
        guard saidLast != message else { return }
        saidLast = message
        report(level, message, &effects)
    }
}
