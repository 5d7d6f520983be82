import SanadCore
import SanadStore

// From waiting requests to frames: conditions in order, one frame a group.

extension Engine {
    /// True when writes wait for the window, the record table or the disk.
    var isBacklogged: Bool { backlogStart < backlog.count }

    func admitWrites() {
        admitHasMore = false
        if !isBacklogged {
            backlog.removeAll(keepingCapacity: true)
            backlogStart = 0
            mailbox.takeWrites(into: &backlog)
            backlogSince = now.instant
        }
        guard isBacklogged else { return }
        switch replica.admission(at: now.instant) {
        case .refused(let reason): refuseBacklog(reason)
        case .wait: expireBacklog()
        case .open:
            // A promoted standby has the last frames to apply before it takes new ones; a primary
            // whose table or disk is behind waits for it.
            guard appends.isEmpty, !applier.isFull, isTableCurrent else { return expireBacklog() }
            encodeFrame()
            admitHasMore = isBacklogged
        }
    }

    /// True when every frame that is not applied is in memory, where conditions look.
    private var isTableCurrent: Bool {
        var next = applier.applied.next
        applier.forEachUnapplied { next = $0.header.last.next }
        return next == store.log.end.sequence.next
    }

    private func encodeFrame() {
        var encoder = FrameEncoder(
            after: replica.logEnd, epoch: replica.record.epoch, committed: replica.committed,
            logOffset: replica.logEndOffset, wallMilliseconds: now.wallMilliseconds,
            reservingBytes: frameBytes)
        var waiters: [(outbox: WriteOutbox, ticket: UInt64)] = []
        var inFrame: [(TransactionBytes, Sequence)] = []
        // Conditions may read the disk: the round ends in time for the next heartbeat.
        let limit = now.instant + options.replica.timing.heartbeat / 4
        conditions.trim()
        while isBacklogged, encoder.byteCount < Limits.frameBytesTarget,
            waiters.isEmpty || !conditions.isActive || SystemClock.instant < limit
        {
            var request = backlog[backlogStart]
            backlogStart += 1
            let isConditional = !request.conditions.isEmpty || request.idempotencyKey != nil
            if isConditional, !conditions.isActive {
                conditions.activate(with: applier)
                for (transaction, sequence) in inFrame {
                    conditions.note(transaction, sequence: sequence)
                }
            }
            if isConditional,
                let outcome = early(&request, sequence: encoder.last.next)
            {
                request.outbox.deliver([
                    .init(ticket: request.ticket, outcome: ifStillPrimary(outcome))
                ])
                continue
            }
            let sequence = encoder.append(request.transaction)
            waiters.append((request.outbox, request.ticket))
            if conditions.isActive {
                conditions.note(request.transaction, sequence: sequence)
            } else {
                inFrame.append((request.transaction, sequence))
            }
        }
        guard !encoder.isEmpty else { return }
        let frame = encoder.finish()
        pending.add(frame: frame.header, waiters: waiters, at: now.instant)
        feed(.submitted(frame))
    }

    /// Bytes of the next frame, so that it is allocated once and not by doubling: frames stay in
    /// memory until the table has them.
    private var frameBytes: Int {
        var bytes = FrameHeader.byteCount
        for request in backlog[backlogStart...] {
            guard bytes < Limits.frameBytesTarget else { break }
            bytes += request.transaction.byteCount
        }
        return bytes
    }

    /// An answer from the records counts only while the lease holds: after a pause another primary
    /// may have written since, as before an acknowledgement.
    private func ifStillPrimary(_ outcome: WriteOutcome) -> WriteOutcome {
        guard !replica.isWritable(at: SystemClock.instant) else { return outcome }
        return .notPrimary(gate.primaryHint, reason: "this primary's lease has run out")
    }

    /// The outcome of a write that does not enter the log: a condition fails, or it did before.
    private func early(_ request: inout WriteRequest, sequence: Sequence) -> WriteOutcome? {
        do throws(StoreError) {
            if let key = request.idempotencyKey, let earlier = try repeated(key, request) {
                return earlier
            }
            if let failed = failedCondition(of: request) { return failed }
            if let key = request.idempotencyKey, let fingerprint = request.fingerprint {
                try idempotency.remember(
                    key, fingerprint, in: &request.transaction, epoch: replica.record.epoch,
                    sequence: sequence)
            }
            return nil
        } catch {
            return failed(error)
        }
    }

    /// The frame under way is finished first; what the damage means is decided after it.
    private func failed(_ error: StoreError) -> WriteOutcome {
        if error.code == .corrupt { mailbox.post(.storeDamaged(error)) }
        return .failed(reason: String(describing: error))
    }

    private func repeated(
        _ key: String, _ request: WriteRequest
    ) throws(StoreError) -> WriteOutcome? {
        guard
            let sequence = try conditions.current(
                collection: IdempotencyMemory.keys, key: Array(key.utf8), table: store.table)
        else { return nil }
        guard sequence <= applier.applied else {
            return .unknown(
                gate.primaryHint, reason: "the first request with this key is still under way")
        }
        let use = try idempotency.use(of: key)
        guard use.fingerprint == nil || use.fingerprint == request.fingerprint else {
            return .keyReused(sequence: sequence)
        }
        let durable = replica.peerProgress?.durable ?? .zero
        return .repeated(
            epoch: use.epoch, sequence: sequence,
            durability: durable >= sequence ? .bothSites : .oneSite)
    }

    private func failedCondition(of request: WriteRequest) -> WriteOutcome? {
        for (index, condition) in request.conditions.enumerated() {
            let current: Sequence?
            do throws(StoreError) {
                current = try conditions.current(
                    collection: condition.collection, key: condition.key, table: store.table)
            } catch {
                return failed(error)
            }
            let holds =
                switch condition.expectation {
                case .absent: current == nil
                case .present: current != nil
                case .sequence(let expected): current == expected
                }
            if !holds { return .conditionFailed(index: index, current: current) }
        }
        return nil
    }

    // MARK: Refusing

    func refuseBacklog(_ reason: String) {
        let hint = gate.primaryHint
        for request in backlog[backlogStart...] {
            request.outbox.deliver([
                .init(ticket: request.ticket, outcome: .notPrimary(hint, reason: reason))
            ])
        }
        backlog.removeAll(keepingCapacity: true)
        backlogStart = 0
    }

    private func expireBacklog() {
        guard now.instant.since(backlogSince) > Limits.writeTimeout else { return }
        refuseBacklog("the write waited too long for the standby, the table or the disk")
    }

    /// A write whose durability takes too long is answered: it may or may not survive.
    func expireWrites() {
        guard let oldest = pending.oldest, now.instant.since(oldest) > Limits.writeTimeout
        else { return }
        let limit = Instant(
            nanoseconds: now.instant.nanoseconds - Limits.writeTimeout.nanoseconds)
        pending.abandon(
            enteredBefore: limit,
            outcome: .unknown(
                gate.primaryHint,
                reason: "no confirmation within \(Limits.writeTimeout.wholeMilliseconds) ms"))
    }
}
