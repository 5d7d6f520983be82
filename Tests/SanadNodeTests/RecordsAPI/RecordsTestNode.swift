import Dispatch
import Glibc
import Logging
import NIOCore
import SanadCore
import SanadStore
import Synchronization
import Testing

@testable import SanadNode

/// A node of one site over a real store, without threads of its own: a write is committed inside
/// `submit`, or treated as the test says.
final class TestGate: NodeGate {
    enum Treatment: Sendable {
        case commit
        /// Kept until `release`.
        case hold
        case refuse(SubmitRefusal)
        case answer(WriteOutcome)
    }

    private struct State {
        let store: Store
        var treatment = Treatment.commit
        /// The first so many writes are committed before `treatment` holds.
        var commitsFirst = 0
        var held: [WriteRequest] = []
        var status = NodeStatus()
        var isWritable = true
        var leaseEnds = Instant.never
        /// False: what is written is in the log, and neither committed nor applied.
        var commits = true
        var idempotent: [String: Sequence] = [:]
        var commands: [ControlCommand] = []
        var submitted = 0
        var refused = 0
        var heldMost = 0
        var damage: [StoreError] = []
    }

    let table: RecordTable
    private let log: LogReader
    private let state: Mutex<State>

    static let hint = PrimaryHint(
        epoch: Epoch(7), node: NodeName("marrakech"), url: "https://marrakech.example:7401")

    init(directory: String, options: StoreOptions = StoreOptions()) throws {
        let store = try Store.open(
            directory: directory, options: options, cluster: Identifier(high: 1, low: 2),
            node: try #require(NodeName("rabat")),
            makeStoreIdentifier: { Identifier(high: 3, low: 4) })
        let start = FrameEncoder.epochStart(
            EpochStart(node: try #require(NodeName("rabat")), reason: "test"), after: .origin,
            epoch: Epoch(1), committed: .zero, logOffset: 0, wallMilliseconds: 0)
        try store.log.append([start])
        _ = store.table.insert(start)
        table = store.table
        log = store.log.makeReader()
        var status = NodeStatus()
        status.role = "primary"
        status.node = "rabat"
        status.epoch = 1
        status.committed = 1
        state = Mutex(State(store: store, status: status))
    }

    func set(_ treatment: Treatment, afterCommits count: Int = 0) {
        state.withLock {
            $0.treatment = treatment
            $0.commitsFirst = count
        }
    }

    func set(commits: Bool) { state.withLock { $0.commits = commits } }

    /// Until when acknowledgements may be passed on.
    func set(leaseEnds: Instant) { state.withLock { $0.leaseEnds = leaseEnds } }

    /// Takes the last transaction back, as after a failover that it did not survive.
    func cutLast() throws {
        try state.withLock { state in
            let end = state.store.log.end
            let before = Sequence(end.sequence.value - 1)
            let last = try #require(try state.store.log.boundary(at: before))
            _ = try state.store.log.cut(
                after: last, reason: "test", wallMilliseconds: 0, repairsTable: true)
        }
    }

    func set(writable: Bool) { state.withLock { $0.isWritable = writable } }

    func change(_ body: @Sendable (inout NodeStatus) -> Void) {
        state.withLock { body(&$0.status) }
    }

    var submitted: Int { state.withLock { $0.submitted } }
    var refused: Int { state.withLock { $0.refused } }
    /// The most that was ever held at once.
    var heldMost: Int { state.withLock { $0.heldMost } }
    var heldCount: Int { state.withLock { $0.held.count } }
    var commands: [ControlCommand] { state.withLock { $0.commands } }
    var status: NodeStatus { state.withLock { $0.status } }
    var isWritable: Bool { state.withLock { $0.isWritable } }
    var primaryHint: PrimaryHint { Self.hint }

    func makeLogReader() throws(StoreError) -> LogReader { log }

    func found(_ damage: StoreError) { state.withLock { $0.damage.append(damage) } }

    /// What readers have told of damage.
    var damage: [StoreError] { state.withLock { $0.damage } }

    func control(_ command: ControlCommand) async -> ControlAnswer {
        state.withLock { $0.commands.append(command) }
        return ControlAnswer(done: command != .sealSegment, message: "heard", lines: ["a", "b"])
    }

    func submit(_ request: WriteRequest) throws(SubmitRefusal) {
        let outcome = state.withLock { state -> Result<WriteOutcome?, SubmitRefusal> in
            if state.commitsFirst > 0 {
                state.commitsFirst -= 1
            } else {
                switch state.treatment {
                case .commit: break
                case .refuse(let refusal):
                    state.refused += 1
                    return .failure(refusal)
                case .answer(let outcome): return .success(outcome)
                case .hold:
                    state.submitted += 1
                    state.held.append(request)
                    state.heldMost = max(state.heldMost, state.held.count)
                    return .success(nil)
                }
            }
            state.submitted += 1
            return .success(Self.commit(request, &state))
        }
        guard let known = try outcome.get() else { return }
        request.outbox.deliver([
            .init(
                ticket: request.ticket, outcome: known,
                validUntil: state.withLock { $0.leaseEnds })
        ])
    }

    /// Commits what was held.
    func release() {
        let done = state.withLock { state in
            let held = state.held
            state.held = []
            state.treatment = .commit
            return held.map { ($0, Self.commit($0, &state)) }
        }
        for (request, outcome) in done {
            request.outbox.deliver([.init(ticket: request.ticket, outcome: outcome)])
        }
    }

    /// Commits the oldest of what is held, and goes on holding.
    func releaseOldest() {
        let done = state.withLock { state in
            let request = state.held.removeFirst()
            return (request, Self.commit(request, &state))
        }
        done.0.outbox.deliver([.init(ticket: done.0.ticket, outcome: done.1)])
    }

    private static func commit(_ request: WriteRequest, _ state: inout State) -> WriteOutcome {
        if let key = request.idempotencyKey, let sequence = state.idempotent[key] {
            return .repeated(epoch: Epoch(1), sequence: sequence, durability: .oneSite)
        }
        do {
            for (index, condition) in request.conditions.enumerated() {
                let current = try condition.collection.withUnsafeBytes { collection in
                    try condition.key.withUnsafeBytes { key in
                        try state.store.table.currentSequence(collection: collection, key: key)
                    }
                }
                let holds =
                    switch condition.expectation {
                    case .absent: current == nil
                    case .present: current != nil
                    case .sequence(let sequence): current == sequence
                    }
                guard holds else { return .conditionFailed(index: index, current: current) }
            }
            var encoder = FrameEncoder(
                after: state.store.log.end, epoch: Epoch(1), committed: .zero,
                logOffset: state.store.log.endOffset, wallMilliseconds: 0)
            let sequence = encoder.append(request.transaction)
            let frame = encoder.finish()
            try state.store.log.append([frame])
            if state.commits {
                _ = state.store.table.insert(frame)
                state.status.committed = sequence.value
            }
            if let key = request.idempotencyKey { state.idempotent[key] = sequence }
            return .committed(epoch: Epoch(1), sequence: sequence, durability: .bothSites)
        } catch {
            return .failed(reason: "\(error)")
        }
    }

    func close() { state.withLock { $0.store.close() } }
}

/// A records server over a `TestGate`, in a directory that goes away.
struct RecordsTestNode: Sendable {
    let gate: TestGate
    let server: RecordsServer
    let directory: String

    var socketPath: String { directory + "/control.sock" }

    /// Runs `body` on a thread of its own, since it waits for sockets.
    static func run(
        limits: RecordsServerLimits = fast, store: StoreOptions = StoreOptions(),
        _ body: @escaping @Sendable (RecordsTestNode) throws -> Void
    ) async throws {
        let temporary = try TemporaryDirectory()
        let directory = temporary.path
        let gate = try TestGate(directory: directory + "/store", options: store)
        var options = RecordsServerOptions(port: 0, controlSocketPath: directory + "/control.sock")
        options.limits = limits
        let server = try await RecordsServer.start(
            gate: gate, options: options, logger: Logger(label: "test"))
        let node = RecordsTestNode(gate: gate, server: server, directory: directory)
        let result = await onThread { try body(node) }
        await server.shutdown(deadline: .now() + .seconds(2))
        gate.close()
        withExtendedLifetime(temporary) {}
        try result.get()
    }

    /// Time limits that a test can wait for.
    static var fast: RecordsServerLimits {
        var limits = RecordsServerLimits()
        limits.tick = .milliseconds(20)
        limits.linger = .milliseconds(500)
        limits.readWait = .milliseconds(200)
        return limits
    }

    func client() throws -> RawClient { try RawClient(port: server.port) }
}

func onThread<Value: Sendable>(
    _ body: @escaping @Sendable () throws -> Value
) async -> Result<Value, any Error> {
    await withCheckedContinuation { continuation in
        DispatchQueue.global().async { continuation.resume(returning: Result { try body() }) }
    }
}

/// A directory that goes away with this object.
final class TemporaryDirectory: Sendable {
    let path: String

    init() throws {
        let base = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var template = Array("\(base)/sanad-http-XXXXXX".utf8CString)
        let made = template.withUnsafeMutableBufferPointer { $0.baseAddress.flatMap(mkdtemp) }
        path = String(cString: try #require(made))
    }

    deinit { removeTree(path) }
}

private func removeTree(_ path: String) {
    guard let directory = opendir(path) else { return }
    var names: [String] = []
    while let entry = readdir(directory) {
        let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
            String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
        if name != ".", name != ".." { names.append(name) }
    }
    closedir(directory)
    for name in names where unlink(path + "/" + name) != 0 { removeTree(path + "/" + name) }
    rmdir(path)
}
