internal import SanadCore

/// What was promised, by line of history.
struct Ledger {
    /// What is committed, in order; overrides of operators begin new lines.
    struct Line {
        /// Hashes of the frames, oldest first.
        var committed: [ChainHash] = []
        var places: [ChainHash: Int] = [:]
        /// From then on the other line's primary may acknowledge no more; `max` when nobody who
        /// could know was asked.
        var isStrictFrom = UInt64.max
        /// The reign that began the line.
        var epoch = Epoch.zero
        /// An operator chose another line.
        var isAbandoned = false

        mutating func append(_ hash: ChainHash) {
            places[hash] = committed.count
            committed.append(hash)
        }

        mutating func truncate(to count: Int) {
            for hash in committed[count...] { places[hash] = nil }
            committed.removeLast(committed.count - count)
        }
    }

    var lines = [Line()]
    /// An operator gave a word that can make two primaries.
    var hasOverride = false
    /// The host at which an operator accepted a loss, until somebody reigns.
    var lossAccepted: Int?
    /// Who reigned last.
    var lastReign: Int?
}

extension World {
    // MARK: Reigns

    /// A node begins to reign; what it may call committed is looked at when it does.
    mutating func reignBegan(_ frame: Frame, _ start: EpochStart, _ host: Int) {
        countReign(start, host)
        note("\(names.hosts[host]) begins epoch \(frame.header.epoch): \(start.reason)")
        checkTable(of: host)
        checkWholeness(of: host, frame)
        // An operator who accepted a loss has done so also when the arbiter's answer came late.
        let isOverride = start.isOverride || ledger.lossAccepted == host
        ledger.lossAccepted = nil
        hosts[host].process?.reign = isOverride ? nil : frame
        if isOverride { beginLine(frame, host) }
    }

    /// The first commit of a reign that nobody's override began.
    private mutating func checkReign(_ host: Int) {
        guard let frame = hosts[host].process?.reign else { return }
        hosts[host].process?.reign = nil
        let number = archive[frame.hash]?.line ?? 0
        // With the frame itself: the other site, which had it, may have committed it first.
        let shared = committedPart(of: number, in: frame.hash)
        let missing = ledger.lines[number].committed[shared...]
        var lost: UInt64 = 0
        for entry in missing.compactMap({ archive[$0] }) where !entry.isExcused {
            if entry.isProtected {
                return fail(
                    "\(names.hosts[host]) reigns in epoch \(frame.header.epoch) without "
                        + "\(entry.position), which was promised on both sites")
            }
            lost += entry.transactions
        }
        // A planned change of roles loses nothing, whatever a promotion may.
        let isPlanned = frame.epochStart?.reason.hasPrefix("switchover") == true
        let allowed = isPlanned ? 0 : setting.lossAllowed
        if lost > allowed {
            fail(
                "\(names.hosts[host]) took the role by itself and lost \(lost) transactions, "
                    + "\(allowed) are allowed")
        }
        count(\.lossesAllowed, by: Int(lost))
        checkNewerLines(than: number, for: frame, host)
        ledger.lines[number].truncate(to: shared)
    }

    /// How many committed frames of the line the history up to `end` has.
    private func committedPart(of number: Int, in end: ChainHash) -> Int {
        var shared = 0
        archive.walk(back: end) { entry in
            guard let place = ledger.lines[number].places[entry.position.hash] else { return true }
            shared = place + 1
            return false
        }
        return shared
    }

    /// Who reigns on an older line may not forget what a newer one promised, once the arbiter knew.
    private mutating func checkNewerLines(than number: Int, for frame: Frame, _ host: Int) {
        for newer in ledger.lines.indices where newer > number {
            let line = ledger.lines[newer]
            guard !line.isAbandoned, line.isStrictFrom <= time else { continue }
            let shared = committedPart(of: newer, in: frame.hash)
            let isForgotten = line.committed[shared...].contains { hash in
                archive[hash].map { $0.isProtected && !$0.isExcused } ?? false
            }
            if isForgotten { fail("\(names.hosts[host]) reigns without an operator's override") }
        }
    }

    /// An override: the operator answers for what this log has not.
    private mutating func beginLine(_ frame: Frame, _ host: Int) {
        var line = Ledger.Line()
        line.epoch = frame.header.epoch
        for hash in archive.chain(upTo: frame.header.previous)
        where archive[hash]?.isCommitted == true {
            line.append(hash)
        }
        let runsAlone = hosts[host].process?.replica.runsAlone ?? false
        if setting.hasArbiter, !runsAlone { line.isStrictFrom = time }
        let number = ledger.lines.count
        archive.change(frame.hash) { $0.line = number }
        ledger.lines.append(line)
        count(\.overrides)
    }

    /// An operator has this host give way.
    mutating func gaveWay(_ host: Int) {
        let own = line(of: host)
        if own != line(of: 1 - host) { ledger.lines[own].isAbandoned = own > 0 }
        let end = hosts[1 - host].process?.replica.logEnd.hash ?? hosts[1 - host].disk.end.hash
        let chosen = Set(archive.chain(upTo: end))
        for hash in ledger.lines[own].committed where !chosen.contains(hash) {
            archive.change(hash) { $0.isExcused = true }
        }
    }

    /// The line that the host's log is on.
    func line(of host: Int) -> Int {
        let end = hosts[host].process?.replica.logEnd.hash ?? hosts[host].disk.end.hash
        return archive[end]?.line ?? 0
    }

    private mutating func countReign(_ start: EpochStart, _ host: Int) {
        count(\.reigns)
        let isOther = ledger.lastReign.map { $0 != host } ?? false
        ledger.lastReign = host
        if start.reason.hasPrefix("no heartbeat") {
            count(\.promotionsAutomatic)
        } else if start.reason.hasPrefix("switchover") {
            count(\.promotionsBySwitchover)
        } else if start.reason.hasPrefix("restart, confirmed by the arbiter") {
            count(\.restartsByArbiter)
        } else if start.reason.hasPrefix("restart") {
            count(\.restartsByPeer)
        } else if start.reason.hasPrefix("operator") {
            count(\.promotionsByOperator)
        }
        if isOther { count(\.failovers) }
    }

    // MARK: Commits

    /// A node calls everything up to `sequence` committed: readers see it from now on.
    mutating func committed(_ sequence: Sequence, by host: Int) {
        guard let replica = hosts[host].process?.replica else { return }
        let disk = hosts[host].disk
        guard let last = disk.frames.last(where: { $0.header.last <= sequence }) else { return }
        guard hosts[host].process?.role == .primary else {
            if archive[last.hash]?.isCommitted != true {
                fail("\(names.hosts[host]) shows \(last.position), which nobody committed")
            }
            return
        }
        if sequence > disk.end.sequence {
            fail("\(names.hosts[host]) commits \(sequence) before it is durable there")
        }
        checkReign(host)
        var fresh: [ChainHash] = []
        let number = line(of: host)
        archive.walk(back: last.hash) { entry in
            guard ledger.lines[number].places[entry.position.hash] == nil else { return false }
            fresh.append(entry.position.hash)
            return true
        }
        let isInSync = replica.needsStandby && setting.lossAllowed == 0
        for hash in fresh.reversed() {
            commit(hash, number, isInSync: isInSync, host)
        }
    }

    private mutating func commit(
        _ hash: ChainHash, _ number: Int, isInSync: Bool, _ host: Int
    ) {
        guard let entry = archive[hash] else { return }
        let expected = ledger.lines[number].committed.last ?? .zero
        if entry.previous != expected {
            fail("\(names.hosts[host]) commits \(entry.position) beside another history")
        }
        // The standby's word may have been on its way when its store was lost or put back.
        let isMissing = (isInSync || entry.isTakenBack) && !isDurable(hash, at: 1 - host)
        if isInSync, isMissing, !entry.isDestroyed {
            fail(
                "\(names.hosts[host]) commits \(entry.position) in sync, and the standby's disk "
                    + "has it not")
        }
        ledger.lines[number].append(hash)
        count(\.commits)
        archive.change(hash) {
            $0.isCommitted = true
            if isInSync { $0.isProtected = true }
            // See `excuseLosses`, which could not know of this commit.
            if isMissing, $0.isTakenBack { $0.isExcused = true }
        }
    }

    /// A client is told that its write is safe.
    mutating func acknowledged(_ write: PendingWrite, by host: Int, onBothSites both: Bool) {
        count(both ? \.acknowledgedBothSites : \.acknowledgedOneSite)
        if archive[write.hash]?.isCommitted != true {
            fail("\(names.hosts[host]) acknowledges \(write.last), which is not committed")
        }
        archive.change(write.hash) {
            $0.isAcknowledged = true
            if both { $0.isProtected = true }
        }
    }

    /// True when the host's disk has the frame: in its log, or in its table since retention.
    func isDurable(_ hash: ChainHash, at host: Int) -> Bool {
        let disk = hosts[host].disk
        return disk.quarantine.contains(hash) || archive.history(of: disk.end.hash, has: hash)
    }
}
