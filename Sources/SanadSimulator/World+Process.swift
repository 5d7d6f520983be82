internal import SanadCore

// One process at work: steps of the core, and what they want done, strictly in order.

extension World {
    mutating func feed(_ host: Int, _ input: Input) {
        hosts[host].process?.inputs.append(input)
        drain(host)
    }

    /// Works off what is waiting, until nothing is, or the host stands still or crashes.
    mutating func drain(_ host: Int) {
        var steps = 0
        while violation == nil, !hosts[host].isPaused(at: time), hosts[host].process != nil {
            if let effect = hosts[host].process?.takeEffect() {
                perform(effect, host)
                strikeBetweenEffects(host, after: effect)
            } else if let input = hosts[host].process?.takeInput() {
                step(host, input)
                steps += 1
            } else if !finishRound(host) {
                break
            }
            if steps > Bounds.stepsOfRound { fail("\(names.hosts[host]) goes round in circles") }
        }
        scheduleWake(host)
        checkExclusive()
        checkWord(of: host)
    }

    private mutating func step(_ host: Int, _ input: Input) {
        count(\.steps)
        if case .submitted = input, hosts[host].process?.replica.role != .primary { return }
        let now = now(host)
        guard var effects = hosts[host].process?.effects else { return }
        hosts[host].process?.effects = []
        let before = statistics.steps
        hosts[host].process?.replica.step(input, now: now, into: &effects)
        hosts[host].process?.effects = effects
        precondition(before == statistics.steps)
    }

    /// A crash, or a standstill, in the middle of what one step wanted.
    private mutating func strikeBetweenEffects(_ host: Int, after effect: Effect) {
        guard !isHealed else { return }
        if case .persist = effect, strikesAtEndOfRepair(host) { return }
        let isDurable =
            switch effect {
            case .persist, .persistEpoch, .persistPause, .persistFence, .persistConflict, .remember,
                .forget, .cutLog, .replaceRecords, .beginLoad, .loadPage, .finishLoad, .endRepair:
                true
            default: false
            }
        guard random.once(in: isDurable ? 150 : 20_000) else { return }
        if random.flip() {
            count(\.crashesInStep)
            crash(host, isPower: random.flip())
        } else {
            pause(host, random.milliseconds(1...6_000))
        }
    }

    /// Both sites fail when the standby has just been listed in sync, and only its log has what ends
    /// its repair: the next one to reign may be a store that is not whole.
    private mutating func strikesAtEndOfRepair(_ host: Int) -> Bool {
        let disk = hosts[host].disk
        guard disk.plan != nil, disk.record.isInSync(disk.identity), chance.flip() else {
            return false
        }
        count(\.crashesInStep)
        crash(host, isPower: false)
        crash(1 - host, isPower: true)
        return true
    }

    /// What follows when nothing is waiting any more: apply, acknowledge.
    ///
    /// - Returns: whether that gave new work.
    private mutating func finishRound(_ host: Int) -> Bool {
        acknowledge(host)
        return applyCommitted(host)
    }

    // MARK: Time

    private mutating func scheduleWake(_ host: Int) {
        guard let process = hosts[host].process, !hosts[host].isPaused(at: time) else { return }
        let now = now(host).instant
        let due = min(process.replica.nextDeadline, now + .seconds(1))
        let at = hosts[host].clock.time(of: due, from: time)
        guard at < process.wakesAt else { return }
        hosts[host].process?.wakesAt = at
        timeline.plan(.wake(host: host, process: process.number), at: at)
    }

    mutating func pause(_ host: Int, _ span: UInt64) {
        guard hosts[host].process != nil, !hosts[host].isPaused(at: time) else { return }
        count(\.pauses)
        hosts[host].pausedUntil = time + span
        note("\(names.hosts[host]) stands still for \(span / 1_000_000) ms")
        plan(.goOn(host: host), after: span)
    }

    // MARK: The disk

    /// Frames whose append was asked for become durable, together.
    mutating func settleAppends(_ host: Int) {
        guard let frames = hosts[host].process?.appends, !frames.isEmpty else { return }
        hosts[host].process?.appends = []
        hosts[host].disk.frames.append(contentsOf: frames)
        let disk = hosts[host].disk
        hosts[host].process?.inputs.append(.appended(disk.end, offset: disk.endOffset))
    }

    mutating func requestSync(_ host: Int) {
        guard let process = hosts[host].process, !process.isSyncing else { return }
        hosts[host].process?.isSyncing = true
        let isSlow = !isHealed && random.once(in: 200)
        plan(
            .synced(host: host, process: process.number),
            after: isSlow ? random.milliseconds(10...3_000) : random.number(50_000...3_000_000))
    }

    /// Applies whole frames up to the committed mark, as far as they are durable.
    private mutating func applyCommitted(_ host: Int) -> Bool {
        guard let process = hosts[host].process else { return false }
        let disk = hosts[host].disk
        guard process.table.applied < min(process.replica.committed, disk.end.sequence),
            let start = disk.place(after: process.table.applied)
        else { return false }
        var table = process.table
        for frame in disk.frames[start...] {
            guard frame.header.last <= process.replica.committed else { break }
            table.rows.apply(frame)
            table.applied = frame.header.last
            table.offset = frame.header.logEnd
        }
        guard table.applied > process.table.applied else { return false }
        hosts[host].process?.table = table
        hosts[host].process?.inputs.append(.applied(table.applied, offset: table.offset))
        requestFlush(host, after: random.milliseconds(1...2_000))
        return true
    }

    mutating func requestFlush(_ host: Int, after delay: UInt64) {
        guard let process = hosts[host].process, !process.isFlushing || process.isRepairEnding
        else { return }
        hosts[host].process?.isFlushing = true
        plan(.flushed(host: host, process: process.number), after: delay)
    }

    /// The table in memory goes to disk, with the position that it has; now and then for good.
    mutating func flush(_ host: Int) {
        guard let process = hosts[host].process else { return }
        hosts[host].process?.isFlushing = false
        hosts[host].disk.table = process.table
        if process.isRepairEnding || random.once(in: 3) {
            hosts[host].disk.synced = process.table
        }
        if process.isRepairEnding, hosts[host].disk.isRepairComplete {
            hosts[host].process?.isRepairEnding = false
            hosts[host].disk.plan = nil
        }
        checkTable(of: host)
        if random.once(in: 4) { trimLog(host) }
    }

    /// Retention: mostly what the standby needs stays, sometimes the size cap is reached.
    private mutating func trimLog(_ host: Int) {
        guard let process = hosts[host].process, !process.replica.role.isUnconfirmed else { return }
        let disk = hosts[host].disk
        var limit = min(disk.synced.applied, process.replica.committed)
        let isOverCap = !isHealed && random.once(in: 10)
        if let needed = process.replica.neededFrom, !isOverCap { limit = min(limit, needed) }
        // Something always stays, as retention works by whole segments.
        guard let last = disk.frames.last(where: { $0.header.last <= limit })?.header.last,
            last > disk.base.sequence, isOverCap || random.flip()
        else { return }
        hosts[host].disk.trim(upTo: last)
        note("\(names.hosts[host]) trims its log up to \(last)")
        count(\.trims)
        hosts[host].process?.inputs.append(.logTrimmed(last))
        drain(host)
    }

    // MARK: Clients

    mutating func planWrite(_ host: Int) {
        guard let process = hosts[host].process, process.replica.role == .primary, !isQuiet
        else { return }
        plan(
            .write(host: host, process: process.number),
            after: random.milliseconds(1...setting.writeSpacing))
    }

    mutating func write(at host: Int) {
        planWrite(host)
        guard let replica = hosts[host].process?.replica,
            replica.admission(at: now(host).instant) == .open, !isQuiet
        else { return }
        checkWindow(of: host)
        var encoder = FrameEncoder(
            after: replica.logEnd, epoch: replica.record.epoch, committed: replica.committed,
            logOffset: replica.logEndOffset, wallMilliseconds: time / 1_000_000)
        for _ in 0...random.index(3) {
            var transaction = TransactionBytes()
            for _ in 0...random.index(2) {
                let key = RecordTable.keyText(random.index(RecordTable.keyCount))
                writes += 1
                if random.once(in: 5) {
                    transaction.append(.delete, collection: "c", key: key)
                } else {
                    transaction.append(.put, collection: "c", key: key, value: String(writes))
                }
            }
            _ = encoder.append(transaction)
        }
        let frame = encoder.finish()
        hosts[host].process?.pending.append(
            PendingWrite(last: frame.header.last, hash: frame.hash))
        feed(host, .submitted(frame))
    }

    /// Answers the clients whose writes are committed, if this node may at this very moment.
    private mutating func acknowledge(_ host: Int) {
        guard let process = hosts[host].process, let first = process.pending.first,
            first.last <= process.replica.committed,
            process.replica.isWritable(at: now(host).instant)
        else { return }
        var done = 0
        while done < process.pending.count,
            process.pending[done].last <= process.replica.committed
        {
            let write = process.pending[done]
            acknowledged(
                write, by: host, onBothSites: process.replica.isOnBothSites(write.last))
            done += 1
        }
        process.pending.removeFirst(done)
    }
}

extension Role {
    var isUnconfirmed: Bool { self == .unconfirmed }
}
