import SanadCore

/// Writes that are in the log and not yet answered, in log order.
struct PendingWrites {
    private struct FrameWrites {
        var last: Sequence
        var entered: Instant
        var first: Sequence
        /// One entry a transaction, in the frame's order.
        var waiters: [(outbox: WriteOutbox, ticket: UInt64)]
    }

    private var frames: [FrameWrites] = []
    private var start = 0

    var isEmpty: Bool { start == frames.count }

    /// When the oldest unanswered write entered the log.
    var oldest: Instant? { isEmpty ? nil : frames[start].entered }

    mutating func add(
        frame: FrameHeader, waiters: [(outbox: WriteOutbox, ticket: UInt64)], at now: Instant
    ) {
        precondition(waiters.count == Int(frame.transactionCount))
        frames.append(
            FrameWrites(last: frame.last, entered: now, first: frame.first, waiters: waiters))
    }

    /// Answers every write of the frames up to `sequence`; the answers hold until the lease ends.
    mutating func acknowledge(
        upTo sequence: Sequence, epoch: Epoch, durability: Durability, leaseEnds: Instant
    ) {
        while start < frames.count, frames[start].last <= sequence {
            let frame = frames[start]
            deliver(frame, validUntil: leaseEnds) { offset in
                .committed(
                    epoch: epoch, sequence: frame.first.advanced(by: UInt64(offset)),
                    durability: durability)
            }
            dropFirst()
        }
    }

    /// Answers all, or those that entered before an instant, with one outcome.
    mutating func abandon(enteredBefore limit: Instant = .never, outcome: WriteOutcome) {
        while start < frames.count, frames[start].entered < limit {
            deliver(frames[start]) { _ in outcome }
            dropFirst()
        }
    }

    private mutating func dropFirst() {
        frames[start].waiters = []
        start += 1
        if start == frames.count || start >= 1_024 {
            frames.removeFirst(start)
            start = 0
        }
    }

    /// One delivery a run of waiters that share an outbox: as a rule one a frame.
    private func deliver(
        _ frame: FrameWrites, validUntil: Instant = .never, outcome: (Int) -> WriteOutcome
    ) {
        var index = 0
        while index < frame.waiters.count {
            let outbox = frame.waiters[index].outbox
            var batch: [WriteOutbox.Delivery] = []
            batch.reserveCapacity(frame.waiters.count - index)
            while index < frame.waiters.count, frame.waiters[index].outbox === outbox {
                batch.append(
                    .init(
                        ticket: frame.waiters[index].ticket, outcome: outcome(index),
                        validUntil: validUntil))
                index += 1
            }
            outbox.deliver(batch)
        }
    }
}
