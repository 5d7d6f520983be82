import Logging
import SanadCore
import SanadLink
import SanadStore

// Doing what the replica asks for, in its order.

extension Engine {
    func perform() {
        guard !effects.isEmpty else { return }
        var round: [Effect] = []
        swap(&round, &effects)
        for effect in round {
            do throws(StoreError) {
                try perform(effect)
            } catch  where Self.isForOperator(error) {
                // A restart would find the same: the process stays, to say so.
                followUps.append(.storeFailed(String(describing: error)))
                dropLink(reason: "the store needs an operator")
                break
            } catch {
                fatalProblem = String(describing: error)
                // What follows may rely on what was not done: nothing more is sent.
                dropLink(reason: "the store failed")
                break
            }
        }
        // The emptied array gives its capacity back for the next round.
        if effects.isEmpty {
            round.removeAll(keepingCapacity: true)
            swap(&round, &effects)
        }
    }

    /// Damage in old log, which is named and not served, and a fork behind what is applied.
    static func isForOperator(_ error: StoreError) -> Bool {
        switch error.code {
        case .corrupt, .notHeld, .appliedBeyondFork: true
        default: false
        }
    }

    private func perform(_ effect: Effect) throws(StoreError) {
        switch effect {
        case .send(let message): link?.enqueue(control: message.encoded())
        case .ship(let frame): link?.enqueue(frame: frame.bytes)
        case .shipPage(let bytes): link?.enqueue(frame: bytes)
        case .ask(let request): ask(request)
        case .append(let frame): appends.append(frame)
        case .persist(let record): try store.nodeDatabase.save(record)
        case .persistEpoch(let epoch): try store.nodeDatabase.setEpochAsked(epoch)
        case .persistPause(let until, let reason): try persist(pauseUntil: until, reason)
        case .persistFence(let reason): try store.nodeDatabase.setFence(reason)
        case .persistConflict(let problem): try store.nodeDatabase.setConflict(problem)
        case .remember(let entry): try store.nodeDatabase.append(entry)
        case .forget(let sequence): try store.nodeDatabase.removeHistory(after: sequence)
        case .commit: break  // `apply` and `acknowledge` follow the replica's mark.
        case .readLog(let sequence, let bytes):
            followUps.append(.logRead(try framesToShip(after: sequence, bytes)))
        case .findBoundary(let sequence): try findBoundary(sequence)
        case .cutLog(let position): try cut(after: position)
        case .readNames, .readRecords, .replaceRecords, .openSnapshot, .readPage, .beginLoad,
            .loadPage, .finishLoad, .endRepair, .emptyStore:
            try performRepair(effect)
        case .closeLink(let reason): dropLink(reason: reason)
        case .peerRefused: linkTotals.refusals += 1
        case .askVeto(let reason): askVeto(reason)
        case .roleChanged(let role, let reason): roleChanged(role, reason)
        case .abandonWrites(let reason):
            pending.abandon(outcome: .unknown(gate.primaryHint, reason: reason))
            refuseBacklog(reason)
            conditions.deactivate()
        case .report(let report): write(report)
        }
    }

    /// Empty when retention has removed what comes next: the standby has lost its place, and this
    /// node's store is as it should be.
    private func framesToShip(
        after sequence: Sequence, _ bytes: Int
    ) throws(StoreError) -> [Frame] {
        do throws(StoreError) {
            return try reader.read(after: sequence, maximumBytes: bytes)
        } catch  where error.code == .notHeld {
            return []
        }
    }

    private func ask(_ request: ArbiterRequest) {
        if let ask = helpers.askArbiter { return ask(request) }
        followUps.append(.arbiterFailed(sent: request.sent, reason: "no arbiter is configured"))
    }

    private func askVeto(_ reason: String) {
        if let ask = helpers.askVeto { return ask(reason) }
        followUps.append(.vetoAnswered(nil))
    }

    private func findBoundary(_ sequence: Sequence) throws(StoreError) {
        flushAppends()
        let found = try store.log.boundary(at: sequence)
        var offset = store.log.endOffset
        if found != nil, let next = try reader.read(after: sequence, maximumBytes: 1).first {
            offset = next.header.logOffset
        }
        followUps.append(.boundary(found, offset: offset))
    }

    private func roleChanged(_ role: Role, _ reason: String) {
        roleChanges += 1
        let promotion = role == .primary ? automaticPromotion : nil
        if let promotion { lastPromotion = promotion }
        lastRole = role
        var metadata: Logger.Metadata = [
            "role": "\(role.rawValue)", "epoch": "\(replica.record.epoch)", "reason": "\(reason)",
            "log.position": "\(replica.logEnd)",
        ]
        if let promotion { metadata["since.last.heartbeat.seconds"] = "\(promotion.seconds)" }
        log.notice("role changed", metadata)
        statusPublished = .zero
        helpers.tellRole?(
            RoleEvent(role: role, epoch: replica.record.epoch, reason: reason))
    }

    /// How long nobody led before this standby took the role by itself; nil for a role that an
    /// operator gave, that was handed over, or that this node had before.
    private var automaticPromotion: Span? {
        let isByOperator = waiting.contains { command in
            switch command.request.action {
            case .promote, .runAlone: true
            default: false
            }
        }
        guard lastRole == .standby, !isByOperator, replica.record.inSync.count == 1 else {
            return nil
        }
        return replica.peerHeard.map { now.instant.since($0) }
    }

    private func write(_ report: Report) {
        switch report.level {
        case .notice: log.notice("\(report.message)")
        case .warning: log.warning("\(report.message)")
        case .error: log.error("\(report.message)")
        }
    }
}

extension Logger {
    /// The shorter spelling that the engine uses.
    func notice(_ message: Message, _ metadata: Metadata) { notice(message, metadata: metadata) }
    func warning(_ message: Message, _ metadata: Metadata) { warning(message, metadata: metadata) }
    func error(_ message: Message, _ metadata: Metadata) { error(message, metadata: metadata) }
    func critical(_ message: Message, _ metadata: Metadata) {
        critical(message, metadata: metadata)
    }
}
