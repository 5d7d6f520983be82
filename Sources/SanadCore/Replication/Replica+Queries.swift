// What others may ask of a replica.

extension Replica {
    /// Pages of a snapshot go out to the peer.
    public var isSeedingPeer: Bool { seeding != nil }

    /// Nothing has to come from the peer any more: what the records lack, the log has. A promotion
    /// commits the log, and with that a repair ends; until then the records are not served.
    public var hasAllRecords: Bool {
        switch repair {
        case nil: true
        case .rejoin(let namesLeft, let from): !namesLeft && durable.sequence >= from
        case .seed(_, _, let isLoaded, let from):
            isLoaded && pagesLoading == 0 && durable.sequence >= from
        }
    }

    var isPeerListed: Bool { record.inSync.contains { $0.node != options.identity.node } }

    /// True when an acknowledgement needs a lease: another node could take the role.
    public var isLeaseNeeded: Bool {
        role == .primary && !runsAlone && (options.hasArbiter || isPeerListed)
    }

    /// True when an acknowledgement waits for the standby.
    public var needsStandby: Bool { role == .primary && (isJoining || isPeerListed) }

    public func isWritable(at now: Instant) -> Bool {
        role == .primary && storeProblem == nil && (!isLeaseNeeded || lease.holds(at: now))
    }

    /// As a primary: the records have everything from before this reign, which a restarted node knows
    /// only when the reign's own first frame is committed.
    public var hasAppliedBeforeReign: Bool {
        guard role == .primary, let reign = history.last else { return false }
        return applied >= reign.start.sequence
    }

    public func admission(at now: Instant) -> Admission {
        guard role == .primary else { return .refused("this node is \(role.rawValue)") }
        if let storeProblem { return .refused(storeProblem) }
        guard isWritable(at: now) else {
            return .refused(
                options.hasArbiter
                    ? "neither the arbiter nor the standby has renewed the lease; "
                        + "no write is acknowledged"
                    : "the standby has not renewed the lease; no write is acknowledged")
        }
        if handOver != nil { return .wait }
        guard needsStandby else { return .open }
        return logEndOffset < committedOffset + UInt64(options.windowBytes) ? .open : .wait
    }

    /// True when everything up to `sequence` is durable on both sites: by the standby's word, or
    /// because nothing is committed here without it.
    public func isOnBothSites(_ sequence: Sequence) -> Bool {
        if let progress = shipper.progress, progress.durable >= sequence { return true }
        return role == .primary && isPeerListed && options.lossAllowed == 0 && sequence <= committed
    }

    public var isLinked: Bool {
        if case .open = link { true } else { false }
    }

    /// The peer's greeting on the present link.
    var peerHello: Hello? {
        if case .open(let hello) = link { hello } else { nil }
    }

    /// `none`, `probing`, `seeding`, `catching-up` or `streaming`, of either role; `lost` when the
    /// log no longer reaches back to where the standby was.
    public var replicationState: String {
        if role == .primary {
            if seeding != nil { return "seeding" }
            if let standbyMark, standbyMark.durable < logBegin { return "lost" }
            return shipper.state == .catchingUp ? "catching-up" : shipper.state.rawValue
        }
        guard isLinked else { return "none" }
        if case .seed(_, _, false, _) = repair { return "seeding" }
        guard isFollowing, let primaryMarks else { return "probing" }
        return logEnd.sequence.value + 1 >= primaryMarks.logEnd.value ? "streaming" : "catching-up"
    }

    public var peerProgress: Progress? { role == .primary ? shipper.progress : nil }

    /// Everything after this is needed by the standby, as far as this node knows; nil when no
    /// standby is known.
    public var neededFrom: Sequence? {
        let marks = [standbyMark?.durable, seeding?.base.sequence].compactMap(\.self)
        return role == .primary ? marks.min() : nil
    }

    /// True when the arbiter answered within the last lease.
    public func isArbiterReachable(at now: Instant) -> Bool {
        arbiter.view != nil && now.since(arbiter.heard) < options.timing.lease
    }

    /// A promotion is on its way.
    public var isSeekingRole: Bool { bid != nil }

    /// A switchover is on its way, on the side that gives the role up.
    public var isHandingOver: Bool { handOver != nil }

    public var arbiterProblem: String? { arbiter.problem }

    /// The last transaction that both logs share, and how many each has beyond it; nil without a
    /// link. Once one of them follows the other, by the marks that they exchange; until then by
    /// the peer's greeting, which says where the two can have parted.
    public var forkWithPeer: (bound: Sequence, own: UInt64, peer: UInt64)? {
        guard let hello = peerHello else { return nil }
        let own = logEnd.sequence
        let (bound, peer) =
            if isFollowing {
                (own, max(primaryMarks?.logEnd ?? own, own))
            } else if shipper.isFollowed, let progress = shipper.progress {
                (min(progress.received, own), progress.received)
            } else {
                (commonBound(with: hello).sequence, hello.logEnd.sequence)
            }
        return (
            bound, own.value - min(own.value, bound.value),
            peer.value - min(peer.value, bound.value)
        )
    }
}
