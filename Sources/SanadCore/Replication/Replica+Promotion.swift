// The way to the primary role: who may go it, and the steps with an arbiter and without.

extension Replica {
    // MARK: Who may

    /// True when nothing but the grant keeps this node from promoting itself.
    var mayPromoteItself: Bool {
        options.failoverMode != .manual && role != .primary && isSound
            && record.primary == options.peer && isSafeToPromote
    }

    /// Nothing of the store is missing, and no operator's word stands against this node.
    var isSound: Bool {
        storeProblem == nil && fence == nil && conflict == nil && hasAllRecords
    }

    /// False when the primary, or the arbiter, has told of a commit that this log does not reach:
    /// the disk was restored from an older copy, say, and the record does not know.
    private var hasAllAcknowledged: Bool {
        !lacksByArbiter && isOfHistory(of: record)
            && durable.sequence.advanced(by: options.lossAllowed) >= committedByPrimary
    }

    /// False for a log of reigns before the one in which `record` was made: an older copy of another
    /// history may well have the higher sequence.
    private func isOfHistory(of record: ClusterRecord) -> Bool {
        durable.epoch >= record.since.epoch
    }

    /// True when no acknowledged write, or in `async` no more of them than `failover.max_loss`, can
    /// be missing at this node, by what it knows.
    ///
    /// A node that was primary itself does not know: its peer may have taken over and acknowledged
    /// writes since.
    public var isSafeToPromote: Bool {
        record.primary == options.peer && record.isInSync(options.identity) && hasAllAcknowledged
    }

    // MARK: Unconfirmed

    /// A node without a role looks for one: the record, the arbiter and the peer decide.
    mutating func seekRole(_ now: Now, _ effects: inout [Effect]) {
        guard role == .unconfirmed, conflict == nil, handOver == nil else { return }
        guard let primary = record.primary else { return chooseFirst(now, &effects) }
        if primary == options.peer {
            let isConfirmed = isLinked || (arbiter.view.map { $0.record == record } ?? false)
            if isConfirmed {
                becomeStandby("\(primary) is primary of epoch \(record.epoch)", &effects)
            }
            return
        }
        guard isSound, record.isInSync(options.identity) else {
            guard isLinked else { return }
            return reportOnce(
                .warning,
                "this node is named primary and may not be: \(whyNotSound); waiting for "
                    + "\(options.peer) to take the role", &effects)
        }
        // An operator's word goes its own way, whatever the arbiter has forgotten.
        guard proposal == nil, now.instant >= retryAt, bid?.acceptsLoss != true else { return }
        if isArbiterAway(now) || isArbiterBehind {
            bid = nil
            guard let peer = peerHello else { return }
            guard !lacksByArbiter else {
                return reportOnce(
                    .warning,
                    "this node lacks acknowledged writes: the arbiter told of \(toldByArbiter), and "
                        + "durable here is \(durable.sequence); an operator has to decide",
                    &effects)
            }
            propose(
                takeOver(reason: "restart, confirmed by \(peer.identity.node)", now), &effects)
        } else if bid == nil {
            begin(
                Bid(phase: .veto, reason: "restart, confirmed by the arbiter", isAutomatic: false),
                now, &effects)
        }
    }

    private var whyNotSound: String {
        if let problem = storeProblem ?? fence ?? conflict { return problem }
        return switch repair {
        case nil: "its store is not the one that was primary"
        case .seed(nil, _, _, _):
            "its store was emptied and waits for a snapshot (if that of \(options.peer) was, too: "
                + "read \"Both stores were emptied\" in OPERATIONS.md)"
        default: "its store is being repaired"
        }
    }

    /// When `seekRole` has to look again although nothing happens.
    var seekDeadline: Instant {
        guard options.hasArbiter, bid != nil || proposal != nil else { return retryAt }
        return max(arbiter.heard + options.timing.lease, retryAt)
    }

    /// A new cluster: both nodes are empty, and the configuration says who begins.
    private mutating func chooseFirst(_ now: Now, _ effects: inout [Effect]) {
        guard let peer = peerHello, peer.record.primary == nil, proposal == nil, fence == nil,
            now.instant >= retryAt
        else { return }
        // A cluster whose two stores are empty can be an old one: the arbiter would know.
        if options.hasArbiter, arbiter.view == nil {
            return reportOnce(
                .notice, "a new cluster waits for its arbiter's first answer", &effects)
        }
        guard repair == nil else {
            return reportOnce(
                .error,
                "this store was emptied and waits for a snapshot, and \(options.peer) has "
                    + "none: read \"Both stores were emptied\" in OPERATIONS.md", &effects)
        }
        switch (options.isInitialPrimary, peer.isInitialPrimary) {
        case (true, true):
            reportOnce(.error, "both nodes have node.initial_role primary; change one", &effects)
        case (false, false):
            reportOnce(.error, "no node has node.initial_role primary; set it on one", &effects)
        case (false, true): break
        case (true, false):
            guard logEnd == .origin, peer.logEnd == .origin else {
                return reportOnce(
                    .error, "a new cluster begins with two empty stores", &effects)
            }
            let both = [options.identity, peer.identity]
            let first = ClusterRecord(
                cluster: options.cluster, version: record.version + 1, epoch: record.epoch.next,
                primary: options.identity.node,
                inSync: options.listsStandby ? both : [options.identity], since: logEnd)
            propose(
                Proposal(
                    record: first, purpose: .takeRole(reason: "new cluster"), sent: now.instant),
                &effects)
        }
    }

    private func takeOver(reason: String, _ now: Now) -> Proposal {
        var next = record
        next.version += 1
        next.epoch = nextEpoch
        next.primary = options.identity.node
        next.since = durable
        if !options.listsStandby { next.inSync = [options.identity] }
        return Proposal(record: next, purpose: .takeRole(reason: reason), sent: now.instant)
    }

    // MARK: Bids

    mutating func promoteIfDue(_ now: Now, _ effects: inout [Effect]) {
        guard bid == nil, mayPromoteItself, grant.hasExpired(at: now.instant),
            now.instant >= max(retryAt, pausedUntil)
        else { return }
        let reason = "no heartbeat from \(options.peer), grant expired"
        guard options.failoverMode == .automatic else {
            guard wouldBeGiven(now) else { return }
            return reportOnce(
                .warning, "observing: this node would have promoted itself: \(reason)", &effects)
        }
        begin(Bid(phase: .veto, reason: reason), now, &effects)
    }

    /// What is known of the arbiter says that it would give the role to this node now.
    private func wouldBeGiven(_ now: Now) -> Bool {
        guard options.hasArbiter else { return true }
        guard let view = arbiter.view, isArbiterReachable(at: now.instant) else { return false }
        return view.remaining == .zero && view.record.isInSync(options.identity)
            && !record.isNewer(than: view.record)
    }

    /// Starts towards the role; the first step is the veto command's word, where there is one.
    mutating func begin(_ new: Bid, _ now: Now, _ effects: inout [Effect]) {
        bid = new
        if options.hasVeto, new.isAutomatic {
            effects.append(.askVeto(reason: new.reason))
        } else {
            proceed(now, &effects)
        }
    }

    mutating func vetoAnswered(_ objection: String?, _ now: Now, _ effects: inout [Effect]) {
        guard case .veto? = bid?.phase else { return }
        guard let objection else { return proceed(now, &effects) }
        bid = nil
        retryAt = now.instant + Limits.vetoPause
        report(.warning, "not promoted: the veto command said no: \(objection)", &effects)
    }

    private mutating func proceed(_ now: Now, _ effects: inout [Effect]) {
        guard let asked = bid else { return }
        guard !isHeldBack(asked, now) else { return dropBid(now, &effects) }
        guard grant.hasExpired(at: now.instant) else {
            bid?.phase = .waiting(until: grant.expires)
            return
        }
        guard options.hasArbiter else {
            bid = nil
            return takeRole(
                by: asked, after: nil, recordOf(asked, after: record), now, &effects)
        }
        bid?.phase = .reading(sent: now.instant)
        ask(.read, now, &effects)
    }

    private func recordOf(_ bid: Bid, after present: ClusterRecord) -> ClusterRecord {
        var members = [options.identity]
        if let peer = bid.keepsPeer { members.append(peer) }
        // Who takes up its own role again leaves the list as it is: the other has what was
        // acknowledged.
        if record.primary == options.identity.node, options.listsStandby, !bid.acceptsLoss {
            members = record.inSync
        }
        return ClusterRecord(
            cluster: options.cluster, version: max(record.version, present.version) + 1,
            epoch: max(nextEpoch, present.epoch.next), primary: options.identity.node,
            inSync: members, since: durable)
    }

    var bidDeadline: Instant {
        switch bid?.phase {
        case nil, .veto: .never
        case .reading(let sent), .changing(_, _, _, let sent): sent + Limits.arbiterPatience
        case .waiting(let until): until
        }
    }

    /// Asks again what was not answered.
    mutating func advanceBid(_ now: Now, _ effects: inout [Effect]) {
        guard let bid, now.instant >= bidDeadline else { return }
        switch bid.phase {
        case .veto: break
        case .reading, .waiting: proceed(now, &effects)
        case .changing(let record, let expected, let first, _):
            // The change that was asked for may still be made: then the record names this node, and
            // it takes the role up as after a restart.
            guard !isHeldBack(bid, now) else { return dropBid(now, &effects) }
            self.bid?.phase = .changing(
                record, expected: expected, first: first, sent: now.instant)
            ask(
                .change(expected: expected, record: record, committed: knownMark), now, &effects)
        }
    }

    mutating func settleBid(
        _ answer: ArbiterAnswer, _ now: Now, _ effects: inout [Effect]
    ) {
        guard let asked = bid else { return }
        switch asked.phase {
        case .veto, .waiting: return
        case .reading(let sent):
            guard answer.echo >= sent else { return }
            guard !isHeldBack(asked, now) else { return dropBid(now, &effects) }
            apply(answer.view, to: asked, now, &effects)
        case .changing(let record, let expected, _, _):
            if answer.view.record == record {
                // The peer may have told of a later reign meanwhile, one that an operator began.
                guard !self.record.isNewer(than: record) else { return giveUp(now) }
                bid = nil
                return takeRole(by: asked, after: answer, record, now, &effects)
            }
            if answer.view.record.version > expected { return giveUp(now) }
            if answer.outcome == .leaseHeld {
                let wait = max(answer.view.remaining, Span.milliseconds(10))
                bid?.phase = .waiting(
                    until: now.instant + min(wait, options.timing.heartbeat))
            }
        }
    }

    /// A pause, or the end of an operator's word, ends a bid before its next question.
    private func isHeldBack(_ bid: Bid, _ now: Now) -> Bool {
        now.instant >= bid.until || (bid.isAutomatic && now.instant < pausedUntil)
    }

    private mutating func dropBid(_ now: Now, _ effects: inout [Effect]) {
        report(
            .warning,
            bid?.isAutomatic == true
                ? "not promoted: automatic promotion is paused"
                : "not promoted within \(Limits.commandTimeout.wholeMilliseconds) ms of the command; "
                    + "give it again if it still holds", &effects)
        giveUp(now)
    }

    /// An epoch counts as used once it was asked for: the request may still be accepted, late.
    mutating func askFor(_ epoch: Epoch, _ effects: inout [Effect]) {
        guard epoch > epochAsked else { return }
        epochAsked = epoch
        effects.append(.persistEpoch(epoch))
    }

    private mutating func giveUp(_ now: Now) {
        bid = nil
        retryAt = now.instant + options.timing.heartbeat
    }

    /// The arbiter's record is known: is this node one that may have the role?
    private mutating func apply(
        _ view: ArbiterView, to asked: Bid, _ now: Now, _ effects: inout [Effect]
    ) {
        let theirs = view.record
        guard !record.isNewer(than: theirs) || asked.acceptsLoss else {
            giveUp(now)
            return reportOnce(
                .warning,
                "not promoted: the arbiter's record is of epoch \(theirs.epoch), version "
                    + "\(theirs.version), this node's of \(record.epoch), \(record.version); "
                    + "an operator has to decide", &effects)
        }
        let isNamed =
            theirs.isInSync(options.identity) && isOfHistory(of: theirs)
            && durable.sequence.value + options.lossAllowed >= view.committed.value
            && durable.sequence.value + options.lossAllowed >= committedByPrimary.value
        guard grant.hasExpired(at: now.instant) else { return giveUp(now) }
        guard !owesWait(theirs, now) else { return }
        guard isNamed || asked.acceptsLoss else {
            giveUp(now)
            return reportOnce(
                .warning,
                "not promoted: by the arbiter's record this node can lack acknowledged writes "
                    + "(committed \(view.committed), durable here \(durable.sequence))", &effects)
        }
        if theirs.isNewer(than: record) { adopt(theirs, &effects) }
        let new = recordOf(asked, after: theirs)
        askFor(new.epoch, &effects)
        bid?.phase = .changing(
            new, expected: theirs.version, first: now.instant, sent: now.instant)
        ask(.change(expected: theirs.version, record: new, committed: knownMark), now, &effects)
    }

    /// An arbiter that knows less than this node has lost its store, and with it whom it gave a lease
    /// last: what it gave before this node saw that is waited out here.
    private mutating func owesWait(_ theirs: ClusterRecord, _ now: Now) -> Bool {
        guard record.isNewer(than: theirs) else { return false }
        let end = (arbiter.behindSince ?? now.instant) + options.timing.grantWait
        guard now.instant < end else { return false }
        bid?.phase = .waiting(until: end)
        return true
    }

    /// A sign of life of the present primary ends a bid, unless its outcome is still unknown.
    ///
    /// - Returns: whether a grant may be given.
    mutating func yieldsBid(_ now: Now) -> Bool {
        guard let bid else { return true }
        if case .changing(_, _, let first, _) = bid.phase,
            now.instant < first + Limits.arbiterPatience
        {
            return false
        }
        self.bid = nil
        return true
    }

    // MARK: Taking it

    /// The record is this node's: persist it, begin the reign, lead.
    mutating func takeRole(
        by bid: Bid, after answer: ArbiterAnswer?, _ new: ClusterRecord, _ now: Now,
        _ effects: inout [Effect]
    ) {
        let isReclaim = record.primary == options.identity.node
        record = new
        effects.append(.persist(new))
        standbyMark =
            isReclaim
            ? standbyMark
            : StandbyMark(
                durable: logEnd.sequence, offset: logEndOffset)
        becomePrimary(
            reason: bid.reason, isOverride: bid.acceptsLoss, now, &effects)
        if let answer, answer.outcome == .changed {
            lease.arbiterGranted(sent: answer.echo, length: length(of: answer))
        }
        regreet(&effects)
    }

    /// What the peer's greeting told has changed: it has to greet again.
    mutating func regreet(_ effects: inout [Effect]) {
        if case .down = link { return }
        effects.append(.closeLink(reason: "this node became primary"))
    }
}
