import Logging
import SanadCore
import Synchronization

/// Asks an etcd cluster: the record, the committed mark and the holder of the lease are three keys.
///
/// Why a renewal is a new lease and not a keep-alive, and why a transaction is conditional on both
/// the record and the holder: `docs/adr/0010-etcd-through-transactions.md`.
final class EtcdClient: ArbiterClient {
    private let options: EtcdOptions
    private let log: Logger
    private let deliver: ArbiterDelivery
    private let queue: Mutex<ArbiterQueue>
    private let gateway: Mutex<EtcdGateway>
    private let wakeUps: AsyncStream<Void>.Continuation
    private let worker = Mutex<Task<Void, Never>?>(nil)

    /// - Parameter deliver: is called on any thread, and must not block.
    /// - Throws: when a certificate or key cannot be used.
    init(_ options: EtcdOptions, log: Logger, deliver: @escaping ArbiterDelivery) throws {
        self.options = options
        self.log = log
        self.deliver = deliver
        queue = Mutex(ArbiterQueue(patience: options.patience))
        gateway = Mutex(try EtcdGateway(options))
        let (stream, continuation) = AsyncStream<Void>.makeStream(
            bufferingPolicy: .bufferingNewest(1))
        wakeUps = continuation
        worker.withLock { worker in
            worker = Task { await run(stream) }
        }
    }

    func ask(_ request: ArbiterRequest) {
        let now = SystemClock.instant
        queue.withLock { $0.add(request, now: now) }
        wakeUps.yield()
    }

    func reload() {
        do {
            let fresh = try EtcdGateway(options)
            let old = gateway.withLock { gateway in
                defer { gateway = fresh }
                return gateway
            }
            // A call under way at the old one fails, and is asked again.
            Task { await old.shutdown() }
        } catch {
            log.error("the client for etcd keeps its old certificate", ["error": "\(error)"])
        }
    }

    func stop() {
        wakeUps.finish()
        worker.withLock { worker in
            worker?.cancel()
            worker = nil
        }
        let gateway = gateway.withLock { $0 }
        // Ends the call that is under way.
        Task { await gateway.shutdown() }
    }

    private func run(_ stream: AsyncStream<Void>) async {
        var conversation = EtcdConversation(options)
        var problem: String?
        for await _ in stream {
            while let question = queue.withLock({ $0.next() }), !Task.isCancelled {
                let gateway = gateway.withLock { $0 }
                let result = await conversation.answer(question, through: gateway)
                guard !Task.isCancelled else { break }
                deliver(result)
                switch result {
                case .success where problem != nil: log.notice("etcd answers again")
                // Said when it changes, not with every question.
                case .failure(let failure) where failure.reason != problem:
                    log.warning("no answer of etcd", ["reason": "\(failure.reason)"])
                default: break
                }
                if case .failure(let failure) = result {
                    problem = failure.reason
                } else {
                    problem = nil
                }
            }
        }
    }
}

/// One client's knowledge of the three keys, and how it answers from them.
struct EtcdConversation {
    private let options: EtcdOptions
    private let keys: EtcdKeys
    /// What the last call left or found; nil when a call's outcome is not known.
    private var known: EtcdState?
    /// When this holder was first seen here.
    private var holderSeen: (revision: UInt64, at: Instant) = (0, .zero)

    init(_ options: EtcdOptions) {
        self.options = options
        keys = EtcdKeys(prefix: options.prefix)
    }

    mutating func answer(
        _ question: PendingQuestion, through gateway: EtcdGateway
    ) async -> Result<ArbiterAnswer, ArbiterFailure> {
        let request = question.request
        do throws(EtcdProblem) {
            guard request.cluster == options.cluster else {
                throw .refused("this client asks for cluster \(options.cluster)")
            }
            return .success(try await converse(question, gateway))
        } catch {
            // Nothing that was read before may be relied on: a call may still take effect.
            known = nil
            switch error {
            case .unreachable(let reason):
                return .failure(ArbiterFailure(sent: request.sent, reason: reason))
            case .refused(let reason):
                let view = ArbiterView(
                    record: .initial(cluster: options.cluster), committed: .zero, remaining: .zero)
                return .success(
                    ArbiterAnswer(echo: request.sent, outcome: .refused(reason), view: view))
            }
        }
    }

    /// Reads, decides, and makes the decision on the condition that nothing changed meanwhile; what
    /// has changed comes back with the failed transaction, and the decision is made anew.
    private mutating func converse(
        _ question: PendingQuestion, _ gateway: EtcdGateway
    ) async throws(EtcdProblem) -> ArbiterAnswer {
        let request = question.request
        var lease: EtcdGrantedLease?
        var isFresh = false
        for _ in 0..<Limits.etcdRoundsMaximum {
            let state: EtcdState
            if let known {
                state = known
            } else {
                state = try await read(gateway, question.deadline)
                isFresh = true
            }
            switch EtcdStep(request, state) {
            case .answer(let outcome):
                // Only etcd itself says no, or how things are.
                guard isFresh else {
                    known = nil
                    continue
                }
                return self.answer(request, outcome, state, lease: nil)
            case .transact(let change):
                if lease == nil, change.lease != .giveUp {
                    lease = try await grant(gateway, question.deadline)
                }
                if let after = try await make(change, state, lease, gateway, question.deadline) {
                    return self.answer(request, change.outcome, after, lease: lease)
                }
                isFresh = true
            }
        }
        throw .unreachable("the keys in etcd change faster than they can be read")
    }

    private mutating func answer(
        _ request: ArbiterRequest, _ outcome: ArbiterAnswer.Outcome, _ state: EtcdState,
        lease: EtcdGrantedLease?
    ) -> ArbiterAnswer {
        ArbiterAnswer(
            echo: request.sent, outcome: outcome,
            view: ArbiterView(
                record: state.record, committed: state.committed, remaining: remaining(state)),
            leaseLength: lease.map { options.lease.length(grantedSeconds: $0.seconds) })
    }

    /// When the holder's lease should have gone: it was granted before it was first seen here.
    ///
    /// An estimate: after a change of its leader etcd counts leases anew. It says when to ask again;
    /// that nobody takes over too early is the transaction's doing.
    private mutating func remaining(_ state: EtcdState) -> Span {
        guard let holder = state.holder else { return .zero }
        let now = SystemClock.instant
        if holderSeen.revision != state.holderRevision { holderSeen = (state.holderRevision, now) }
        let end = holderSeen.at + .seconds(min(holder.seconds, 3_600)) + EtcdLease.checkInterval
        return max(end.since(now), EtcdLease.checkInterval / 2)
    }

    // MARK: Calls

    private mutating func read(
        _ gateway: EtcdGateway, _ deadline: Instant
    ) async throws(EtcdProblem) -> EtcdState {
        // Linearizable, which is the gateway's default.
        let answer: EtcdRangeAnswer = try await gateway.call(
            "/v3/kv/range", keys.range, deadline: deadline)
        let state = try EtcdState(answer, keys: keys, cluster: options.cluster)
        known = state
        return state
    }

    private func grant(
        _ gateway: EtcdGateway, _ deadline: Instant
    ) async throws(EtcdProblem) -> EtcdGrantedLease {
        let answer: EtcdGrantAnswer = try await gateway.call(
            "/v3/lease/grant", EtcdGrantRequest(seconds: String(options.lease.seconds)),
            deadline: deadline)
        guard let seconds = UInt64(answer.seconds), seconds > 0, seconds <= UInt64(UInt32.max)
        else {
            throw .unreachable("etcd's answer is not understood: a lease of \(answer.seconds) s")
        }
        return EtcdGrantedLease(identifier: answer.identifier, seconds: seconds)
    }

    /// - Returns: nil when record or holder have changed; `known` is then how they are.
    private mutating func make(
        _ change: EtcdChange, _ state: EtcdState, _ lease: EtcdGrantedLease?,
        _ gateway: EtcdGateway, _ deadline: Instant
    ) async throws(EtcdProblem) -> EtcdState? {
        let transaction: EtcdTransaction
        do {
            transaction = try change.transaction(from: state, lease: lease, keys: keys)
        } catch {
            throw .unreachable("the record cannot be written: \(error)")
        }
        let answer: EtcdTransactionAnswer = try await gateway.call(
            "/v3/kv/txn", transaction, deadline: deadline)
        if answer.succeeded == true {
            guard let revision = answer.header.revision.flatMap({ UInt64($0) }) else {
                throw .unreachable("etcd's answer is not understood: no revision")
            }
            let after = change.applied(to: state, revision: revision, ttl: lease?.seconds ?? 0)
            known = after
            return after
        }
        guard let found = answer.responses?.first?.range else {
            throw .unreachable("etcd's answer is not understood: no keys")
        }
        known = try EtcdState(found, keys: keys, cluster: options.cluster)
        return nil
    }
}
