import Glibc
import Histogram

/// Puts by a number of clients in a closed loop, from one thread.
///
/// The generator shares two cores with both daemons, so it is as lean as `pgbench -j 1`: raw
/// sockets, poll, and with one client a plain blocking receive.
struct PutsLoad {
    struct Result {
        var puts: UInt64
        var seconds: Double
        var latencies: Histogram<UInt64>
        /// The generator's own processor time, in seconds, in the measured window.
        var generatorSeconds: Double
        /// Why the load ended before its time; nil when it did not.
        var interruption: String?

        var perSecond: Double { Double(puts) / seconds }

        func milliseconds(atPercentile percentile: Double) -> Double {
            Double(latencies.valueAtPercentile(percentile)) / 1e6
        }
    }

    var endpoint: Endpoint
    var clients: Int
    var collection: String
    var warmUpSeconds: Double
    var measuredSeconds: Double
    var seed: UInt64
    /// When true, a refused put or a lost connection ends the load without an error: for a load on
    /// a primary that is about to be killed.
    var endsQuietly = false
    /// Exactly so many puts are sent and awaited, unless the time is up before.
    var putsMaximum = UInt64.max

    func run() throws -> Result {
        let connections = try (0..<clients).map { _ in
            try PutsConnection(to: endpoint, collection: collection, timeoutSeconds: 30)
        }
        var turn = Turn(load: self)
        do {
            for connection in connections { try turn.send(on: connection) }
            if connections.count == 1 {
                try runBlocking(connections[0], &turn)
            } else {
                try runPolling(connections, &turn)
            }
        } catch let failure as Failure where endsQuietly {
            turn.interruption = failure.description
        }
        return turn.result()
    }

    private func runBlocking(_ connection: PutsConnection, _ turn: inout Turn) throws {
        while true {
            guard try connection.receiveAnswer() else {
                if errno == EAGAIN { throw Failure("no answer for 30 s") }
                continue
            }
            guard turn.finish(connection.sentAt) else { return }
            try turn.send(on: connection)
        }
    }

    private func runPolling(_ connections: [PutsConnection], _ turn: inout Turn) throws {
        let polls = UnsafeMutableBufferPointer<pollfd>.allocate(capacity: connections.count)
        defer { polls.deallocate() }
        for (index, connection) in connections.enumerated() {
            connection.socket.setNonBlocking()
            polls.initializeElement(
                at: index,
                to: pollfd(fd: connection.socket.descriptor, events: Int16(POLLIN), revents: 0))
        }
        while true {
            let count = poll(polls.baseAddress, nfds_t(polls.count), 30_000)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw Failure("no answer for 30 s") }
            for index in polls.indices where polls[index].revents != 0 {
                let connection = connections[index]
                guard try connection.receiveAnswer() else { continue }
                guard turn.finish(connection.sentAt) else { return }
                try turn.send(on: connection)
            }
        }
    }
}

/// The measurement's state: warm-up, then the measured window.
private struct Turn {
    private var generator: SplitMix
    var interruption: String?

    private var latencies = Histogram<UInt64>(numberOfSignificantValueDigits: .two)
    private var puts: UInt64 = 0
    private var left: UInt64
    private var underWay = 0
    private let measureFrom: UInt64
    private let end: UInt64
    private var startedAt: UInt64
    private var last: UInt64
    private var processorAtStart: Double = 0

    init(load: PutsLoad) {
        generator = SplitMix(seed: load.seed)
        left = load.putsMaximum
        let now = monotonicNanoseconds()
        measureFrom = now + UInt64(load.warmUpSeconds * 1e9)
        end = measureFrom + UInt64(load.measuredSeconds * 1e9)
        startedAt = measureFrom
        last = now
    }

    /// Sends the connection's next put, unless all have been sent.
    mutating func send(on connection: PutsConnection) throws {
        guard left > 0 else { return }
        left -= 1
        underWay += 1
        try connection.sendNext(from: &generator)
    }

    /// Counts one answered put; false when it was the last one, or the time is up.
    mutating func finish(_ sentAt: UInt64) -> Bool {
        underWay -= 1
        last = monotonicNanoseconds()
        guard last >= measureFrom else { return left > 0 || underWay > 0 }
        if puts == 0 {
            startedAt = last
            processorAtStart = processorSeconds()
        }
        puts += 1
        latencies.record(last - sentAt)
        return last < end && (left > 0 || underWay > 0)
    }

    func result() -> PutsLoad.Result {
        PutsLoad.Result(
            puts: puts, seconds: max(1e-9, Double(last - min(last, startedAt)) / 1e9),
            latencies: latencies, generatorSeconds: processorSeconds() - processorAtStart,
            interruption: interruption)
    }
}

/// Processor time of this process, in seconds.
private func processorSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}
