// The first words of a connection: who is who, which record holds, who leads.

extension Replica {
    mutating func greet(_ now: Now, _ effects: inout [Effect]) {
        link = .greeting(since: now.instant)
        session += 1
        saidLast = nil
        proposal = nil
        boundaryQuestion = nil
        isFollowing = false
        isResumeDue = false
        isGreetingStale = false
        isLed = false
        pagesOfOldLink = pagesLoading
        effects.append(.send(.hello(hello)))
    }

    private var hello: Hello {
        Hello(
            versions: ProtocolRange(
                oldest: Message.protocolVersions.lowerBound,
                newest: Message.protocolVersions.upperBound), identity: options.identity,
            record: record, logEnd: logEnd,
            history: history.suffix(Limits.historyEntriesMaximum).map { entry in
                var entry = entry
                entry.reason = ""
                return entry
            }, isInitialPrimary: options.isInitialPrimary, isPrimary: role == .primary,
            isInConflict: conflict != nil, lease: options.timing.lease,
            grantWait: options.timing.grantWait, mode: options.mode, maxLoss: options.lossAllowed)
    }

    mutating func linkWentDown(_ effects: inout [Effect]) {
        link = .down
        proposal = nil
        boundaryQuestion = nil
        isFollowing = false
        isResumeDue = false
        peerLeaves = false
        heldBackAt = nil
        forgetQuestions()
        standbyProven = .zero
        isLed = false
        shipper.stop()
        // As long as nobody was asked to change the record, acknowledgements may go back to one
        // site; a change whose outcome is unknown may still make the standby one that is counted on.
        if change?.purpose != .join { isJoining = false }
    }

    mutating func receive(_ message: Message, _ now: Now, _ effects: inout [Effect]) {
        if case .hello(let hello) = message { return met(hello, now, &effects) }
        if case .otherProtocol(let versions) = message {
            return refuse(objection(to: versions), &effects)
        }
        guard case .open(let peer) = link else {
            return drop("the peer spoke before it greeted", &effects)
        }
        switch message {
        case .hello, .otherProtocol: preconditionFailure("handled above")
        case .refusal(let reason):
            effects.append(.peerRefused)
            effects.append(.closeLink(reason: "the peer refused this node: \(reason)"))
        case .proposal(let record): consider(record, from: peer, now, &effects)
        case .proposalAnswer(let answer): proposalAnswered(answer, now, &effects)
        case .record(let record): passedOn(record, by: peer, &effects)
        case .lead(let lead): beLed(lead, by: peer, &effects)
        case .resume(let position): resume(position, now, &effects)
        case .diverged(let reason):
            shipper.probe()
            report(.error, "the standby cannot follow: \(reason)", &effects)
        case .heartbeat(let heartbeat): answer(heartbeat, from: peer, now, &effects)
        case .heartbeatAnswer(let answer): granted(answer, now, &effects)
        case .progress(let progress): heard(progress, &effects)
        case .commit(let sequence): learnCommitted(sequence, &effects)
        case .handOver(let handOver): beHandedOver(handOver, by: peer, now, &effects)
        case .handOverRefused(let reason): handOverRefused(reason, &effects)
        case .leave: peerWillLeave(&effects)
        case .pause(let span): bePaused(span, by: peer, now, &effects)
        case .fetch(let names):
            // Who repairs its table has everything up to the bound durable, and may be waited for.
            if role == .primary { standbyProven = leadBound.sequence }
            handOut(names, &effects)
        case .seed(let request): seed(request, &effects)
        case .seeding(let seeding): beSeeded(seeding, &effects)
        case .pageTaken: pageTaken(&effects)
        case .arbiterRequest, .arbiterAnswer: drop("the peer is not an arbiter", &effects)
        }
    }

    private mutating func bePaused(
        _ span: Span, by peer: Hello, _ now: Now, _ effects: inout [Effect]
    ) {
        let until = span == .zero ? .zero : now.instant + min(span, Limits.pauseMaximum)
        // A primary repeats it on each new link; only what differs is written again.
        guard until.since(pausedUntil) > .seconds(1) || pausedUntil.since(until) > .seconds(1)
        else { return }
        pause(until, "told by \(peer.identity.node)", &effects)
    }

    /// Ends a connection whose peer broke the protocol.
    func drop(_ reason: String, _ effects: inout [Effect]) {
        effects.append(.closeLink(reason: reason))
    }

    private mutating func met(_ peer: Hello, _ now: Now, _ effects: inout [Effect]) {
        guard case .greeting = link else { return drop("the peer greeted twice", &effects) }
        if let reason = objection(to: peer) { return refuse(reason, &effects) }
        link = .open(peer)
        if let problem = conflict(with: peer) { return enterConflict(problem, &effects) }
        if isNews(peer.record, from: peer) { adopt(peer.record, &effects) }
        if conflict != nil, record.primary == options.identity.node, !peer.isInConflict,
            peer.record.primary == options.identity.node
        {
            conflict = nil
            effects.append(.persistConflict(nil))
            report(.notice, "\(options.peer) gave way; this node may be primary again", &effects)
        }
        if role == .primary { lead(peer, now, &effects) }
    }

    /// Will not work with this peer, and says so on both sides.
    private func refuse(_ reason: String, _ effects: inout [Effect]) {
        report(.error, "refused the peer: \(reason)", &effects)
        effects.append(.send(.refusal(reason)))
        effects.append(.peerRefused)
        effects.append(.closeLink(reason: reason))
    }

    private func objection(to versions: ProtocolRange) -> String {
        let own = Message.protocolVersions
        return "protocol versions \(versions.oldest)-\(versions.newest) there, "
            + "\(own.lowerBound)-\(own.upperBound) here; upgrade the older node"
    }

    /// A newer record; or, where there is no arbiter to ask, the primary's own one of the very same
    /// version: what an operator had this node write when it gave way can have met a change that the
    /// primary was making.
    private func isNews(_ theirs: ClusterRecord, from peer: Hello) -> Bool {
        if theirs.isNewer(than: record) { return true }
        return !options.hasArbiter && theirs != record && !record.isNewer(than: theirs)
            && theirs.primary == peer.identity.node && record.primary == peer.identity.node
    }

    private func objection(to peer: Hello) -> String? {
        if peer.record.cluster != options.cluster {
            return "cluster \(peer.record.cluster) there, \(options.cluster) here; "
                + "set the same cluster.id on both nodes"
        }
        if peer.identity.node == options.identity.node {
            return "both nodes are named \(options.identity.node); set node.name"
        }
        if peer.identity.node != options.peer {
            return "the peer is \(peer.identity.node), and peer.name says \(options.peer)"
        }
        if peer.lease != options.timing.lease || peer.grantWait != options.timing.grantWait {
            return "failover.lease and failover.drift differ: "
                + "\(peer.lease.wholeMilliseconds) ms, wait "
                + "\(peer.grantWait.wholeMilliseconds) ms there, "
                + "\(options.timing.lease.wholeMilliseconds) ms, wait "
                + "\(options.timing.grantWait.wholeMilliseconds) ms here; set the same on both"
        }
        if peer.mode != options.mode || peer.maxLoss != options.lossAllowed {
            return "replication.mode or failover.max_loss differ: \(peer.mode.rawValue), "
                + "\(peer.maxLoss) there, \(options.mode.rawValue), \(options.lossAllowed) here; "
                + "set the same on both"
        }
        return nil
    }

    // MARK: Two primaries

    /// What is wrong when both nodes were made primary: an operator's override did it, and only an
    /// operator can choose whose writes stay.
    private func conflict(with peer: Hello) -> String? {
        guard record.primary == options.identity.node,
            peer.record.primary == peer.identity.node
        else { return nil }
        let common = commonReign(with: peer)
        let own = history[(common.map { $0.own + 1 } ?? 0)...]
        let theirs = peer.history[(common.map { $0.theirs + 1 } ?? 0)...]
        let haveBothReigned =
            (!own.isEmpty && !theirs.isEmpty) || (role == .primary && peer.isPrimary)
        let isForked = haveBothReigned && (own + theirs).contains { $0.isOverride }
        let isSameVersion =
            !options.hasArbiter && peer.record.version == record.version && peer.record != record
        guard isForked || isSameVersion else { return nil }
        return
            "two primaries: \(peer.identity.node) of epoch \(peer.record.epoch) and this node of "
            + "epoch \(record.epoch); choose with 'sanadctl rejoin' on the one that gives way"
    }

    /// Neither acknowledges any more, also after a restart, until the operator has chosen.
    mutating func enterConflict(_ problem: String, _ effects: inout [Effect]) {
        if conflict == nil {
            conflict = problem
            effects.append(.persistConflict(problem))
            report(.error, problem, &effects)
        }
        bid = nil
        stepDown(problem, &effects)
    }

    // MARK: Changes of the record between the two nodes

    mutating func propose(_ new: Proposal, _ effects: inout [Effect]) {
        proposal = new
        askFor(new.record.epoch, &effects)
        effects.append(.send(.proposal(new.record)))
    }

    /// The peer wants to change the record. Durable here before the answer.
    private mutating func consider(
        _ proposed: ClusterRecord, from peer: Hello, _ now: Now, _ effects: inout [Effect]
    ) {
        if let refusal = refusal(of: proposed, from: peer) {
            reportOnce(
                .warning, "refused \(peer.identity.node)'s proposal: \(refusal)", &effects)
            let answer = ProposalAnswer(version: proposed.version, refusal: refusal)
            effects.append(.send(.proposalAnswer(answer)))
            return
        }
        record = proposed
        effects.append(.persist(proposed))
        grant.give(at: now.instant, wait: options.timing.grantWait)
        becomeStandby("\(peer.identity.node) is primary of epoch \(proposed.epoch)", &effects)
        let answer = ProposalAnswer(version: proposed.version, refusal: nil)
        effects.append(.send(.proposalAnswer(answer)))
    }

    private func refusal(of proposed: ClusterRecord, from peer: Hello) -> String? {
        if proposed.cluster != options.cluster { return "another cluster" }
        if proposed.primary != peer.identity.node { return "it names somebody else primary" }
        if role == .primary { return "this node is primary of epoch \(record.epoch)" }
        if bid != nil { return "this node is about to take the role itself" }
        if conflict != nil { return "two primaries met here, and the operator has not chosen" }
        if proposed.version <= record.version {
            return "version \(proposed.version) is not newer than \(record.version)"
        }
        let isOfThisReign = proposed.epoch == record.epoch && proposed.primary == record.primary
        if !isOfThisReign, proposed.epoch <= max(record.epoch, epochAsked) {
            return "epoch \(proposed.epoch) is not above \(max(record.epoch, epochAsked)), which "
                + "this node knows of"
        }
        if record.primary == nil, repair != nil {
            return "this store was emptied and waits for a snapshot of an older cluster"
        }
        guard proposed.epoch > record.epoch, let mark = markOfLoss(proposed.since, peer) else {
            return nil
        }
        return "this node knows of \(mark), and the proposer's log ends at \(proposed.since): "
            + "it has lost acknowledged records"
    }

    /// What a log that ends at `end` should have and has not, by what this node knows.
    private func markOfLoss(_ end: Position, _ peer: Hello) -> Sequence? {
        let isFromPeer = history.last?.node == peer.identity.node
        // Where there is an arbiter to ask, a log that could be the longer one is doubt enough.
        let isDoubtful = record.isInSync(options.identity) || (options.hasArbiter && isFromPeer)
        if isDoubtful, (end.epoch, end.sequence) < (logEnd.epoch, logEnd.sequence) {
            return logEnd.sequence
        }
        // The record was made by who had this much durable.
        if (end.epoch, end.sequence) < (record.since.epoch, record.since.sequence) {
            return record.since.sequence
        }
        if end.sequence.advanced(by: options.lossAllowed) < toldByArbiter { return toldByArbiter }
        // What the peer itself called committed when it led this node.
        return isFromPeer && end.sequence < committed ? committed : nil
    }

    private mutating func proposalAnswered(
        _ answer: ProposalAnswer, _ now: Now, _ effects: inout [Effect]
    ) {
        guard let asked = proposal, asked.record.version == answer.version else { return }
        proposal = nil
        if let refusal = answer.refusal {
            retryAt = now.instant + options.timing.heartbeat
            return reportOnce(
                .warning, "the peer refused the cluster record: \(refusal)", &effects)
        }
        switch asked.purpose {
        case .join: break
        case .degrade:
            guard role == .primary, asked.record.version > record.version else { return }
            record = asked.record
            effects.append(.persist(record))
            degraded(&effects)
        case .takeRole(let reason):
            guard role == .unconfirmed else { return }
            // It is durable at the peer, whatever happened here meanwhile.
            record = asked.record
            effects.append(.persist(record))
            // The arbiter may have told of more meanwhile.
            guard isSound, !lacksByArbiter else { return }
            becomePrimary(reason: reason, now, &effects)
            guard !isGreetingStale else { return regreet(&effects) }
            if case .open(let peer) = link { lead(peer, now, &effects) }
        }
    }

    /// The primary passes on what the arbiter has taken.
    private mutating func passedOn(
        _ newer: ClusterRecord, by peer: Hello, _ effects: inout [Effect]
    ) {
        guard newer.cluster == options.cluster, newer.primary == peer.identity.node,
            isNews(newer, from: peer)
        else { return }
        adopt(newer, &effects)
        if role == .unconfirmed, conflict == nil {
            becomeStandby("\(peer.identity.node) is primary of epoch \(newer.epoch)", &effects)
        }
    }
}
