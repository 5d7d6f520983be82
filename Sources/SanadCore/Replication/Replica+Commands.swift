// What operators ask for.

extension Replica {
    /// Why a command is refused now; nil when it would be carried out.
    public func objection(to command: OperatorCommand, at now: Instant) -> String? {
        switch command {
        case .promote(let acceptLoss): objectionToPromotion(acceptLoss: acceptLoss, at: now)
        case .switchover: objectionToSwitchover(at: now)
        case .runAlone: objectionToRunningAlone(at: now)
        case .fence: fence.map { "this node is fenced already: \($0)" }
        case .liftFence: fence == nil ? "this node is not fenced" : nil
        case .pause, .resume: nil
        case .giveWay: objectionToGivingWay
        case .reseed: objectionToReseed
        }
    }

    private func objectionToPromotion(acceptLoss: Bool, at now: Instant) -> String? {
        if role == .primary { return "this node is primary already" }
        if let problem = barrier { return problem }
        if record.primary == nil { return "no primary was ever chosen; start both nodes" }
        guard grant.hasExpired(at: now) else {
            return "the primary holds a grant of this node for another "
                + "\(grant.expires.since(now).wholeMilliseconds) ms; stop the primary first"
        }
        if options.hasArbiter, !isArbiterReachable(at: now) {
            return "the arbiter does not answer, and its lease on the primary may stand; "
                + "'sanadctl run-alone' takes the role without it"
        }
        return isKnownToHaveAll || acceptLoss
            ? nil
            : "acknowledged writes can be missing here; "
                + "see what would be lost, then repeat with --accept-loss"
    }

    /// Nothing can be missing here, and the arbiter's record is not older than this node's.
    private var isKnownToHaveAll: Bool { isSafeToPromote && !isArbiterBehind }

    private var barrier: String? {
        if let storeProblem { return storeProblem }
        if let fence { return "this node is fenced: \(fence); lift the fence first" }
        if let conflict { return conflict }
        return hasAllRecords ? nil : "its store is being repaired and has not all records yet"
    }

    private func objectionToSwitchover(at now: Instant) -> String? {
        guard role == .primary else { return "this node is \(role.rawValue); ask the primary" }
        if handOver != nil { return "a switchover is under way" }
        guard isWritable(at: now) else { return "this primary holds no lease" }
        guard isLinked, shipper.isFollowed else {
            return "\(options.peer) does not follow; see 'sanadctl status'"
        }
        guard isPeerListed, !peerLeaves else {
            return "\(options.peer) is not in sync; wait until it has caught up"
        }
        return nil
    }

    private func objectionToRunningAlone(at now: Instant) -> String? {
        if runsAlone { return "this node runs alone already" }
        if let problem = barrier { return problem }
        if isArbiterReachable(at: now), let view = arbiter.view, view.remaining > .zero,
            view.record.primary == options.peer
        {
            return "the arbiter answers, and \(options.peer) holds its lease for another "
                + "\(view.remaining.wholeMilliseconds) ms: it may be acknowledging writes; "
                + "stop it first, then 'sanadctl promote' is enough"
        }
        return record.primary == nil ? "no primary was ever chosen; start both nodes" : nil
    }

    private var objectionToGivingWay: String? {
        guard conflict != nil else {
            return "no other primary was met; a node that comes back rejoins by itself"
        }
        guard let peer = peerHello, peer.record.primary == peer.identity.node else {
            return "\(options.peer) is not linked, or is not primary by its own record"
        }
        return nil
    }

    private var objectionToReseed: String? {
        if role == .primary { return "this node is primary; its records are the ones that count" }
        if record.inSync == [options.identity] {
            return "this store is the only one in sync: it may be the last copy of what was "
                + "acknowledged"
        }
        return isLed
            ? nil
            : "\(options.peer) does not lead this node now: there is nobody to take records from"
    }

    mutating func carryOut(
        _ command: OperatorCommand, _ reason: String, _ now: Now, _ effects: inout [Effect]
    ) {
        if let objection = objection(to: command, at: now.instant) {
            return report(.warning, "not done: \(objection)", &effects)
        }
        switch command {
        case .promote(let acceptLoss):
            bid = nil
            begin(
                Bid(
                    phase: .veto, reason: reason, isAutomatic: false,
                    until: now.instant + Limits.commandTimeout,
                    acceptsLoss: acceptLoss && !isKnownToHaveAll), now, &effects)
        case .switchover: handOver = .draining(until: now.instant + Limits.drainTimeout)
        case .runAlone: runAlone(reason, now, &effects)
        case .fence: raiseFence(reason, now, &effects)
        case .liftFence:
            fence = nil
            effects.append(.persistFence(nil))
        case .pause(let until): pause(until, reason, now, &effects)
        case .resume: pause(.zero, reason, now, &effects)
        case .giveWay: giveWay(&effects)
        case .reseed:
            isFollowing = false
            effects.append(.emptyStore(keepingOld: true, reason: reason))
        }
    }

    /// A reign of its own, marked as an override: whoever reigned beside it finds out.
    private mutating func runAlone(
        _ reason: String, _ now: Now, _ effects: inout [Effect]
    ) {
        if role == .primary { effects.append(.abandonWrites(reason: "a new epoch begins")) }
        record = ClusterRecord(
            cluster: options.cluster, version: record.version + 1, epoch: nextEpoch,
            primary: options.identity.node, inSync: [options.identity], since: durable)
        effects.append(.persist(record))
        standbyMark = StandbyMark(durable: logEnd.sequence, offset: logEndOffset)
        becomePrimary(reason: reason, isOverride: true, now, &effects)
        runsAlone = true
        regreet(&effects)
    }

    private mutating func raiseFence(
        _ reason: String, _ now: Now, _ effects: inout [Effect]
    ) {
        fence = reason
        effects.append(.persistFence(reason))
        bid = nil
        guard role == .primary else { return }
        let epoch = record.epoch
        stepDown("fenced by an operator: \(reason)", &effects)
        if options.hasArbiter { ask(.release(epoch: epoch), now, &effects) }
    }

    private mutating func pause(
        _ until: Instant, _ reason: String, _ now: Now, _ effects: inout [Effect]
    ) {
        pause(until, reason, &effects)
        if isLinked { effects.append(.send(.pause(until.since(now.instant)))) }
    }

    /// Durable before it counts, so that a restart does not end it.
    mutating func pause(_ until: Instant, _ reason: String, _ effects: inout [Effect]) {
        pausedUntil = until
        effects.append(.persistPause(until: until, reason: reason))
    }

    /// The record that both agree on names the peer; what this log has beyond the fork goes to
    /// quarantine when the peer leads.
    private mutating func giveWay(_ effects: inout [Effect]) {
        guard let peer = peerHello else { return }
        record = ClusterRecord(
            cluster: options.cluster, version: max(record.version, peer.record.version) + 1,
            epoch: max(record.epoch, peer.record.epoch), primary: peer.identity.node,
            inSync: [peer.identity], since: peer.logEnd)
        effects.append(.persist(record))
        conflict = nil
        effects.append(.persistConflict(nil))
        effects.append(.closeLink(reason: "this node gives way to \(peer.identity.node)"))
    }
}
