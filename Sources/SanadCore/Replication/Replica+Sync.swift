// In sync, and out of it. Out: the record first, then the first acknowledgement of one site. In:
// first every acknowledgement needs both sites again, then the record.

extension Replica {
    /// The standby's last step back to being in sync.
    mutating func joinIfReady(_ now: Now, _ effects: inout [Effect]) {
        guard options.listsStandby, case .open(let peer) = link, proposal == nil, change == nil,
            !record.isInSync(peer.identity), let progress = shipper.progress,
            shipper.isFollowed, shipper.hasHeardProgress, !peerLeaves, handOver == nil
        else { return }
        if !isJoining {
            // From then on a promotion may wait for the standby's record table, so that has to be
            // close as well.
            let isClose =
                logEndOffset <= progress.durableOffset + UInt64(Limits.frameBytesTarget)
                && logEndOffset <= progress.appliedOffset + Limits.applyDeferralBytesMaximum
            isJoining = isClose && !isHeldBack(progress) && lease.holds(at: now.instant)
        }
        guard isJoining, progress.durable >= committed, lease.holds(at: now.instant) else { return }
        var next = record
        next.version += 1
        next.inSync = [options.identity, peer.identity].sorted { $0.node < $1.node }
        next.since = durable
        if options.hasArbiter {
            // Until the outcome is known every acknowledgement goes on needing both sites.
            change = RecordChange(
                record: next, expected: record.version, purpose: .join, sent: now.instant)
            return askForChange(now, &effects)
        }
        // The record binds this node to the standby's grants, so it is durable here first.
        record = next
        effects.append(.persist(next))
        isJoining = false
        runsAlone = false
        propose(Proposal(record: next, purpose: .join, sent: now.instant), &effects)
        report(.notice, "\(peer.identity.node) is in sync again from \(durable)", &effects)
    }

    /// A standby that the primary went on without, and that has confirmed nothing since.
    private func isHeldBack(_ progress: Progress) -> Bool {
        guard let heldBackAt else { return false }
        return progress.durable <= heldBackAt && progress.durable < durable.sequence
    }

    // MARK: Out of sync

    /// Since when the standby that is counted on has held back a commit, or been away.
    private mutating func watchStandby(_ now: Now) {
        let isMissing = !isLinked || !shipper.isFollowed || peerLeaves
        let holdsBack = committed < durable.sequence
        guard needsStandby, isMissing || holdsBack else {
            stall = nil
            return
        }
        if let stall, stall.committed == committed { return }
        // A standby that confirms something again is not lost, however far behind it is.
        stall = Stall(since: now.instant, committed: committed)
    }

    var degradeDeadline: Instant {
        guard let stall, options.onStandbyLoss == .degrade, change == nil, proposal == nil,
            options.hasArbiter || isLinked
        else { return .never }
        let due = peerLeaves ? stall.since : stall.since + options.timing.degradeAfter
        return max(due, retryAt)
    }

    /// Goes on without the standby, once the record says so where a promotion would look it up: at
    /// the arbiter, or at the standby itself.
    mutating func degradeIfDue(_ now: Now, _ effects: inout [Effect]) {
        watchStandby(now)
        guard now.instant >= degradeDeadline else { return }
        if isJoining {
            // Nobody was asked for it yet, so nothing stands against going on alone.
            isJoining = false
            heldBackAt = shipper.progress?.durable
            return
        }
        var next = record
        next.version += 1
        next.inSync = [options.identity]
        next.since = durable
        if options.hasArbiter {
            change = RecordChange(
                record: next, expected: record.version, purpose: .degrade, sent: now.instant)
            askForChange(now, &effects)
        } else {
            propose(Proposal(record: next, purpose: .degrade, sent: now.instant), &effects)
        }
        retryAt = now.instant + options.timing.heartbeat
    }

    mutating func degraded(_ effects: inout [Effect]) {
        stall = nil
        heldBackAt = shipper.progress?.durable
        report(
            .warning,
            "\(options.peer) is not in sync since \(record.since): writes are acknowledged by one "
                + "site until it has caught up", &effects)
    }

    // MARK: Leaving

    /// A standby that stops asks not to be waited for.
    mutating func askToLeave(_ effects: inout [Effect]) {
        guard role == .standby, isLinked, record.isInSync(options.identity) else { return }
        effects.append(.send(.leave))
    }

    /// True while a standby that stops is still counted on.
    public var isCountedOn: Bool {
        role == .standby && isLinked && record.isInSync(options.identity)
    }

    mutating func peerWillLeave(_ effects: inout [Effect]) {
        guard role == .primary, options.onStandbyLoss == .degrade else { return }
        peerLeaves = true
        report(.notice, "\(options.peer) stops; going on without it", &effects)
    }
}
