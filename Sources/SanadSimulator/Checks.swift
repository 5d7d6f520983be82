internal import SanadCore

/// What a world may not exceed.
enum Bounds {
    /// Renewals, reads and changes together; a node asks about as often as its heart beats.
    static let questionsPerSecond = 24
    /// Steps that follow from one another without anything from outside.
    static let stepsOfRound = 3_000
    static let eventsOfWorld = 2_000_000
    /// The healed cluster has to be together after this, in nanoseconds of true time.
    static let healingSpan: UInt64 = 120_000_000_000
}

extension World {
    /// At most one node may acknowledge at any moment. An operator's override is the one way to
    /// two, as long as nobody who knows of it was asked.
    mutating func checkExclusive() {
        for host in hosts.indices {
            guard let process = hosts[host].process, process.replica.role == .primary,
                process.replica.isWritable(at: now(host).instant)
            else { return }
        }
        let lines = hosts.indices.map(line)
        let isOverridden = lines.contains { $0 > 0 && ledger.lines[$0].isStrictFrom > time }
        let isAlone = hosts.contains { host in
            guard let replica = host.process?.replica else { return false }
            return replica.runsAlone && replica.record.inSync.count == 1
        }
        // A crash or a pause may fall between the record of an override and its first frame.
        let isBeginning = hosts.contains { host in
            guard let replica = host.process?.replica, let last = replica.history.last else {
                return false
            }
            return last.isOverride && last.epoch == replica.record.epoch
                && archive[last.start.hash] == nil
        }
        if (lines[0] != lines[1] && isOverridden) || isAlone || isBeginning {
            return count(\.momentsWithTwoPrimaries)
        }
        let words = hosts.indices.map {
            "\(names.hosts[$0]) at \(now($0).instant.nanoseconds), lease until \(hosts[$0].process?.replica.lease.expires.nanoseconds ?? 0), rate \(hosts[$0].clock.rate), alone \(hosts[$0].process?.replica.runsAlone ?? false)"
        }
        fail("both nodes may acknowledge: \(words)")
    }

    /// A node does not promote itself while its pause stands, unless it asked for the role before.
    mutating func checkPause(_ reason: String, _ host: Int) {
        guard let process = hosts[host].process, reason.hasPrefix("no heartbeat") else { return }
        var begins = time
        if let asked = process.roleAsked, asked.epoch == process.replica.record.epoch {
            begins = asked.at
        }
        if hosts[host].disk.pause.certainlyStands(at: begins) {
            fail("\(names.hosts[host]) promotes itself in spite of a pause")
        }
    }

    /// Who gives the primary's word has everything in its table that was acknowledged before.
    mutating func checkWord(of host: Int) {
        guard let process = hosts[host].process, process.replica.hasAppliedBeforeReign,
            let reign = process.replica.history.last, process.wordGiven != reign.epoch,
            process.replica.isWritable(at: now(host).instant)
        else { return }
        process.wordGiven = reign.epoch
        count(\.primaryWords)
        let promised = ledger.lines[line(of: host)].committed.last { hash in
            guard let entry = archive[hash], entry.position.sequence < reign.start.sequence else {
                return false
            }
            return entry.isAcknowledged && !entry.isExcused
        }
        guard let position = promised.flatMap({ archive[$0]?.position }),
            position.sequence > process.table.applied
        else { return }
        fail(
            "\(names.hosts[host]) gives the primary's word at \(process.table.applied), and "
                + "\(position) was acknowledged")
    }

    /// What is written and not acknowledged is bounded by the window.
    mutating func checkWindow(of host: Int) {
        guard let replica = hosts[host].process?.replica, replica.needsStandby else { return }
        var committed: UInt64 = 0
        archive.walk(back: replica.logEnd.hash) { entry in
            // A reign counts from its beginning.
            let isBefore = entry.position.epoch < replica.record.epoch
            guard entry.position.sequence <= replica.committed || isBefore else { return true }
            committed = entry.end
            return false
        }
        // A commit in the middle of a frame counts for the bytes of the standby's mark.
        let slack = UInt64(Limits.frameBytesTarget >> 8)
        if replica.logEndOffset > committed + UInt64(setting.windowBytes) + slack {
            fail("\(names.hosts[host]) takes writes beyond its window")
        }
    }

    /// What is sent and not yet durable at the standby is bounded, too.
    mutating func checkShipping(_ frame: Frame, from host: Int) {
        guard let progress = hosts[host].process?.replica.peerProgress else { return }
        let bound = UInt64(setting.windowBytes + setting.readBytes + Limits.frameBytesTarget >> 8)
        if frame.header.logOffset > progress.durableOffset + bound {
            fail("\(names.hosts[host]) ships beyond its window")
        }
    }

    /// The record table is the replay of the log, unless a repair is under way.
    mutating func checkTable(of host: Int) {
        guard let process = hosts[host].process, process.replica.repair == nil,
            hosts[host].disk.plan == nil || process.isRepairEnding
        else { return }
        count(\.tableChecks)
        // What is applied is durable; the log's end can be a frame that is only about to be appended.
        let end = process.replica.durable.hash
        var expected = RecordTable()
        var isBoundary = process.table.applied == .zero
        archive.walk(back: end) { entry in
            guard entry.position.sequence <= process.table.applied else { return true }
            isBoundary = entry.position.sequence == process.table.applied
            expected = entry.rows
            return false
        }
        if !isBoundary {
            fail("\(names.hosts[host]) has applied \(process.table.applied), beside its log")
        } else if expected != process.table.rows {
            fail("\(names.hosts[host]) has a record table that is not the replay of its log")
        }
    }

    /// A reign commits its log: what its records lack has to be there.
    mutating func checkWholeness(of host: Int, _ frame: Frame) {
        let disk = hosts[host].disk
        guard let plan = disk.plan else { return }
        if plan.isComplete(at: disk.end.sequence) { return count(\.reignsDuringRepair) }
        fail(
            "\(names.hosts[host]) begins epoch \(frame.header.epoch), and its store has not all "
                + "records")
    }

    /// The other site gets the records of one moment.
    mutating func checkHandedOut(by host: Int) {
        guard let plan = hosts[host].disk.plan, let process = hosts[host].process,
            !plan.isComplete(at: process.table.applied)
        else { return }
        fail("\(names.hosts[host]) hands out records while its store is being repaired")
    }

    /// Only what the other site's history has not is cut off.
    mutating func checkCut(after bound: Position, _ host: Int) {
        guard let peer = hosts[1 - host].process?.replica.logEnd.hash else { return }
        guard let next = hosts[host].disk.frames.first(where: { $0.header.first > bound.sequence })
        else { return }
        if archive.history(of: peer, has: next.hash) {
            fail("\(names.hosts[host]) cuts off \(next.position), which both sites have")
        }
    }

    // MARK: Losses

    /// The host's store becomes `new`: what was only there is excused from now on, and so is what
    /// nobody can know of any more.
    mutating func excuseLosses(of host: Int, becoming new: Disk) {
        let old = hosts[host].disk
        let isSameStore = old.identity == new.identity
        let kept = new.quarantine.union(archive.chain(upTo: new.end.hash))
        let other = hosts[1 - host].disk
        let elsewhere = other.quarantine.union(archive.chain(upTo: other.end.hash))
        for hash in archive.chain(upTo: old.end.hash) + old.quarantine.sorted(by: Self.isBefore)
        where !kept.contains(hash) {
            archive.change(hash) {
                $0.isDestroyed = true
                $0.isTakenBack = isSameStore
            }
        }
        // A restored copy is known by its name: only the arbiter's mark tells that it is older.
        let mark = setting.hasArbiter ? arbiter.durable.committed : .zero
        let epoch = arbiter.durable.record.epoch
        for line in ledger.lines {
            for hash in line.committed where !kept.contains(hash) {
                guard let position = archive[hash]?.position else { continue }
                let isUnknown = position.sequence > mark || position.epoch > epoch
                guard !elsewhere.contains(hash) || (isSameStore && isUnknown) else { continue }
                archive.change(hash) { $0.isExcused = true }
            }
        }
        for number in ledger.lines.indices {
            let kept = ledger.lines[number].committed.lastIndex {
                archive[$0]?.isExcused == false
            }
            ledger.lines[number].truncate(to: kept.map { $0 + 1 } ?? 0)
        }
    }

    private static func isBefore(_ left: ChainHash, _ right: ChainHash) -> Bool {
        (left.word0, left.word1) < (right.word0, right.word1)
    }

    /// At the end: nothing promised is missing, and nothing acknowledged went in silence.
    mutating func checkLosses() {
        let final = Set(archive.chain(upTo: hosts[0].disk.end.hash))
        let number = line(of: 0)
        let kept = hosts[0].disk.quarantine.union(hosts[1].disk.quarantine)
        statistics.quarantined += hosts.reduce(0) { $0 + Int($1.disk.quarantinedTransactions) }
        for entry in archive.entries.values where !final.contains(entry.position.hash) {
            if entry.isProtected, !entry.isExcused, entry.line == number {
                return fail("\(entry.position) was promised on both sites and is lost")
            }
            guard entry.isAcknowledged else { continue }
            count(\.acknowledgedLost, by: Int(entry.transactions))
            if !kept.contains(entry.position.hash), !entry.isDestroyed {
                return fail("\(entry.position) was acknowledged and is gone without a trace")
            }
        }
    }
}
