public import Logging
import SanadCore
import SanadLink
import SanadStore
import Synchronization

/// Everything of a node but its HTTP faces: the store, the commit thread, the link.
public final class RunningNode: Sendable {
    /// The version of this software, as `status` tells it.
    public static let softwareVersion = SoftwareVersion.current

    public let gate: any NodeGate
    /// The port of the link's listener; nil on the node that dials.
    public let linkPort: UInt16?

    private let engineGate: EngineGate
    private let mailbox: Mailbox
    private let dialer: Dialer?
    private let listener: LinkListener?
    private let hooks: HookRunner
    private let arbiter: (any ArbiterClient)?
    private let tls: TLSContext
    private let target: Dialer.Target
    /// The engine until it has its thread.
    private let idle: Mutex<EngineHandOver?>
    private let thread = Mutex<OwnThread?>(nil)
    private let finished = FinishedSignal()

    /// Opens the store and the link's listener; `start` makes it a node that decides.
    ///
    /// - Throws: `StoreError` or `LinkError`, when the store or the certificates cannot be used.
    public init(_ configuration: NodeConfiguration, log: Logger) throws {
        let tls = try LinkCredentials.load(
            certificate: configuration.link.certificate,
            privateKey: configuration.link.privateKey, authority: configuration.link.authority,
            node: configuration.node.name, log: log)
        var options = StoreOptions()
        options.memtableBytes = configuration.store.memtableBytes
        options.segmentBytesTarget = configuration.store.segmentBytes
        let store = try Store.open(
            directory: configuration.store.directory, options: options,
            cluster: configuration.cluster.id, node: configuration.node.name,
            makeStoreIdentifier: {
                var generator = SystemRandomNumberGenerator()
                return .random(using: &generator)
            })
        let mailbox = Mailbox(requestsMaximum: configuration.records.queueRequests)
        let board = StatusBoard()
        let gate = EngineGate(
            table: store.table, mailbox: mailbox, board: board, log: store.log.makeReader(),
            storeDirectory: configuration.store.directory, tls: tls)
        let dials = configuration.node.name < configuration.peer.name
        let dialer = dials ? Dialer() : nil
        let hooks = HookRunner(configuration, mailbox: mailbox, board: board, log: log)
        var helpers = EngineHelpers()
        hooks.fill(&helpers)
        let arbiter = try ArbiterClients.make(configuration, tls: tls, log: log) { outcome in
            switch outcome {
            case .success(let answer): mailbox.post(.input(.arbiter(answer)))
            case .failure(let failure):
                mailbox.post(
                    .input(.arbiterFailed(sent: failure.sent, reason: failure.reason)))
            }
        }
        if let arbiter { helpers.askArbiter = { arbiter.ask($0) } }
        gate.onReload { arbiter?.reload() }
        let engine = try Engine(
            options: configuration.engineOptions(identity: store.identity), store: store,
            mailbox: mailbox, board: board, gate: gate, log: log, helpers: helpers,
            onLinkClosed: { dialer?.redial() })
        let listener =
            dials
            ? nil
            : try Self.listen(configuration, tls, mailbox)
        idle = Mutex(EngineHandOver(engine))
        target = Dialer.Target(
            host: configuration.peer.address.host, port: UInt16(configuration.peer.address.port),
            peer: configuration.peer.name)
        self.tls = tls
        self.gate = gate
        self.engineGate = gate
        self.mailbox = mailbox
        self.dialer = dialer
        self.listener = listener
        self.hooks = hooks
        self.arbiter = arbiter
        linkPort = listener?.boundPort
    }

    private static func listen(
        _ configuration: NodeConfiguration, _ tls: TLSContext, _ mailbox: Mailbox
    ) throws -> LinkListener {
        let address = configuration.link.listen
        do {
            return try LinkListener(
                host: address.host, port: UInt16(address.port), context: tls,
                peers: [configuration.peer.name],
                accepted: { mailbox.post(.linkConnected($0)) },
                refused: { mailbox.post(.linkRefused($0)) })
        } catch {
            throw ListenFailure(key: "link.listen", address: "\(address)", error)
        }
    }

    /// Starts the commit thread and the link: the node takes its role as soon as its peer, or the
    /// arbiter, has spoken.
    public func start() {
        runEngine()
        dialer?.start(target, context: tls, mailbox: mailbox)
    }

    private func runEngine() {
        guard let hand = idle.withLock({ $0.take() }) else { return }
        let finished = finished
        let started = OwnThread {
            hand.engine.run()
            finished.finish(hand.engine.ending)
        }
        thread.withLock { $0 = started }
    }

    /// Returns when the node has ended.
    public func untilFinished() async -> NodeEnding { await finished.wait() }

    /// Stops within `Limits.stopTimeout`: no new writes, those under way are answered.
    public func stop() async {
        mailbox.post(.stop)
        // The first round of a node that was never started is its last, and closes its store.
        runEngine()
        _ = await finished.wait()
        dialer?.stop()
        listener?.stop()
        thread.withLock { $0.take() }?.join()
        hooks.stop()
        arbiter?.stop()
    }
}

/// How a node's commit thread ended.
public enum NodeEnding: Sendable, Equatable {
    case stopped
    /// The disk cannot be trusted; a start finds out what is on it.
    case failed(String)
    /// The store is to be emptied and filled from the primary: the process has to start anew.
    case startAnew(String)
}

extension Engine {
    var ending: NodeEnding {
        if let fatalProblem { return .failed(fatalProblem) }
        return restartReason.map { .startAnew($0) } ?? .stopped
    }
}

/// Carries an engine to its thread.
///
/// `@unchecked Sendable`: the engine is made on one thread and handed over once, before that thread
/// starts; afterwards only that thread uses it.
private final class EngineHandOver: @unchecked Sendable {
    let engine: Engine
    init(_ engine: Engine) { self.engine = engine }
}

/// Tells any number of waiting tasks that the engine's thread has ended.
private final class FinishedSignal: Sendable {
    private enum State {
        case running([CheckedContinuation<NodeEnding, Never>])
        case finished(NodeEnding)
    }

    private let state = Mutex(State.running([]))

    func finish(_ ending: NodeEnding) {
        let waiting = state.withLock { state -> [CheckedContinuation<NodeEnding, Never>] in
            guard case .running(let waiting) = state else { return [] }
            state = .finished(ending)
            return waiting
        }
        for continuation in waiting { continuation.resume(returning: ending) }
    }

    func wait() async -> NodeEnding {
        await withCheckedContinuation { continuation in
            let outcome: NodeEnding? = state.withLock { state in
                switch state {
                case .running(let waiting):
                    state = .running(waiting + [continuation])
                    return nil
                case .finished(let ending): return ending
                }
            }
            if let outcome { continuation.resume(returning: outcome) }
        }
    }
}

extension NodeConfiguration {
    func engineOptions(identity: StoreIdentity) -> EngineOptions {
        EngineOptions(
            replica: ReplicaOptions(
                cluster: cluster.id, identity: identity, peer: peer.name,
                mode: replication.mode == .sync ? .sync : .async,
                onStandbyLoss: replication.onStandbyLoss == .degrade ? .degrade : .block,
                failoverMode: failoverMode, maxLoss: failover.maxLoss,
                hasArbiter: arbiter != .none,
                isInitialPrimary: node.initialRole == .primary,
                hasVeto: hooks.vetoCommand != nil,
                timing: Timing(
                    heartbeat: failover.heartbeat, lease: failover.lease,
                    grantWait: failover.grantWait, degradeAfter: failover.degradeAfter),
                windowBytes: link.windowBytes),
            retention: RetentionPolicy(
                minimumAge: retention.minimumAge, maximumBytes: retention.maximumBytes,
                freeBytesFloor: retention.freeBytes),
            peerRecordsURL: peer.recordsURL,
            recordsURL: records.url,
            softwareVersion: RunningNode.softwareVersion)
    }

    private var failoverMode: SanadCore.FailoverMode {
        switch failover.mode {
        case .automatic: .automatic
        case .observe: .observe
        case .manual: .manual
        }
    }
}
