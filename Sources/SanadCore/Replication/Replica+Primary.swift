// The primary: epochs, the lease, commits, and leading the standby.

extension Replica {
    /// One more than every epoch this node has ever seen.
    var nextEpoch: Epoch {
        max(record.epoch, epochAsked, max(logEnd.epoch, history.last?.epoch ?? .zero)).next
    }

    /// Begins the reign that `record` gives this node: its first frame goes into the log before
    /// any write.
    mutating func becomePrimary(
        reason: String, isOverride: Bool = false, _ now: Now, _ effects: inout [Effect]
    ) {
        role = .primary
        lease = Lease()
        isFollowing = false
        isJoining = false
        peerLeaves = false
        runsAlone = false
        bid = nil
        change = nil
        proposal = nil
        handOver = nil
        // What this reign does without was given up with somebody's consent.
        committedByPrimary = min(committedByPrimary, logEnd.sequence)
        stall = nil
        heldBackAt = nil
        saidLast = nil
        heartbeatDue = now.instant
        shipper.clear()
        forgetQuestions()
        lagClock = LagClock()
        committedOffset = logEndOffset
        let begins = logEnd
        let start = EpochStart(
            node: options.identity.node, reason: reason, isOverride: isOverride)
        let frame = FrameEncoder.epochStart(
            start, after: begins, epoch: record.epoch, committed: committed,
            logOffset: logEndOffset, wallMilliseconds: now.wallMilliseconds)
        effects.append(.roleChanged(.primary, reason: reason))
        let entry = EpochEntry(
            epoch: record.epoch, node: options.identity.node, begins: begins,
            start: frame.position, wallMilliseconds: now.wallMilliseconds, reason: reason,
            isOverride: isOverride)
        history.append(entry)
        // A frame that is durable is one of a reign that is known.
        effects.append(.remember(entry))
        submitted(frame, now, &effects)
    }

    mutating func stepDown(_ reason: String, _ effects: inout [Effect]) {
        guard role == .primary else { return }
        role = .unconfirmed
        lease = Lease()
        isJoining = false
        runsAlone = false
        proposal = nil
        change = nil
        stall = nil
        forgetQuestions()
        standbyProven = .zero
        commitNoticeDue = .never
        shipper.clear()
        effects.append(.roleChanged(.unconfirmed, reason: reason))
        effects.append(.abandonWrites(reason: reason))
    }

    /// A frame of this primary. It may go out before it is durable here: both fsyncs run side by
    /// side, and it is acknowledged only when both are done.
    mutating func submitted(_ frame: Frame, _ now: Now, _ effects: inout [Effect]) {
        precondition(role == .primary, "only a primary writes frames")
        precondition(frame.header.previous == logEnd.hash, "frames are encoded after the log's end")
        logEnd = frame.position
        logEndOffset = frame.header.logEnd
        lagClock.wrote(frame.header.first, at: now.instant)
        shipper.add(frame)
        pump(&effects)
        effects.append(.append(frame))
        commitNoticeDue = .never
    }

    /// Ships what the window and the standby's record table allow. Only a table that a promotion may
    /// wait for is held close.
    mutating func pump(_ effects: inout [Effect]) {
        shipper.pump(
            durable: durable.sequence,
            applyLagBytes: needsStandby
                ? Limits.applyLagBytesMaximum : Limits.applyLagOutOfSyncBytesMaximum,
            into: &effects)
    }

    mutating func appended(_ position: Position, _ offset: UInt64, _ effects: inout [Effect]) {
        durable = position
        durableOffset = offset
        guard role != .primary else { return }
        if isResumeDue, isLinked, role == .standby { return prepareToFollow(&effects) }
        learnCommitted(min(committedByPrimary, position.sequence), &effects)
        sendProgress(&effects)
    }

    /// Moves the commit mark as far as the rules allow. Without a lease it stays.
    mutating func advanceCommit(_ now: Now, _ effects: inout [Effect]) {
        guard isWritable(at: now.instant) else { return }
        let reached = commitBound
        guard reached > committed else { return }
        committed = reached
        committedOffset = durableOffset
        if needsStandby {
            committedOffset = min(durableOffset, shipper.progress?.durableOffset ?? 0)
        }
        effects.append(.commit(reached))
        commitNoticeDue = now.instant + .milliseconds(5)
    }

    /// What is durable where it has to be.
    private var commitBound: Sequence {
        guard needsStandby else { return durable.sequence }
        let standby = max(shipper.progress?.durable ?? .zero, standbyProven)
        return min(durable.sequence, standby.advanced(by: options.lossAllowed))
    }

    // MARK: Lease

    /// Both granters are asked at the same moment, so that both leases end at the same moment.
    mutating func beatIfDue(_ now: Now, _ effects: inout [Effect]) {
        guard isLinked || options.hasArbiter, now.instant >= heartbeatDue else { return }
        heartbeatDue = now.instant + options.timing.heartbeat
        if options.hasArbiter {
            ask(.renew(epoch: record.epoch, committed: committed), now, &effects)
        }
        guard isLinked else { return }
        let lag = standbyLag(now: now.instant)
        effects.append(
            .send(
                .heartbeat(
                    Heartbeat(
                        epoch: record.epoch, sent: now.instant, logEnd: logEnd.sequence,
                        logEndOffset: logEndOffset, committed: committed,
                        lagNanoseconds: lag?.nanoseconds))))
    }

    /// How far the standby's durable log is behind, by this primary's clock; nil when unknown.
    public mutating func standbyLag(now: Instant) -> Span? {
        guard let standbyMark else { return nil }
        return lagClock.lag(reached: standbyMark.durable, end: logEnd.sequence, now: now)
    }

    mutating func granted(_ answer: HeartbeatAnswer, _ now: Now, _ effects: inout [Effect]) {
        guard role == .primary, answer.epoch == record.epoch else { return }
        // An echo from the future was never sent by this clock.
        guard answer.echo <= now.instant else { return drop("a false echo", &effects) }
        if answer.isGranted {
            lease.standbyGranted(sent: answer.echo, length: options.timing.lease)
        }
        heard(answer.progress, &effects)
    }

    /// The standby says how far it is; it cannot be further than what there is.
    mutating func heard(_ progress: Progress, _ effects: inout [Effect]) {
        guard role == .primary, shipper.isFollowed else { return }
        guard progress.durable <= logEnd.sequence, progress.durableOffset <= logEndOffset,
            progress.applied <= progress.durable, progress.appliedOffset <= logEndOffset
        else { return drop("the standby claims more than this log has", &effects) }
        shipper.update(progress)
        standbyMark = StandbyMark(durable: progress.durable, offset: progress.durableOffset)
    }

    // MARK: Leading

    mutating func lead(_ peer: Hello, _ now: Now, _ effects: inout [Effect]) {
        shipper.probe()
        forgetQuestions()
        standbyProven = .zero
        leadBound = commonBound(with: peer)
        heartbeatDue = now.instant
        if peer.record != record { effects.append(.send(.record(record))) }
        // The standby may have been away when the operator said it.
        if pausedUntil > now.instant {
            effects.append(.send(.pause(pausedUntil.since(now.instant))))
        }
        effects.append(
            .send(
                .lead(
                    Lead(epoch: record.epoch, bound: leadBound, logBegin: logBegin))))
    }

    /// The highest frame boundary that both logs can share: reigns with the same first frame are
    /// the same, and within one reign the shorter log is a beginning of the longer.
    func commonBound(with peer: Hello) -> Position {
        guard let common = commonReign(with: peer) else { return .origin }
        let (own, theirs) = common
        let ownEnd = own + 1 < history.count ? history[own + 1].begins : logEnd
        let theirEnd =
            theirs + 1 < peer.history.count ? peer.history[theirs + 1].begins : peer.logEnd
        return ownEnd.sequence <= theirEnd.sequence ? ownEnd : theirEnd
    }

    /// The last reign that both histories have, as places in them.
    func commonReign(with peer: Hello) -> (own: Int, theirs: Int)? {
        var starts: [Epoch: ChainHash] = [:]
        for entry in peer.history { starts[entry.epoch] = entry.start.hash }
        guard let own = history.lastIndex(where: { starts[$0.epoch] == $0.start.hash }),
            let theirs = peer.history.lastIndex(where: { $0.epoch == history[own].epoch })
        else { return nil }
        return (own, theirs)
    }

    /// The standby says where its log ends.
    mutating func resume(_ position: Position, _ now: Now, _ effects: inout [Effect]) {
        guard role == .primary, shipper.state == .probing else {
            return drop("the peer resumed without being led", &effects)
        }
        if position == logEnd {
            begin(after: position, offset: logEndOffset, &effects)
        } else {
            boundaryQuestion = .resume(position)
            effects.append(.findBoundary(position.sequence))
        }
    }

    mutating func begin(after position: Position, offset: UInt64, _ effects: inout [Effect]) {
        isGreetingStale = true
        shipper.start(after: position, offset: offset)
        standbyMark = StandbyMark(durable: position.sequence, offset: offset)
        report(.notice, "\(options.peer) follows from \(position)", &effects)
    }
}
