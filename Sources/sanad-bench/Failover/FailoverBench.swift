import Glibc

/// What is done to the primary, or to its connections.
enum FailoverFault: String, CaseIterable {
    case kill
    case freeze
    case link
    case host
    case switchover

    var words: String {
        switch self {
        case .kill: "kill -9 of the primary"
        case .freeze: "SIGSTOP of the primary"
        case .link: "link cut"
        case .host: "primary's host lost"
        case .switchover: "switchover"
        }
    }

    /// The longest that clients may have to wait: lease + 0.5 s, or 500 ms of a planned change.
    var limitSeconds: Double { self == .switchover ? 0.5 : 3.5 }
}

/// Fails a cluster over, again and again under load, and checks what its clients were promised.
struct FailoverBench {
    var cluster: FailoverCluster
    var writers: Int
    var runs: Int

    struct Outcome {
        var seconds: [Double] = []
        var acknowledged = 0
        var lost = 0
        var overlaps = 0
        var examples: [String] = []
    }

    func measure(_ fault: FailoverFault) throws -> Outcome {
        var outcome = Outcome()
        for _ in 0..<runs {
            try cluster.waitUntilWhole()
            let load = try FailoverLoad(
                endpoints: cluster.nodes.map(\.records), writers: writers)
            let deadline = Deadline(seconds: 20)
            while load.count < writers * 20 {
                guard !deadline.hasPassed else { throw Failure("the writers get no answer") }
                pause(milliseconds: 5)
            }
            // Faults fall at any point between two heartbeats.
            pause(milliseconds: .random(in: 0...500))
            outcome.seconds.append(try strike(fault, under: load))
            pause(milliseconds: 200)
            let (acknowledged, underWay, _) = load.finish()
            let verdict = try FailoverVerdict(
                acknowledged, underWay: underWay, at: cluster.primary().records)
            outcome.acknowledged += verdict.acknowledged
            outcome.lost += verdict.lost
            outcome.overlaps += verdict.overlaps
            outcome.examples += verdict.examples
        }
        return outcome
    }

    /// - Returns: seconds from the last heartbeat before the fault, or from the fault itself when
    ///   nobody is promoted, to the first acknowledgement after it.
    private func strike(_ fault: FailoverFault, under load: FailoverLoad) throws -> Double {
        let primary = try cluster.primary()
        let standby = cluster.other(primary)
        let start = monotonicNanoseconds()
        switch fault {
        case .kill: primary.process?.send(SIGKILL)
        case .freeze: primary.process?.send(SIGSTOP)
        case .link: cluster.link.cut(.forward, .backward)
        case .host:
            primary.clients.cut(.forward, .backward)
            primary.arbiter?.cut(.forward, .backward)
            cluster.link.cut(.forward, .backward)
            primary.process?.send(SIGKILL)
        case .switchover:
            _ = try cluster.control(primary, ["switchover", "--yes", "--reason", "bench"])
            pause(milliseconds: 300)
            return Double(load.longestGap(after: start)) / 1e9
        }
        let isPromoting = fault != .link || cluster.arbiter == .none
        let answered = try firstAnswer(after: start, fault, load)
        var since = start
        if isPromoting, let heard = try heard(standby) { since = min(since, heard) }
        try heal(fault, primary)
        return Double(answered - since) / 1e9
    }

    /// The first acknowledgement that can only be of the time after the fault: whatever was sent
    /// before it, or came within what a request takes, may be of the time before.
    private func firstAnswer(
        after start: UInt64, _ fault: FailoverFault, _ load: FailoverLoad
    ) throws -> UInt64 {
        let deadline = Deadline(seconds: 30)
        while !deadline.hasPassed {
            if let answered = load.firstAcknowledgement(sentAfter: start + 20_000_000) {
                return answered
            }
            pause(milliseconds: 5)
        }
        throw Failure("\(fault.words): nobody acknowledged a write for 30 s")
    }

    /// The standby's last sign of life of the old primary, on this process's clock.
    private func heard(_ standby: FailoverCluster.Node) throws -> UInt64? {
        guard let boot = try readStatus(standby.operations)["peerHeardNanoseconds"].number else {
            return nil
        }
        var time = timespec()
        clock_gettime(CLOCK_BOOTTIME, &time)
        let now = UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
        return monotonicNanoseconds() - (now - UInt64(boot))
    }

    private func heal(_ fault: FailoverFault, _ old: FailoverCluster.Node) throws {
        switch fault {
        case .kill: try cluster.start(old)
        case .freeze: old.process?.send(SIGCONT)
        case .link: cluster.link.heal()
        case .host:
            old.clients.reset()
            old.clients.heal()
            old.arbiter?.reset()
            old.arbiter?.heal()
            cluster.link.reset()
            cluster.link.heal()
            try cluster.start(old)
        case .switchover: break
        }
    }
}
