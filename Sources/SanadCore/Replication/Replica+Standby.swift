// The standby: granting, following, and taking over.

extension Replica {
    mutating func becomeStandby(_ reason: String, _ effects: inout [Effect]) {
        guard role != .standby else { return }
        role = .standby
        effects.append(.roleChanged(.standby, reason: reason))
    }

    // MARK: Granting

    mutating func answer(
        _ heartbeat: Heartbeat, from peer: Hello, _ now: Now, _ effects: inout [Effect]
    ) {
        let isGranted =
            role == .standby && record.primary == peer.identity.node
            && record.epoch == heartbeat.epoch
        if isGranted {
            primaryMarks = heartbeat
            grant.give(at: now.instant, wait: options.timing.grantWait)
            learnCommitted(heartbeat.committed, &effects)
        }
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
        guard lead.bound.sequence <= logEnd.sequence else {
            return drop("the peer's bound is beyond this log", &effects)
        }
        if lead.bound == logEnd { return followFromHere(&effects) }
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
        case .fork(let bound):
            guard found?.hash == bound.hash else {
                return diverge("this log has no frame that ends at \(bound)", &effects)
            }
            guard applied <= bound.sequence else {
                return diverge(
                    "records are applied up to \(applied), and the common history ends at "
                        + "\(bound): this node acknowledged writes alone", &effects)
            }
            let cut = logEnd.sequence.value - bound.sequence.value
            report(
                .warning,
                "moving \(cut) transactions after \(bound), never acknowledged by both sites, "
                    + "to quarantine", &effects)
            effects.append(.cutLog(after: bound))
            boundaryQuestion = .fork(bound)
        }
    }

    mutating func didCut(_ offset: UInt64, _ effects: inout [Effect]) {
        guard case .fork(let bound) = boundaryQuestion else { return }
        boundaryQuestion = nil
        logEnd = bound
        durable = bound
        logEndOffset = offset
        durableOffset = offset
        appliedOffset = min(appliedOffset, offset)
        committed = min(committed, bound.sequence)
        committedByPrimary = min(committedByPrimary, bound.sequence)
        history.removeAll { $0.start.sequence > bound.sequence }
        effects.append(.forget(after: bound.sequence))
        followFromHere(&effects)
    }

    private mutating func followFromHere(_ effects: inout [Effect]) {
        isFollowing = true
        effects.append(.send(.resume(logEnd)))
    }

    private mutating func diverge(_ reason: String, _ effects: inout [Effect]) {
        effects.append(.send(.diverged(reason)))
        storeFailed("\(reason); this store has to be seeded anew", &effects)
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
        effects.append(.append(frame))
        committedByPrimary = max(committedByPrimary, frame.header.committed)
        if let start = frame.epochStart {
            let entry = EpochEntry(
                epoch: frame.header.epoch, node: start.node, begins: begins, start: frame.position,
                wallMilliseconds: frame.header.wallMilliseconds, reason: start.reason)
            history.append(entry)
            effects.append(.remember(entry))
        }
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

    // MARK: Taking over

    /// True when nothing but the grant keeps this node from the primary role.
    var mayPromoteItself: Bool {
        options.isFailoverAutomatic && role != .primary && storeProblem == nil
            && record.primary == options.peer && record.isInSync(options.identity)
            && hasAllAcknowledged
    }

    /// False when the primary itself has told of a commit that this log does not reach: the disk
    /// was restored from an older copy, say, and the record does not know.
    private var hasAllAcknowledged: Bool { durable.sequence >= committedByPrimary }

    mutating func promoteIfDue(_ now: Now, _ effects: inout [Effect]) {
        guard mayPromoteItself, grant.hasExpired(at: now.instant) else { return }
        promote(reason: "no heartbeat from \(options.peer), grant expired", now, &effects)
    }

    mutating func promoteByOperator(
        acceptLoss: Bool, reason: String, _ now: Now, _ effects: inout [Effect]
    ) {
        if let objection = objectionToPromotion(acceptLoss: acceptLoss, at: now.instant) {
            return report(.warning, "not promoted: \(objection)", &effects)
        }
        promote(reason: reason, now, &effects)
    }

    /// Why an operator's promotion is refused now; nil when it would be carried out.
    public func objectionToPromotion(acceptLoss: Bool, at now: Instant) -> String? {
        if role == .primary { return "this node is primary already" }
        if let storeProblem { return storeProblem }
        if record.primary == nil { return "no primary was ever chosen; start both nodes" }
        guard grant.hasExpired(at: now) else {
            return "the primary holds a grant of this node for another "
                + "\(grant.expires.since(now).wholeMilliseconds) ms; stop the primary first"
        }
        return isSafeToPromote || acceptLoss
            ? nil
            : "acknowledged writes can be missing here; "
                + "see what would be lost, then repeat with --accept-loss"
    }

    /// True when no acknowledged write can be missing at this node, by what it knows.
    ///
    /// A node that was primary itself does not know: its peer may have taken over and acknowledged
    /// writes since.
    public var isSafeToPromote: Bool {
        record.primary == options.peer && record.isInSync(options.identity) && hasAllAcknowledged
    }

    /// Compare-and-set first, then the epoch's first frame, then the first acknowledgement.
    private mutating func promote(reason: String, _ now: Now, _ effects: inout [Effect]) {
        let wasLinked: Bool
        if case .down = link { wasLinked = false } else { wasLinked = true }
        record = ClusterRecord(
            cluster: options.cluster, version: record.version + 1, epoch: nextEpoch,
            primary: options.identity.node, inSync: [options.identity], since: logEnd)
        effects.append(.persist(record))
        standbyMark = StandbyMark(durable: logEnd.sequence, offset: logEndOffset)
        becomePrimary(reason: reason, now, &effects)
        // The old primary's greeting told of a log that has grown since: it has to greet again.
        if wasLinked { effects.append(.closeLink(reason: "this node became primary")) }
    }

    mutating func storeFailed(_ problem: String, _ effects: inout [Effect]) {
        storeProblem = problem
        isFollowing = false
        report(.error, problem, &effects)
        stepDown(problem, &effects)
    }
}
