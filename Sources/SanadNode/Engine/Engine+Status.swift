import Glibc
import SanadCore
import SanadLink
import SanadStore

// What others may know, published as one value.

extension Engine {
    /// The full status is built at most this often; what a write needs to know is always current.
    static let statusSpacing = Span.milliseconds(20)

    var statusIsStale: Bool {
        publishedMarks != marks
    }

    func publishStatus() {
        let until = writableUntil
        gate.setConsistent(replica.repair == nil)
        gate.setPrimaryWord(replica.hasAppliedBeforeReign)
        // Who sees that writes are open, or closed, also sees the role and the epoch that say why.
        defer { gate.setWritable(until: until) }
        guard
            now.instant.since(statusPublished) >= Self.statusSpacing || statusPublished == .zero
                || (until == .zero) != (gate.isWritable == false)
        else { return }
        statusPublished = now.instant
        publishedMarks = marks
        board.publish(makeStatus())
    }

    /// What others must not learn of late: a quiet node has no other round soon. Whether the link
    /// stands, and the record's version, are numbers here too.
    private var marks: [Sequence] {
        [
            replica.logEnd.sequence, replica.committed, applier.applied,
            Sequence(replica.record.version), Sequence(replica.isLinked ? 1 : 0),
        ]
    }

    private var writableUntil: Instant {
        guard replica.isWritable(at: now.instant), fatalProblem == nil, stopDeadline == nil
        else { return .zero }
        return replica.isLeaseNeeded ? replica.lease.expires : .never
    }

    private func makeStatus() -> NodeStatus {
        var status = NodeStatus()
        let record = replica.record
        status.cluster = options.replica.cluster.description
        status.node = options.replica.identity.node.text
        status.store = options.replica.identity.store.description
        status.softwareVersion = options.softwareVersion
        status.role = replica.role.rawValue
        status.epoch = record.epoch.value
        status.primary = record.primary?.text
        status.primaryURL = primaryURL
        status.recordVersion = record.version
        status.inSync = record.inSync.map(\.node.text)
        status.replicationMode = options.replica.mode.rawValue
        status.writable = writableUntil > now.instant
        status.fenced = replica.role == .primary && !status.writable
        if status.fenced, case .refused(let reason) = replica.admission(at: now.instant) {
            status.fenceReason = reason
        }
        status.leaseNeeded = replica.isLeaseNeeded
        if replica.isLeaseNeeded, replica.lease.expires > .zero {
            status.leaseExpiresNanoseconds = replica.lease.expires.nanoseconds
        }
        status.failoverMode = options.replica.failoverMode.rawValue
        describeFailover(&status)
        status.logEnd = .init(
            epoch: replica.logEnd.epoch.value, sequence: replica.logEnd.sequence.value,
            hash: replica.logEnd.hash.description)
        status.logEndBytes = replica.logEndOffset
        status.committed = replica.committed.value
        status.applied = applier.applied.value
        status.link = linkStatus()
        status.lag = lagStatus()
        status.peerHeardNanoseconds = replica.peerHeard?.nanoseconds
        status.roleChangesTotal = roleChanges
        status.lastPromotionSeconds = lastPromotion?.seconds
        status.commitsTotal = commits
        status.transactionsTotal = transactions
        status.commitQueueRequests = mailbox.waitingRequests + backlog.count - backlogStart
        status.tickNanoseconds = now.instant.nanoseconds
        status.storeProblem = replica.storeProblem ?? fatalProblem
        let verified = scrubber.progress
        status.logVerifiedBytes = verified.bytes
        status.logVerifiedUnixSeconds = verified.lastPassUnixSeconds
        status.quarantineEntries = quarantineEntries
        status.certificateExpiresUnixSeconds = gate.certificateExpiresUnixSeconds()
        status.diskFreeBytes = gate.diskFreeBytes()
        return status
    }

    private func describeFailover(_ status: inout NodeStatus) {
        status.arbiter = options.replica.hasArbiter ? "present" : "none"
        if options.replica.hasArbiter {
            status.arbiterReachable = replica.isArbiterReachable(at: now.instant)
            status.arbiterProblem = replica.arbiterProblem
        }
        if replica.pausedUntil > now.instant {
            status.failoverPausedSeconds = replica.pausedUntil.since(now.instant).seconds
        }
        status.operatorFence = replica.fence
        status.conflict = replica.conflict
        status.runsAlone = replica.runsAlone
        status.consistent = replica.repair == nil
        status.waitsForCommit = !status.consistent && replica.hasAllRecords ? true : nil
        status.bytesUntilLost = bytesUntilLost
        if case .seed = replica.repair {
            status.seeding = .init(
                records: loadProgress?.records ?? 0, bytes: loadProgress?.bytes ?? 0)
        }
    }

    private var primaryURL: String? {
        switch replica.record.primary {
        case options.replica.identity.node?: options.recordsURL
        case options.replica.peer?: options.peerRecordsURL
        default: nil
        }
    }

    private func linkStatus() -> NodeStatus.LinkStatus {
        var status = NodeStatus.LinkStatus()
        var counters = linkTotals.closed
        if let link { counters.add(link.counters) }
        status.connected = replica.isLinked
        status.peer = options.replica.peer.text
        status.state = replica.replicationState
        status.plainBytesSent = counters.plainBytesSent
        status.wireBytesSent = counters.wireBytesSent
        status.plainBytesReceived = counters.plainBytesReceived
        status.wireBytesReceived = counters.wireBytesReceived
        status.connectionsTotal = linkTotals.connections
        status.refusalsTotal = linkTotals.refusals
        status.lastError = linkTotals.lastError
        status.peerReceived = replica.peerProgress?.received.value
        status.peerDurable = replica.peerProgress?.durable.value
        status.peerApplied = replica.peerProgress?.applied.value
        return status
    }

    /// The standby's lag, as the primary measures it; the standby knows it from the last heartbeat,
    /// and only while that is fresh.
    private func lagStatus() -> NodeStatus.LagStatus {
        var lag = NodeStatus.LagStatus(transactions: nil, bytes: nil, seconds: nil)
        if replica.role == .primary {
            guard let mark = replica.standbyMark else { return lag }
            lag.transactions = replica.logEnd.sequence.value - mark.durable.value
            lag.bytes = replica.logEndOffset - mark.offset
            lag.seconds = replica.standbyLag(now: now.instant)?.seconds
        } else if let marks = replica.primaryMarks, let heard = replica.peerHeard,
            replica.isLinked, now.instant.since(heard) < options.replica.timing.lease
        {
            let end = max(marks.logEnd.value, replica.durable.sequence.value)
            let endOffset = max(marks.logEndOffset, replica.durableOffset)
            lag.transactions = end - replica.durable.sequence.value
            lag.bytes = endOffset - replica.durableOffset
            lag.seconds =
                lag.transactions == 0 ? 0 : marks.lagNanoseconds.map { Double($0) / 1e9 }
        }
        return lag
    }
}
