@testable import SanadCore

/// One node: the replica, and a disk that does what it is told when it is told.
struct Site {
    let options: ReplicaOptions
    var replica: Replica
    /// What survives a restart.
    var disk: RecoveredState
    var log: [Frame] = []
    /// Frames whose append was asked for and that are not durable yet.
    var unsynced: [Frame] = []
    /// Appends stay under way until it works again.
    var isDiskStuck = false
    /// What is committed is not in the record table yet.
    var isTableStuck = false
    var isRunning = true
    /// What the replica wanted, in order, since it was looked at last.
    var wanted: [String] = []

    init(_ options: ReplicaOptions, now: Instant) {
        self.options = options
        disk = RecoveredState(
            record: .initial(cluster: options.cluster), history: [], logEnd: .origin,
            logEndOffset: 0, committed: .zero, applied: .zero)
        replica = Replica(options: options, recovered: disk, now: Now(now))
    }

    /// The process ends, and a new one starts on what is durable.
    mutating func restart(now: Instant) {
        unsynced = []
        disk.logEnd = log.last?.position ?? .origin
        disk.logEndOffset = log.last?.header.logEnd ?? 0
        replica = Replica(options: options, recovered: disk, now: Now(now))
        isRunning = true
    }

    /// One step of the replica; its effects are carried out as far as the disk goes.
    ///
    /// - Returns: what is left to do for others, and what the disk answers.
    mutating func step(_ input: Input, now: Instant) -> (effects: [Effect], answers: [Input]) {
        var effects: [Effect] = []
        replica.step(input, now: Now(now), into: &effects)
        wanted += effects.map(\.words)
        var answers: [Input] = []
        for effect in effects { answers += carryOut(effect) }
        if !isDiskStuck, let done = sync() { answers.append(done) }
        return (effects, answers)
    }

    /// What was appended becomes durable.
    mutating func sync() -> Input? {
        guard let end = unsynced.last else { return nil }
        log += unsynced
        unsynced = []
        return .appended(end.position, offset: end.header.logEnd)
    }

    private mutating func carryOut(_ effect: Effect) -> [Input] {
        switch effect {
        case .append(let frame): unsynced.append(frame)
        case .persist(let record): disk.record = record
        case .persistEpoch(let epoch): disk.epochAsked = epoch
        case .persistFence(let reason): disk.fence = reason
        case .persistConflict(let problem): disk.conflict = problem
        case .remember(let entry): disk.history.append(entry)
        case .forget(let end): disk.history.removeAll { $0.start.sequence > end }
        case .commit(let sequence): return apply(sequence)
        case .readLog(let sequence, _):
            return [.logRead(log.filter { $0.header.first > sequence })]
        case .findBoundary(let sequence):
            if sequence == .zero { return [.boundary(.origin, offset: 0)] }
            let frame = log.first { $0.header.last == sequence }
            return [.boundary(frame?.position, offset: frame?.header.logEnd ?? 0)]
        case .cutLog(let bound):
            log.removeAll { $0.header.last > bound.sequence }
            var namesLeft = false
            if case .rejoin(let isLeft, _)? = disk.repair { namesLeft = isLeft }
            return [.logCut(offset: log.last?.header.logEnd ?? 0, namesLeft: namesLeft)]
        default: break
        }
        return []
    }

    private mutating func apply(_ sequence: Sequence) -> [Input] {
        disk.committed = sequence
        guard !isTableStuck, let last = log.last(where: { $0.header.last <= sequence }) else {
            return []
        }
        disk.applied = last.header.last
        return [.applied(last.header.last, offset: last.header.logEnd)]
    }

    /// A frame of one write after the log's end.
    var nextFrame: Frame {
        var encoder = FrameEncoder(
            after: replica.logEnd, epoch: replica.record.epoch, committed: replica.committed,
            logOffset: replica.logEndOffset, wallMilliseconds: 0)
        var transaction = TransactionBytes()
        transaction.append(.put, collection: "c", key: "k", value: "1")
        _ = encoder.append(transaction)
        return encoder.finish()
    }

    /// What the replica wanted since this was asked last.
    mutating func news() -> [String] {
        defer { wanted = [] }
        return wanted
    }
}

extension Now {
    init(_ instant: Instant) { self.init(instant: instant, wallMilliseconds: 0) }
}
