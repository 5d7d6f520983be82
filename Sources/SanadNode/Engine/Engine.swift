import Glibc
import Logging
import SanadCore
import SanadLink
import SanadStore

/// What the engine needs beside its store.
struct EngineOptions: Sendable {
    var replica: ReplicaOptions
    var retention = RetentionPolicy(
        minimumAge: .seconds(3_600), maximumBytes: 64 << 30, freeBytesFloor: 1 << 30)
    var peerRecordsURL: String?
    var recordsURL: String?
    var softwareVersion: String
}

/// What the engine asks of others and does not wait for; answers come through the mailbox.
struct EngineHelpers: Sendable {
    /// Puts a question to the arbiter; nil without one.
    var askArbiter: (@Sendable (ArbiterRequest) -> Void)?
    /// Runs the veto command; nil without one.
    var askVeto: (@Sendable (_ reason: String) -> Void)?
    /// Runs the command that is told of role changes; nil without one.
    var tellRole: (@Sendable (RoleEvent) -> Void)?
}

/// What the post-event command is told.
struct RoleEvent: Sendable {
    var role: Role
    var epoch: Epoch
    var reason: String
}

/// The commit thread: it owns the replica's decisions, the log's writer and the link.
///
/// One round of `run` takes what has gathered while the last one worked: bytes from the peer,
/// events, writes. What must go to the peer is sent before the local fsync, so that both sites
/// write side by side. Nothing waits for a timer.
final class Engine {
    let options: EngineOptions
    let store: Store
    let mailbox: Mailbox
    let board: StatusBoard
    let gate: EngineGate
    let log: Logger
    let reader: LogReader
    let onLinkClosed: @Sendable () -> Void
    let helpers: EngineHelpers
    let snapshots: SnapshotWorker
    let loader: LoadWorker
    let scrubber: LogScrubber

    var replica: Replica
    var applier: Applier
    var now: Now

    var effects: [Effect] = []
    var followUps: [Input] = []
    /// Frames whose append has been asked for and not done.
    var appends: [Frame] = []
    var appendBlockedSince: Instant?

    var link: LinkConnection?
    var linkHasMore = false
    /// What the last read of the link brought, kept for its capacity.
    var inbound: [InboundPacket] = []
    var linkTotals = LinkTotals()
    var refusals = RefusalNotes()

    /// Writes taken from the mailbox and not yet in a frame.
    var backlog: [WriteRequest] = []
    var backlogStart = 0
    var backlogSince = Instant.zero
    var pending = PendingWrites()
    var conditions = ConditionIndex()
    let idempotency: IdempotencyMemory

    /// Operators' commands whose outcome is awaited.
    var waiting: [WaitingCommand] = []
    var statusPublished = Instant.zero
    var publishedMarks: [Sequence] = []
    var roleChanges: UInt64 = 0
    /// The role before the change that is being told.
    var lastRole = Role.unconfirmed
    var commits: UInt64 = 0
    var transactions: UInt64 = 0
    var lastPromotion: Span?
    var quarantineEntries = 0
    var stopDeadline: Instant?
    var leaveDeadline: Instant?
    var retentionDue = Instant.zero
    /// The standby's mark that the store has.
    var standbyRemembered: Replica.StandbyMark?
    /// Log bytes until the standby loses its place; nil when none is waited for.
    var bytesUntilLost: UInt64?
    /// How far a load has come, as far as a crash takes nothing back; nil without one. The table's own
    /// answer could have to wait for it.
    var loadProgress: LoadProgress?
    /// The repair is over, as soon as the table's flush is durable.
    var isRepairEnding = false
    /// Set when the process has to end because its disk cannot be trusted.
    var fatalProblem: String?
    /// Set when the process has to start anew: its store is to be emptied, or a load has to go on
    /// behind what is there; the reason.
    var restartReason: String?

    init(
        options: EngineOptions, store: Store, mailbox: Mailbox, board: StatusBoard,
        gate: EngineGate, log: Logger, helpers: EngineHelpers = EngineHelpers(),
        onLinkClosed: @escaping @Sendable () -> Void
    ) throws(StoreError) {
        self.options = options
        self.store = store
        self.mailbox = mailbox
        self.board = board
        self.gate = gate
        self.log = log
        self.onLinkClosed = onLinkClosed
        self.helpers = helpers
        reader = store.log.makeReader()
        snapshots = try SnapshotWorker(table: store.table, mailbox: mailbox)
        loader = LoadWorker(table: store.table, mailbox: mailbox)
        scrubber = LogScrubber(log: store.log)
        idempotency = try IdempotencyMemory(table: store.table)
        now = SystemClock.now
        let (recovered, appliedOffset) = try Self.recover(
            store, reader, cluster: options.replica.cluster)
        replica = Replica(options: options.replica, recovered: recovered, now: now)
        applier = Applier(table: store.table, reader: reader, appliedOffset: appliedOffset)
        quarantineEntries = try store.nodeDatabase.quarantine().count
        loadProgress = try store.loadProgress()
        let mailbox = self.mailbox
        store.table.setRoomAvailable { mailbox.post(.tableHasRoom) }
        store.table.onFailure { problem in mailbox.post(.tableFailed(String(describing: problem))) }
    }

    /// Runs until it is stopped or its disk fails. Called on the engine's own thread.
    func run() {
        snapshots.start()
        loader.start()
        startScrubbing()
        // A start finds log that the table lacks; whoever asks how far it is gets the truth.
        feed(.applied(applier.applied, offset: applier.appliedOffset))
        do throws(StoreError) { try resumePause() } catch {
            fatalProblem = String(describing: error)
        }
        while true {
            now = SystemClock.now
            receiveFromLink()
            for event in mailbox.takeEvents() { handle(event) }
            admitWrites()
            feed(.tick)
            finishRound()
            if let fatalProblem {
                log.critical(
                    "stopping: the store cannot be trusted", ["problem": "\(fatalProblem)"])
                break
            }
            if restartReason != nil || mayStop { break }
            waitForWork()
        }
        end()
    }

    /// Everything that follows from this round's inputs: ship, append, acknowledge, publish.
    func finishRound() {
        flushLink()
        flushAppends()
        flushLink()
        apply()
        acknowledge()
        expireWrites()
        flushLink()
        endRepairIfDurable()
        retainLog()
        settleCommands()
        publishStatus()
    }

    /// Writes under way are answered first, and the primary lets this standby go; within a bound.
    private var mayStop: Bool {
        guard let stopDeadline, let leaveDeadline else { return false }
        if now.instant >= stopDeadline { return true }
        return pending.isEmpty && (!replica.isCountedOn || now.instant >= leaveDeadline)
    }

    // MARK: Inputs

    /// Gives the replica one input and does what it asks for, including what follows from that.
    func feed(_ input: Input) {
        replica.step(input, now: now, into: &effects)
        perform()
        while !followUps.isEmpty {
            let next = followUps.removeFirst()
            replica.step(next, now: now, into: &effects)
            perform()
        }
    }

    private func handle(_ event: EngineEvent) {
        switch event {
        case .linkConnected(let connection): linkConnected(connection)
        case .linkRefused(let error): linkRefused(error)
        case .tableHasRoom: break
        case .input(let input): feed(input)
        case .snapshotRead(let answer, let session): snapshotRead(answer, session: session)
        case .pageLoaded(let answer): pageLoaded(answer)
        case .loadDurable(let progress): loadProgress = progress
        case .tableFailed(let problem): fatalProblem = problem
        case .storeDamaged(let error): storeDamaged(error)
        case .control(let command, let continuation): answer(command, continuation)
        case .stop:
            stopDeadline = now.instant + Limits.stopTimeout
            leaveDeadline = now.instant + Limits.leaveTimeout
            gate.close()
            feed(.stopping)
        }
    }

    // MARK: Appending

    /// Appends what has gathered, durably, and tells the replica.
    func flushAppends() {
        while !appends.isEmpty {
            var count = 0
            var bytes = 0
            while count < appends.count, bytes < Limits.appendBatchBytesMaximum {
                bytes += appends[count].bytes.count
                count += 1
            }
            do throws(StoreError) {
                try store.log.append(appends[..<count])
            } catch {
                return appendFailed(error)
            }
            appendBlockedSince = nil
            for frame in appends[..<count] {
                applier.add(frame)
                if replica.role == .primary { transactions += frame.header.transactionCount }
            }
            appends.removeFirst(count)
            commits += 1
            now = SystemClock.now
            feed(.appended(store.log.end, offset: store.log.endOffset))
        }
    }

    /// A full disk is waited for, as long as a lease: then the other site is the better primary.
    /// After any other error nobody knows what is on the disk.
    private func appendFailed(_ error: StoreError) {
        guard error.code == .diskFull, !error.isFatal else {
            fatalProblem = String(describing: error)
            return
        }
        let since = appendBlockedSince ?? now.instant
        if appendBlockedSince == nil { log.error("disk full", ["error": "\(error)"]) }
        appendBlockedSince = since
        if now.instant.since(since) > options.replica.timing.lease {
            fatalProblem = "the disk has been full for a lease: \(error)"
        }
    }

    // MARK: Applying and acknowledging

    private func apply() {
        applyDue = .never
        guard !isDurabilityFirst else {
            applyHasMore = false
            if !linkHasMore { applyDue = moreExpectedUntil }
            return
        }
        let before = applier.applied
        do throws(StoreError) {
            applyHasMore = try applier.advance(
                to: min(replica.committed, store.log.end.sequence),
                budgetBytes: Limits.appendBatchBytesMaximum)
        } catch {
            fatalProblem = String(describing: error)
            return
        }
        guard applier.applied > before else { return }
        // What is applied is answered before the replica hears of it: a switchover gives the role up
        // with that news, and what both sites have must not be called unknown.
        acknowledge()
        feed(.applied(applier.applied, offset: applier.appliedOffset))
    }

    var applyHasMore = false
    /// When applying goes on although nothing has arrived.
    var applyDue = Instant.never
    /// When the last frame arrived from the peer.
    var frameReceived = Instant.zero
    /// Writes wait that the next round can take.
    var admitHasMore = false

    /// While a standby has more log on its doorstep, it makes that durable first and applies later,
    /// within a bound that a promotion applies in a moment: the acknowledgement waits for the log,
    /// and nobody waits for the table.
    private var isDurabilityFirst: Bool {
        guard replica.role == .standby, linkHasMore || now.instant < moreExpectedUntil else {
            return false
        }
        let behind = store.log.endOffset - min(applier.appliedOffset, store.log.endOffset)
        if replica.record.isInSync(options.replica.identity) {
            return linkHasMore && behind < Limits.applyDeferralBytesMaximum
        }
        return behind < Limits.applyDeferralOutOfSyncBytesMaximum
    }

    /// A primary that is far ahead sends its next frame soon.
    private var moreExpectedUntil: Instant {
        guard let marks = replica.primaryMarks, marks.logEndOffset > replica.logEndOffset
        else { return .zero }
        return frameReceived + Limits.nextFrameWait
    }

    /// Answers what is committed and visible, if this node may acknowledge at this very moment.
    private func acknowledge() {
        guard !pending.isEmpty else { return }
        guard replica.isWritable(at: SystemClock.instant) else { return }
        let both = replica.isOnBothSites(applier.applied)
        pending.acknowledge(
            upTo: applier.applied, epoch: replica.record.epoch,
            durability: both ? .bothSites : .oneSite,
            leaseEnds: replica.isLeaseNeeded ? replica.lease.expires : .never)
        if applier.applied == store.log.end.sequence { conditions.deactivate() }
    }

    // MARK: Waiting

    private func waitForWork() {
        guard !applyHasMore, !linkHasMore, !admitHasMore else { return }
        mailbox.wake.prepareToWait()
        defer { mailbox.wake.finishWaiting() }
        guard mailbox.isEmpty(ignoringWrites: isBacklogged) else { return }
        var entries = [
            pollfd(fd: mailbox.wake.descriptor, events: Int16(POLLIN), revents: 0),
            pollfd(fd: -1, events: 0, revents: 0),
        ]
        if let link {
            entries[1].fd = link.descriptor
            entries[1].events = Int16(link.hasQueued ? POLLIN | POLLOUT : POLLIN)
        }
        _ = poll(&entries, 2, waitMilliseconds())
    }

    private func waitMilliseconds() -> Int32 {
        var deadline = min(replica.nextDeadline, now.instant + .seconds(1))
        deadline = min(deadline, applyDue)
        if statusIsStale { deadline = min(deadline, statusPublished + Self.statusSpacing) }
        if appendBlockedSince != nil { deadline = min(deadline, now.instant + .milliseconds(100)) }
        let wait = deadline.since(SystemClock.instant)
        // Rounded up, so that the round after it finds the deadline passed.
        return Int32((wait.nanoseconds + 999_999) / 1_000_000)
    }

    private func end() {
        gate.close()
        let hint = gate.primaryHint
        pending.abandon(outcome: .unknown(hint, reason: "the node stopped"))
        refuseBacklog("the node is stopping")
        mailbox.takeWrites(into: &backlog)
        refuseBacklog("the node is stopping")
        for event in mailbox.takeEvents() {
            if case .control(_, let continuation) = event {
                continuation.resume(
                    returning: ControlAnswer(done: false, message: "the node is stopping"))
            }
        }
        refuseCommands("the node is stopping; see the log for the outcome")
        link?.close()
        scrubber.stop()
        snapshots.stop()
        loader.stop()
        store.close()
        board.update { status in
            status.role = "stopped"
            status.writable = false
        }
    }
}
