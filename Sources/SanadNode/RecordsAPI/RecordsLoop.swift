import Logging
import NIOCore
import SanadCore
import SanadStore
import Synchronization

/// What the connections of one event loop share. It is used on that loop only.
final class RecordsLoop {
    let gate: any NodeGate
    let eventLoop: any EventLoop
    let limits: RecordsServerLimits
    let outbox: WriteOutbox
    let reads: ReadPool
    let logger: Logger
    /// The time of the last tick: timeouts need no finer clock, and reading one costs.
    private(set) var now = NIODeadline.now()
    /// `Date: …` and its line break, made anew once a second.
    private(set) var dateLine: [UInt8] = HTTPDate.line(secondsSince1970: HTTPDate.wallSeconds())
    /// Bytes of request bodies held by all connections of the loop.
    var bodyBytes = 0
    private(set) var isDraining = false
    private var connections: [RecordsConnection] = []
    private var slots: [WriteSlot] = []
    private var freeSlots: [Int] = []
    private var waits: [PositionWait] = []
    private var waitTimer: Scheduled<Void>?
    private var ticks: RepeatedTask?

    /// A write on its way: whom to tell, and the connection's own mark of it.
    private struct WriteSlot {
        var connection: RecordsConnection?
        var mark: UInt64
        var generation: UInt32
    }

    /// A read that waits until the node has come to a sequence.
    private struct PositionWait {
        var connection: RecordsConnection
        var request: UInt64
        var sequence: Sequence
        var goal: Goal
        var deadline: NIODeadline
    }

    enum Goal {
        case applied
        case committed
    }

    init(
        gate: any NodeGate, eventLoop: any EventLoop, limits: RecordsServerLimits,
        outbox: WriteOutbox, reads: ReadPool, logger: Logger
    ) {
        self.gate = gate
        self.eventLoop = eventLoop
        self.limits = limits
        self.outbox = outbox
        self.reads = reads
        self.logger = logger
    }

    func start() {
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        ticks = eventLoop.scheduleRepeatedTask(initialDelay: limits.tick, delay: limits.tick) { _ in
            bound.value.tick()
        }
    }

    func stop() {
        ticks?.cancel()
        ticks = nil
        waitTimer?.cancel()
        waits.removeAll()
        for connection in connections { connection.closeNow() }
    }

    /// Closes idle connections; the others close after their answer.
    func drain() {
        isDraining = true
        for connection in connections { connection.drain() }
    }

    private func tick() {
        now = .now()
        dateLine = HTTPDate.line(secondsSince1970: HTTPDate.wallSeconds())
        for connection in connections { connection.tick(now) }
    }
}

extension RecordsLoop {
    func add(_ connection: RecordsConnection) {
        connection.registryIndex = connections.count
        connections.append(connection)
    }

    func remove(_ connection: RecordsConnection) {
        guard let index = connection.registryIndex, let last = connections.popLast() else { return }
        connection.registryIndex = nil
        guard last !== connection else { return }
        connections[index] = last
        last.registryIndex = index
    }
}

extension RecordsLoop {
    /// Hands a transaction to the node.
    ///
    /// - Parameter mark: given back to the connection with the outcome.
    func submit(
        _ transaction: TransactionBytes, conditions: [Condition], idempotencyKey: String?,
        for connection: RecordsConnection, mark: UInt64
    ) throws(SubmitRefusal) {
        let index = freeSlots.popLast() ?? slots.count
        if index == slots.count {
            slots.append(WriteSlot(connection: nil, mark: 0, generation: 0))
        }
        let generation = slots[index].generation &+ 1
        slots[index] = WriteSlot(connection: connection, mark: mark, generation: generation)
        do throws(SubmitRefusal) {
            try gate.submit(
                WriteRequest(
                    transaction: transaction, conditions: conditions,
                    idempotencyKey: idempotencyKey, outbox: outbox,
                    ticket: UInt64(generation) << 32 | UInt64(index)))
        } catch {
            slots[index].connection = nil
            freeSlots.append(index)
            throw error
        }
    }

    /// The lease is looked at once more, just before the answer: this thread, too, can have stood
    /// still since the engine looked.
    private func outcome(of delivery: WriteOutbox.Delivery) -> WriteOutcome {
        guard SystemClock.instant >= delivery.validUntil else { return delivery.outcome }
        return .unknown(gate.primaryHint, reason: "the lease ended before the answer was sent")
    }

    /// Tells the connections what became of their writes.
    func deliverOutcomes() {
        for delivery in outbox.drain() {
            let index = Int(delivery.ticket & 0xFFFF_FFFF)
            guard index < slots.count, slots[index].generation == UInt32(delivery.ticket >> 32),
                let connection = slots[index].connection
            else { continue }
            let mark = slots[index].mark
            slots[index].connection = nil
            freeSlots.append(index)
            connection.writeEnded(outcome(of: delivery), mark: mark)
        }
    }
}

extension RecordsLoop {
    /// Looks every few milliseconds: the node does not tell when it applies.
    private static let waitStep = TimeAmount.milliseconds(2)

    /// Calls `positionWaitEnded` once the node has come to `sequence`, or the time is over.
    func wait(
        _ connection: RecordsConnection, for goal: Goal, _ sequence: Sequence, atMost span: Span
    ) {
        waits.append(
            PositionWait(
                connection: connection, request: connection.requestNumber, sequence: sequence,
                goal: goal, deadline: .now() + .nanoseconds(Int64(span.nanoseconds))))
        scheduleWaitStep()
    }

    private func scheduleWaitStep() {
        guard waitTimer == nil, !waits.isEmpty else { return }
        waitTimer = eventLoop.assumeIsolated().scheduleTask(in: Self.waitStep) { [weak self] in
            self?.waitStep()
        }
    }

    /// How far the log is committed: what is applied is, though the published status may be older.
    var committed: Sequence { max(Sequence(gate.status.committed), gate.table.applied) }

    private func waitStep() {
        waitTimer = nil
        let applied = gate.table.applied
        let committed = committed
        let time = NIODeadline.now()
        var ended: [(PositionWait, reached: Bool)] = []
        waits.removeAll { wait in
            let reached = wait.sequence <= (wait.goal == .applied ? applied : committed)
            let over = reached || time >= wait.deadline || !wait.connection.waits(wait.request)
            if over { ended.append((wait, reached)) }
            return over
        }
        for (wait, reached) in ended {
            wait.connection.positionWaitEnded(request: wait.request, reached: reached)
        }
        scheduleWaitStep()
    }
}
