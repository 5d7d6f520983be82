import Glibc
import Logging
import SanadCore
import SanadLink
import SanadStore
import Synchronization

/// What other threads tell the witness's thread.
final class WitnessInbox: Sendable {
    enum Event: Sendable {
        case connected(LinkConnection)
        case refused(LinkError)
        case stop
    }

    private let events = Mutex<[Event]>([])
    let wake = WakeEvent()

    func post(_ event: Event) {
        events.withLock { $0.append(event) }
        wake.signal()
    }

    func take() -> [Event] {
        events.withLock { events in
            defer { events = [] }
            return events
        }
    }

    var isEmpty: Bool { events.withLock { $0.isEmpty } }
}

/// The witness's thread: takes questions from the two data nodes, and answers them from the pure
/// `Witness`, what changed made durable first.
final class WitnessLoop {
    private struct Member {
        var connection: LinkConnection?
        var hasMore = false
        var heard: Instant?
    }

    private let store: WitnessStore
    private let inbox: WitnessInbox
    private let board: WitnessBoard
    private let tls: TLSContext
    private let directory: String
    private let log: Logger

    private var witness: Witness
    private var members: [NodeName: Member] = [:]
    private let names: [NodeName]
    /// When the leases of earlier starts have ended.
    private let startWaitEnds: Instant
    /// The longest wait of leases that were granted before this start, and since.
    private let earlierWait: Span
    private var longestWait = Span.zero
    /// Since when the mark on the disk is behind; nil when it is not.
    private var markStaleSince: Instant?
    private var saidRefusals: Set<String> = []
    private var status: WitnessStatus
    private var isStopping = false
    /// Why the thread ended; nil when it was told to.
    private(set) var fatalProblem: String?

    init(
        _ configuration: WitnessConfiguration, store: WitnessStore, tls: TLSContext,
        inbox: WitnessInbox, board: WitnessBoard, log: Logger
    ) {
        self.store = store
        self.inbox = inbox
        self.board = board
        self.tls = tls
        self.log = log
        directory = configuration.directory
        names = configuration.members.sorted()
        let now = SystemClock.instant
        earlierWait = store.state.longestWait
        // A store that was lost has forgotten what was granted: then only the configuration knows.
        let wait = max(earlierWait, configuration.grantWait)
        startWaitEnds = now + wait
        witness = Witness(
            durable: .init(record: store.state.record, committed: store.state.committed),
            members: Set(configuration.members), now: now, wait: wait)
        status = WitnessStatus()
        status.cluster = configuration.cluster.id.description
        status.node = configuration.name.text
        status.softwareVersion = SoftwareVersion.current
        publish(now)
    }

    /// Runs until it is stopped or its disk fails. Called on the witness's own thread.
    func run() {
        while !isStopping, fatalProblem == nil {
            for event in inbox.take() { handle(event) }
            for name in names { receive(from: name) }
            let now = SystemClock.instant
            saveMarkIfDue(now)
            publish(now)
            if !isStopping { waitForWork(now) }
        }
        if fatalProblem == nil, !isSaved { _ = save(SystemClock.instant) }
        for name in names { members[name]?.connection?.close() }
    }

    private func handle(_ event: WitnessInbox.Event) {
        switch event {
        case .stop: isStopping = true
        case .refused(let error):
            status.refusalsTotal += 1
            sayOnce("a connection was refused", String(describing: error))
        case .connected(let connection):
            let name = connection.peer
            // A node that dials anew has given the old connection up, whatever TCP knows of it.
            members[name]?.connection?.close()
            var member = members[name] ?? Member()
            member.connection = connection
            member.hasMore = true
            members[name] = member
            log.notice("connected", ["node": "\(name)"])
        }
    }

    // MARK: Questions

    private func receive(from name: NodeName) {
        guard let connection = members[name]?.connection else { return }
        var requests: [ArbiterRequest] = []
        do {
            let hasMore = try connection.receive { packet in
                guard case .control(let bytes) = packet,
                    case .arbiterRequest(let request) = try Message(decoding: bytes)
                else { throw WitnessProblem.notAQuestion }
                requests.append(request)
            }
            members[name]?.hasMore = hasMore
            for request in requests {
                // An answer that cannot be saved is not given: the asker repeats its question.
                guard let answer = answer(request, from: name) else { continue }
                connection.enqueue(control: Message.arbiterAnswer(answer).encoded())
            }
            _ = try connection.flush()
        } catch {
            members[name]?.connection = nil
            members[name]?.hasMore = false
            connection.close()
            log.notice("disconnected", ["node": "\(name)", "reason": "\(error)"])
        }
    }

    /// - Returns: nil when the answer rests on something that is not on the disk.
    private func answer(_ request: ArbiterRequest, from name: NodeName) -> ArbiterAnswer? {
        guard fatalProblem == nil else { return nil }
        let now = SystemClock.instant
        members[name]?.heard = now
        status.questionsTotal += 1
        let before = witness.durable
        let (answer, _) = witness.answer(request, from: name, now: now)
        switch answer.outcome {
        case .granted, .changed: longestWait = max(longestWait, request.wait)
        case .refused(let reason):
            status.refusedQuestionsTotal += 1
            sayOnce("a question was refused", "\(name): \(reason)")
        case .seen, .outdated, .leaseHeld: break
        }
        if mustSave, !save(now) { return nil }
        if witness.durable.record != before.record { told(witness.durable.record) }
        if !isSaved, markStaleSince == nil { markStaleSince = now }
        return answer
    }

    private func told(_ record: ClusterRecord) {
        status.changesTotal += 1
        log.notice(
            "record",
            [
                "version": "\(record.version)", "epoch": "\(record.epoch)",
                "primary": "\(record.primary?.text ?? "none")",
                "in_sync": "\(record.inSync.map(\.node.text).joined(separator: ","))",
            ])
    }

    private func sayOnce(_ what: String, _ reason: String) {
        guard saidRefusals.count < 100, saidRefusals.insert(reason).inserted else { return }
        log.warning("\(what)", ["reason": "\(reason)"])
    }

    // MARK: Saving

    private var stateToSave: WitnessStore.State {
        let earlier = SystemClock.instant < startWaitEnds ? earlierWait : .zero
        return WitnessStore.State(
            record: witness.durable.record, committed: witness.durable.committed,
            longestWait: max(longestWait, earlier))
    }

    private var isSaved: Bool { store.state == stateToSave }

    /// The record, and a wait that is longer than the one on the disk, have to be durable before
    /// the answer. The mark has not: it is a second guard beside the record's list of stores in
    /// sync, against a disk that was restored from an old copy. Should the witness crash, the mark
    /// is behind by what was committed since its last save, and the primary's next renewal puts it
    /// right; saving it with each heartbeat would cost a sync twice a second for ever.
    private var mustSave: Bool {
        let state = stateToSave
        return state.record != store.state.record || state.longestWait > store.state.longestWait
    }

    private func saveMarkIfDue(_ now: Instant) {
        guard let since = markStaleSince, now >= since + Limits.witnessMarkInterval else { return }
        _ = save(now)
    }

    private func save(_ now: Instant) -> Bool {
        do throws(StoreError) {
            try store.save(stateToSave)
            status.savesTotal += 1
            if status.storeProblem != nil { log.notice("the store can be written again") }
            status.storeProblem = nil
            markStaleSince = nil
            return true
        } catch {
            if status.storeProblem == nil { log.error("not saved", ["error": "\(error)"]) }
            status.storeProblem = String(describing: error)
            // Tried again with the next question, or after the interval.
            markStaleSince = now
            // After any other error nobody knows what is on the disk.
            if error.isFatal { fatalProblem = String(describing: error) }
            return false
        }
    }

    // MARK: Status and waiting

    private func publish(_ now: Instant) {
        let record = witness.durable.record
        status.recordVersion = record.version
        status.epoch = record.epoch.value
        status.primary = record.primary?.text
        status.inSync = record.inSync.map(\.node.text)
        status.committed = witness.durable.committed.value
        status.leaseEndsNanoseconds = witness.leaseEnds.nanoseconds
        status.members = names.map { name in
            WitnessStatus.Member(
                node: name.text, connected: members[name]?.connection != nil,
                heardNanoseconds: members[name]?.heard?.nanoseconds)
        }
        status.certificateExpiresUnixSeconds = tls.certificateExpiryUnixSeconds
        if now.since(Instant(nanoseconds: status.tickNanoseconds)) >= Self.diskInterval {
            status.diskFreeBytes = Self.freeBytes(directory)
        }
        status.tickNanoseconds = now.nanoseconds
        board.publish(status)
    }

    private static let diskInterval = Span.milliseconds(500)
    /// A round at least this often shows that the thread lives.
    private static let roundMilliseconds: Int32 = 1_000

    private static func freeBytes(_ directory: String) -> UInt64? {
        var space = statvfs()
        guard statvfs(directory, &space) == 0 else { return nil }
        return UInt64(space.f_bavail) * UInt64(space.f_frsize)
    }

    private func waitForWork(_ now: Instant) {
        guard !members.values.contains(where: \.hasMore) else { return }
        inbox.wake.prepareToWait()
        defer { inbox.wake.finishWaiting() }
        guard inbox.isEmpty else { return }
        var entries = [pollfd(fd: inbox.wake.descriptor, events: Int16(POLLIN), revents: 0)]
        for connection in names.compactMap({ members[$0]?.connection }) {
            entries.append(
                pollfd(
                    fd: connection.descriptor,
                    events: Int16(connection.hasQueued ? POLLIN | POLLOUT : POLLIN), revents: 0))
        }
        _ = poll(&entries, nfds_t(entries.count), Self.roundMilliseconds)
    }
}

/// What a member may not do.
enum WitnessProblem: Error, CustomStringConvertible {
    case notAQuestion

    var description: String { "it sent something else than a question" }
}
