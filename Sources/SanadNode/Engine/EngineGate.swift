import Glibc
import SanadCore
import SanadLink
import SanadStore
import Synchronization

/// The engine as the edges see it: the only part of it that other threads touch.
final class EngineGate: NodeGate {
    let table: RecordTable
    private let mailbox: Mailbox
    private let board: StatusBoard
    private let log: LogReader
    private let storeDirectory: String
    private let tls: TLSContext
    /// Monotonic nanoseconds until which this node may acknowledge; zero when it may not.
    private let writableUntil = Atomic<UInt64>(0)
    /// False until the engine has looked at its store once.
    private let consistent = Atomic(false)
    /// The records are those of a primary, or no older.
    private let primaryWord = Atomic(false)
    private let isClosed = Atomic(false)
    private let reloading = Mutex<@Sendable () -> Void>({})

    init(
        table: RecordTable, mailbox: Mailbox, board: StatusBoard, log: LogReader,
        storeDirectory: String, tls: TLSContext
    ) {
        self.table = table
        self.mailbox = mailbox
        self.board = board
        self.log = log
        self.storeDirectory = storeDirectory
        self.tls = tls
    }

    func submit(_ request: WriteRequest) throws(SubmitRefusal) {
        guard !isClosed.load(ordering: .relaxed) else { throw .stopping }
        guard isWritable else {
            let status = board.current
            throw .notPrimary(
                primaryHint,
                reason: status.fenceReason ?? status.storeProblem ?? "this node is \(status.role)")
        }
        try mailbox.submit(request)
    }

    var status: NodeStatus { board.current }

    var isWritable: Bool {
        let until = writableUntil.load(ordering: .acquiring)
        return until != 0 && SystemClock.instant.nanoseconds < until
    }

    var isConsistent: Bool { consistent.load(ordering: .acquiring) }

    var hasPrimaryWord: Bool { primaryWord.load(ordering: .acquiring) && isWritable }

    var primaryHint: PrimaryHint {
        let status = board.current
        return PrimaryHint(
            epoch: Epoch(status.epoch), node: status.primary.flatMap { NodeName($0) },
            url: status.primaryURL)
    }

    func makeLogReader() throws(StoreError) -> LogReader { log }

    func found(_ damage: StoreError) { mailbox.post(.storeDamaged(damage)) }

    func control(_ command: ControlCommand) async -> ControlAnswer {
        if command == .reload { return reload() }
        guard !isClosed.load(ordering: .relaxed) else {
            return ControlAnswer(done: false, message: "the node is stopping")
        }
        return await withCheckedContinuation { mailbox.post(.control(command, $0)) }
    }

    private func reload() -> ControlAnswer {
        // Each certificate by itself: what else is read anew does not wait for the link's.
        defer { reloading.withLock { $0 }() }
        do throws(LinkError) {
            try tls.reload()
            return ControlAnswer(
                done: true,
                message: "the link's certificates are read again; "
                    + "connections made from now on use them")
        } catch {
            return ControlAnswer(
                done: false, message: "the old certificates stay in use: \(error)")
        }
    }

    // MARK: The engine's side

    /// Sets what else reads certificates again at a reload.
    func onReload(_ body: @escaping @Sendable () -> Void) { reloading.withLock { $0 = body } }

    func setWritable(until instant: Instant) {
        writableUntil.store(instant.nanoseconds, ordering: .releasing)
    }

    func setConsistent(_ isConsistent: Bool) {
        consistent.store(isConsistent, ordering: .releasing)
    }

    func setPrimaryWord(_ isGiven: Bool) { primaryWord.store(isGiven, ordering: .releasing) }

    func close() { isClosed.store(true, ordering: .relaxed) }

    func certificateExpiresUnixSeconds() -> Int64? {
        tls.certificateExpiryUnixSeconds
    }

    func diskFreeBytes() -> UInt64? {
        var facts = statvfs()
        guard statvfs(storeDirectory, &facts) == 0 else { return nil }
        return UInt64(facts.f_bavail) * UInt64(facts.f_frsize)
    }
}
