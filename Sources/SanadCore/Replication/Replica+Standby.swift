// The standby: granting and following.

extension Replica {
    mutating func becomeStandby(_ reason: String, _ effects: inout [Effect]) {
        guard role != .standby else { return }
        role = .standby
        // A new primary gets as long as a grant lasts to show itself.
        grant.give(at: stepped, wait: options.timing.grantWait)
        handOver = nil
        saidLast = nil
        effects.append(.roleChanged(.standby, reason: reason))
    }

    /// The record names this node: it is nobody's standby any more.
    mutating func leaveStandby(_ reason: String, _ effects: inout [Effect]) {
        role = .unconfirmed
        isFollowing = false
        effects.append(.roleChanged(.unconfirmed, reason: reason))
    }

    // MARK: Granting

    mutating func answer(
        _ heartbeat: Heartbeat, from peer: Hello, _ now: Now, _ effects: inout [Effect]
    ) {
        let isOurs =
            role == .standby && record.primary == peer.identity.node
            && record.epoch == heartbeat.epoch
        let isGranted = isOurs && yieldsBid(now)
        if isOurs {
            primaryMarks = heartbeat
            learnCommitted(heartbeat.committed, &effects)
        }
        if isGranted { grant.give(at: now.instant, wait: options.timing.grantWait) }
        reportedAppliedOffset = appliedOffset
        effects.append(
            .send(
                .heartbeatAnswer(
                    HeartbeatAnswer(
                        epoch: heartbeat.epoch, echo: heartbeat.sent, isGranted: isGranted,
                        progress: progress))))
    }

    var progress: Progress {
        Progress(
            received: logEnd.sequence, durable: durable.sequence, durableOffset: durableOffset,
            applied: applied, appliedOffset: appliedOffset)
    }

    func sendProgress(_ effects: inout [Effect]) {
        if isFollowing { effects.append(.send(.progress(progress))) }
    }

    mutating func didApply(_ sequence: Sequence, _ offset: UInt64, _ effects: inout [Effect]) {
        applied = sequence
        appliedOffset = offset
        finishRepair(&effects)
        // The primary stops at a bound of unapplied bytes, so it hears of progress well before.
        let stride = UInt64(Limits.applyLagBytesMaximum / 16)
        if isFollowing, appliedOffset >= reportedAppliedOffset + stride {
            reportedAppliedOffset = appliedOffset
            sendProgress(&effects)
        }
    }

    // MARK: Following

    mutating func beLed(_ lead: Lead, by peer: Hello, _ effects: inout [Effect]) {
        guard role != .primary, record.primary == peer.identity.node, record.epoch == lead.epoch
        else { return drop("the peer led in an epoch that the record does not name", &effects) }
        becomeStandby("\(peer.identity.node) is primary of epoch \(lead.epoch)", &effects)
        isLed = true
        // What another history called committed holds in this one up to the common history only.
        committedByPrimary = min(committedByPrimary, lead.bound.sequence)
        guard storeProblem == nil else { return }
        guard lead.bound.sequence <= logEnd.sequence else {
            return drop("the peer's bound is beyond this log", &effects)
        }
        if case .seed(_, _, let isLoaded, _) = repair {
            guard !hasRowsOfLostReign(lead, by: peer) else {
                return beginAnew("the primary has lost what it sent rows of", lead, &effects)
            }
            rowsEpoch = lead.epoch
            return isLoaded ? goOnSeeded(lead, &effects) : askForSeed(&effects)
        }
        if lead.bound.sequence < lead.logBegin { return losePlace(lead, &effects) }
        if lead.bound == logEnd, !hasRowsOfOtherReign(lead) { return prepareToFollow(&effects) }
        boundaryQuestion = .fork(lead.bound)
        effects.append(.findBoundary(lead.bound.sequence))
    }

    /// The log has answered where a frame ends.
    mutating func answer(
        _ found: Position?, _ offset: UInt64, _ now: Now, _ effects: inout [Effect]
    ) {
        guard let question = boundaryQuestion else { return }
        boundaryQuestion = nil
        switch question {
        case .resume(let position):
            guard found == position else {
                let reason = "the standby's log ends at \(position), which is not in this log"
                report(.error, reason, &effects)
                effects.append(.send(.refusal(reason)))
                return drop(reason, &effects)
            }
            begin(after: position, offset: offset, &effects)
        case .seed(let request):
            if let found, found == request.base {
                beginSeeding(found, offset, cursor: request.cursor, &effects)
            } else {
                effects.append(.openSnapshot(session: session))
            }
        case .fork(let bound):
            guard found?.hash == bound.hash else {
                return diverge("this log has no frame that ends at \(bound)", &effects)
            }
            cutOff(after: bound, &effects)
        }
    }

    mutating func diverge(_ reason: String, _ effects: inout [Effect]) {
        effects.append(.send(.diverged(reason)))
        storeFailed("\(reason); seed this store anew with 'sanadctl reseed'", &effects)
    }

    /// The primary takes the end that it is told for durable here.
    mutating func followFromHere(_ effects: inout [Effect]) {
        precondition(durable == logEnd, "a standby follows from what is durable")
        isFollowing = true
        isGreetingStale = true
        effects.append(.send(.resume(logEnd)))
    }

    /// A frame from the primary: checked against the chain before it goes into the log.
    mutating func follow(_ frame: Frame, _ effects: inout [Effect]) {
        guard isFollowing, role == .standby else { return drop("a frame out of turn", &effects) }
        guard frame.header.epoch <= record.epoch else {
            return drop("a frame of an epoch that the record does not name", &effects)
        }
        do throws(FrameError) {
            try frame.check(after: logEnd)
        } catch {
            return drop(
                "frame \(frame.header.first) does not continue this log: \(error)", &effects)
        }
        let begins = logEnd
        logEnd = frame.position
        logEndOffset = frame.header.logEnd
        committedByPrimary = max(committedByPrimary, frame.header.committed)
        // Remembered before the frame can be durable: a log whose reigns are not known has nothing
        // in common with anybody's.
        if let start = frame.epochStart {
            let entry = EpochEntry(
                epoch: frame.header.epoch, node: start.node, begins: begins, start: frame.position,
                wallMilliseconds: frame.header.wallMilliseconds, reason: start.reason,
                isOverride: start.isOverride)
            history.append(entry)
            effects.append(.remember(entry))
        }
        effects.append(.append(frame))
    }

    /// The primary says that everything up to `sequence` is committed; what is not durable here yet
    /// follows when it is.
    mutating func learnCommitted(_ sequence: Sequence, _ effects: inout [Effect]) {
        guard role != .primary else { return }
        committedByPrimary = max(committedByPrimary, sequence)
        guard isFollowing else { return }
        let reached = min(committedByPrimary, durable.sequence)
        guard reached > committed else { return }
        committed = reached
        effects.append(.commit(reached))
    }
}
