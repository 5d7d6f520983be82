// The first words of a connection: who is who, which record holds, who leads.

extension Replica {
    mutating func greet(_ now: Now, _ effects: inout [Effect]) {
        link = .greeting(since: now.instant)
        proposal = nil
        boundaryQuestion = nil
        isFollowing = false
        effects.append(.send(.hello(hello)))
    }

    private var hello: Hello {
        Hello(
            oldestProtocol: Message.protocolVersions.lowerBound,
            newestProtocol: Message.protocolVersions.upperBound, identity: options.identity,
            record: record, logEnd: logEnd,
            history: history.suffix(Limits.historyEntriesMaximum).map { entry in
                var entry = entry
                entry.reason = ""
                return entry
            }, isInitialPrimary: options.isInitialPrimary, lease: options.timing.lease,
            grantWait: options.timing.grantWait)
    }

    mutating func linkWentDown(_ effects: inout [Effect]) {
        link = .down
        proposal = nil
        boundaryQuestion = nil
        isFollowing = false
        shipper.stop()
        // The record was not changed yet, so acknowledgements may go back to one site.
        isJoining = false
    }

    mutating func receive(_ message: Message, _ now: Now, _ effects: inout [Effect]) {
        if case .hello(let hello) = message { return met(hello, now, &effects) }
        guard case .open(let peer) = link else {
            return drop("the peer spoke before it greeted", &effects)
        }
        switch message {
        case .hello: preconditionFailure("handled above")
        case .refusal(let reason):
            effects.append(.peerRefused)
            effects.append(.closeLink(reason: "the peer refused this node: \(reason)"))
        case .proposal(let record): consider(record, from: peer, now, &effects)
        case .proposalAnswer(let answer): proposalAnswered(answer, now, &effects)
        case .lead(let lead): beLed(lead, by: peer, &effects)
        case .resume(let position): resume(position, now, &effects)
        case .diverged(let reason):
            shipper.probe()
            report(.error, "the standby cannot follow: \(reason)", &effects)
        case .heartbeat(let heartbeat): answer(heartbeat, from: peer, now, &effects)
        case .heartbeatAnswer(let answer): granted(answer, now, &effects)
        case .progress(let progress): heard(progress, &effects)
        case .commit(let sequence): learnCommitted(sequence, &effects)
        }
    }

    /// Ends a connection whose peer broke the protocol.
    func drop(_ reason: String, _ effects: inout [Effect]) {
        effects.append(.closeLink(reason: reason))
    }

    private mutating func met(_ peer: Hello, _ now: Now, _ effects: inout [Effect]) {
        guard case .greeting = link else { return drop("the peer greeted twice", &effects) }
        if let reason = objection(to: peer) {
            report(.error, "refused the peer: \(reason)", &effects)
            effects.append(.send(.refusal(reason)))
            effects.append(.peerRefused)
            effects.append(.closeLink(reason: reason))
            return
        }
        link = .open(peer)
        if record.version == peer.record.version, record != peer.record {
            return metAnotherPrimary(peer, &effects)
        }
        if peer.record.version > record.version { adopt(peer.record, &effects) }
        chooseRole(peer, now, &effects)
    }

    private func objection(to peer: Hello) -> String? {
        let own = Message.protocolVersions
        if peer.newestProtocol < own.lowerBound || peer.oldestProtocol > own.upperBound {
            return "protocol versions \(peer.oldestProtocol)-\(peer.newestProtocol) there, "
                + "\(own.lowerBound)-\(own.upperBound) here; upgrade the older node"
        }
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
        return nil
    }

    /// Two different records with one version: an operator's override made two primaries.
    private mutating func metAnotherPrimary(_ peer: Hello, _ effects: inout [Effect]) {
        let problem =
            "both nodes changed the cluster record (version \(record.version)): "
            + "\(peer.identity.node) was made primary of epoch \(peer.record.epoch) and this node's "
            + "record names \(record.primary?.text ?? "nobody") of epoch \(record.epoch)"
        storeFailed(problem, &effects)
        effects.append(.closeLink(reason: problem))
    }

    /// Takes over a newer record: it was durable at the peer, so it holds.
    private mutating func adopt(_ newer: ClusterRecord, _ effects: inout [Effect]) {
        record = newer
        effects.append(.persist(newer))
        if role == .primary {
            stepDown(
                "\(newer.primary?.text ?? "nobody") is primary of epoch \(newer.epoch)", &effects)
        }
    }

    private mutating func chooseRole(_ peer: Hello, _ now: Now, _ effects: inout [Effect]) {
        if role == .primary { return lead(peer, now, &effects) }
        guard let primary = record.primary else { return chooseFirst(peer, &effects) }
        if primary == peer.identity.node {
            becomeStandby("\(primary) is primary of epoch \(record.epoch)", &effects)
        } else if record.isInSync(options.identity) {
            propose(takeOver(reason: "restart, confirmed by \(peer.identity.node)"), &effects)
        } else {
            becomeStandby(
                "this node's store is not the one that was primary; waiting for "
                    + "\(peer.identity.node) to take the role", &effects)
        }
    }

    /// A new cluster: both nodes are empty, and the configuration says who begins.
    private mutating func chooseFirst(_ peer: Hello, _ effects: inout [Effect]) {
        switch (options.isInitialPrimary, peer.isInitialPrimary) {
        case (true, true):
            report(.error, "both nodes have node.initial_role primary; change one", &effects)
        case (false, false):
            report(.error, "no node has node.initial_role primary; set it on one", &effects)
        case (false, true): break
        case (true, false):
            guard logEnd == .origin, peer.logEnd == .origin else {
                return report(.error, "a new cluster begins with two empty stores", &effects)
            }
            let both = [options.identity, peer.identity]
            let first = ClusterRecord(
                cluster: options.cluster, version: record.version + 1, epoch: record.epoch.next,
                primary: options.identity.node,
                inSync: options.mode == .sync ? both : [options.identity], since: logEnd)
            propose(Proposal(record: first, purpose: .takeRole(reason: "new cluster")), &effects)
        }
    }

    private func takeOver(reason: String) -> Proposal {
        var next = record
        next.version += 1
        next.epoch = nextEpoch
        next.primary = options.identity.node
        next.since = logEnd
        if options.mode == .async { next.inSync = [options.identity] }
        return Proposal(record: next, purpose: .takeRole(reason: reason))
    }

    mutating func propose(_ new: Proposal, _ effects: inout [Effect]) {
        proposal = new
        effects.append(.send(.proposal(new.record)))
    }

    /// The peer wants to change the record. Durable here before the answer.
    private mutating func consider(
        _ proposed: ClusterRecord, from peer: Hello, _ now: Now, _ effects: inout [Effect]
    ) {
        if let refusal = refusal(of: proposed, from: peer) {
            report(.warning, "refused \(peer.identity.node)'s proposal: \(refusal)", &effects)
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
        if proposed.version <= record.version {
            return "version \(proposed.version) is not newer than \(record.version)"
        }
        let isBehind =
            (proposed.since.epoch, proposed.since.sequence) < (logEnd.epoch, logEnd.sequence)
        if proposed.epoch > record.epoch, record.isInSync(options.identity), isBehind {
            return "this node's log reaches \(logEnd), the proposer's only \(proposed.since): "
                + "it has lost acknowledged records"
        }
        return nil
    }

    private mutating func proposalAnswered(
        _ answer: ProposalAnswer, _ now: Now, _ effects: inout [Effect]
    ) {
        guard let asked = proposal, asked.record.version == answer.version else { return }
        proposal = nil
        if let refusal = answer.refusal {
            return report(.warning, "the peer refused the cluster record: \(refusal)", &effects)
        }
        guard case .takeRole(let reason) = asked.purpose else { return }
        record = asked.record
        effects.append(.persist(record))
        becomePrimary(reason: reason, now, &effects)
        if case .open(let peer) = link { lead(peer, now, &effects) }
    }
}
