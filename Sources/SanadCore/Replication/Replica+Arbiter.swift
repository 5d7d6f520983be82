// The arbiter: questions, and what follows from its answers.

extension Replica {
    mutating func ask(_ kind: ArbiterRequest.Kind, _ now: Now, _ effects: inout [Effect]) {
        effects.append(
            .ask(
                ArbiterRequest(
                    cluster: options.cluster, identity: options.identity, sent: now.instant,
                    wait: options.timing.grantWait, kind: kind)))
    }

    /// Who is not primary looks now and then: the record may name another primary, or this node.
    mutating func askArbiterIfDue(_ now: Now, _ effects: inout [Effect]) {
        guard options.hasArbiter, role != .primary, now.instant >= arbiter.readDue else { return }
        arbiter.readDue = now.instant + options.timing.heartbeat
        ask(.read, now, &effects)
    }

    /// No answer for so long that the peer's word has to do.
    func isArbiterAway(_ now: Now) -> Bool {
        !options.hasArbiter || now.instant >= arbiter.heard + options.timing.lease
    }

    /// The arbiter knows less than this node: its store was lost, or it was away while the two
    /// nodes agreed. Nobody takes a role by its word then.
    var isArbiterBehind: Bool {
        arbiter.view.map { record.isNewer(than: $0.record) } ?? false
    }

    mutating func heard(_ answer: ArbiterAnswer, _ now: Now, _ effects: inout [Effect]) {
        guard options.hasArbiter, answer.echo <= now.instant else { return }
        if case .refused(let reason) = answer.outcome {
            arbiter.problem = reason
            return reportOnce(.error, "the arbiter refuses this node: \(reason)", &effects)
        }
        guard answer.view.record.cluster == options.cluster else { return }
        arbiter.heard = now.instant
        arbiter.problem = nil
        keepMark(of: answer.view)
        // Answers overtake each other; an older one is news only when it tells of something newer.
        let isLatest = answer.echo >= arbiter.asked
        let isNews =
            isLatest || arbiter.view.map { answer.view.record.isNewer(than: $0.record) } ?? true
        if isNews { arbiter.view = answer.view }
        if isLatest { arbiter.asked = answer.echo }
        arbiter.behindSince = isArbiterBehind ? arbiter.behindSince ?? now.instant : nil
        // First the questions that are open, while the record is still what they were about.
        settleChange(answer, now, &effects)
        settleBid(answer, now, &effects)
        settleRelease(answer, now, &effects)
        if isNews { learn(answer.view.record, now, &effects) }
        if answer.outcome == .granted, role == .primary, answer.view.record.epoch == record.epoch,
            answer.view.record.primary == options.identity.node
        {
            lease.arbiterGranted(sent: answer.echo, length: length(of: answer))
        }
    }

    private mutating func keepMark(of view: ArbiterView) {
        let epoch = view.record.epoch
        var mark = arbiter.mark ?? (epoch, view.committed)
        if epoch > mark.epoch { mark = (epoch, view.committed) }
        if epoch == mark.epoch { mark.committed = max(mark.committed, view.committed) }
        arbiter.mark = mark
        // Asked for without this knowledge, the next reign does not wipe it out.
        guard case .takeRole? = proposal?.purpose, let asked = proposal?.record, lacksByArbiter
        else { return }
        arbiter.mark?.epoch = max(mark.epoch, asked.epoch)
    }

    /// What the arbiter told of commits, unless a later reign has begun since: that one had them, or
    /// an operator accepted the loss.
    var toldByArbiter: Sequence {
        guard let mark = arbiter.mark, mark.epoch >= record.epoch else { return .zero }
        return mark.committed
    }

    /// The disk was restored from an older copy, say, and the record does not know.
    var lacksByArbiter: Bool {
        durable.sequence.advanced(by: options.lossAllowed) < toldByArbiter
    }

    /// The arbiter's word on the record is the last one.
    private mutating func learn(
        _ theirs: ClusterRecord, _ now: Now, _ effects: inout [Effect]
    ) {
        if runsAlone, theirs.primary != options.identity.node, theirs.version >= record.version {
            return enterConflict(
                "this node was told to run alone, and the arbiter's record names "
                    + "\(theirs.primary?.text ?? "nobody") primary of epoch \(theirs.epoch)",
                &effects)
        }
        guard record.isNewer(than: theirs) else {
            if theirs != record { adopt(theirs, &effects) }
            return
        }
        guard role == .primary, change == nil, isUnopposed(now) else { return }
        var next = record
        next.version = max(record.version, theirs.version + 1)
        change = RecordChange(
            record: next, expected: theirs.version, purpose: .push, sent: now.instant)
        askForChange(now, &effects)
    }

    /// Nobody can have taken the role from this primary: an arbiter that has forgotten everything
    /// may be told that it is primary. An operator who has it run alone has decided that.
    private func isUnopposed(_ now: Now) -> Bool { runsAlone || lease.holds(at: now.instant) }

    /// Takes over a newer record: it was durable at the arbiter or the peer, so it holds.
    mutating func adopt(_ newer: ClusterRecord, _ effects: inout [Effect]) {
        let epoch = record.epoch
        record = newer
        proposal = nil
        effects.append(.persist(newer))
        let named = newer.primary
        let words = "\(named?.text ?? "nobody") is primary of epoch \(newer.epoch)"
        switch role {
        case .primary:
            if named != options.identity.node || newer.epoch != epoch { stepDown(words, &effects) }
        case .standby:
            // The arbiter took a late change of this node: it has the role when it asks again.
            if named == options.identity.node { leaveStandby(words, &effects) }
        case .unconfirmed: break
        }
    }

    func length(of answer: ArbiterAnswer) -> Span {
        min(answer.leaseLength ?? options.timing.lease, options.timing.lease)
    }

    /// What a change tells the arbiter of commits: all that is known to be, of what is durable here.
    /// When a new reign begins it is the mark from then on, so that a loss which an operator
    /// accepted, or `failover.max_loss` allows, is not looked for again.
    var knownMark: Sequence {
        min(max(arbiter.view?.committed ?? .zero, committed), durable.sequence)
    }

    // MARK: Changes of the primary

    mutating func askForChange(_ now: Now, _ effects: inout [Effect]) {
        guard let change else { return }
        self.change?.sent = now.instant
        ask(
            .change(expected: change.expected, record: change.record, committed: knownMark), now,
            &effects)
    }

    /// The same question again when no answer came: the outcome must be known before another.
    mutating func repeatChange(_ now: Now, _ effects: inout [Effect]) {
        if now.instant >= changeDeadline { askForChange(now, &effects) }
    }

    var changeDeadline: Instant { change.map { $0.sent + Limits.arbiterPatience } ?? .never }

    private mutating func settleChange(
        _ answer: ArbiterAnswer, _ now: Now, _ effects: inout [Effect]
    ) {
        guard role == .primary, let asked = change else { return }
        if answer.view.record == asked.record { return didChange(asked, answer, &effects) }
        if runsAlone, answer.outcome == .leaseHeld, isRenewed(answer, now) {
            return enterConflict(
                "this node was told to run alone, and \(options.peer) goes on renewing the "
                    + "arbiter's lease as primary of epoch \(answer.view.record.epoch)", &effects)
        }
        let version = answer.view.record.version
        guard version > asked.expectedHighest else {
            // The arbiter is behind what this primary knows: the change brings it up to date, too.
            guard version != asked.expected, answer.echo >= asked.sent, isUnopposed(now) else {
                return
            }
            change?.expected = version
            return askForChange(now, &effects)
        }
        // Beyond every version that was to be replaced, no copy of the question can be accepted.
        change = nil
        if asked.purpose == .join { isJoining = false }
    }

    /// The lease that holds a change up ends much later than it was to end: its holder is alive.
    ///
    /// An arbiter that has just started waits once without a holder, hence "much"; and what was
    /// heard before a silence says nothing.
    private mutating func isRenewed(_ answer: ArbiterAnswer, _ now: Now) -> Bool {
        let wait = options.timing.grantWait
        guard let held = change?.held, answer.echo < held.heard + wait else {
            change?.held = (now.instant + answer.view.remaining, now.instant)
            return false
        }
        change?.held?.heard = now.instant
        // Counted from the question, so that a slow answer does not look like a renewal.
        return answer.echo + answer.view.remaining > held.until + wait + wait
    }

    private mutating func didChange(
        _ asked: RecordChange, _ answer: ArbiterAnswer, _ effects: inout [Effect]
    ) {
        change = nil
        if answer.outcome == .changed {
            lease.arbiterGranted(sent: answer.echo, length: length(of: answer))
        }
        if record != asked.record {
            record = asked.record
            effects.append(.persist(record))
            if isLinked { effects.append(.send(.record(record))) }
        }
        switch asked.purpose {
        case .push: runsAlone = false
        case .join:
            isJoining = false
            runsAlone = false
            report(.notice, "\(options.peer) is in sync again from \(record.since)", &effects)
        case .degrade: degraded(&effects)
        }
    }
}
