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
                endpoints: cluster.nodes.map(\.records), writers: 0..<writers)
            try waitForAnswers(load, writers * 20)
            // Faults fall at any point between two heartbeats.
            pause(milliseconds: .random(in: 0...500))
            let strike = try strike(fault, under: load)
            outcome.seconds.append(strike.seconds)
            pause(milliseconds: 200)
            var history = load.finish()
            for patient in strike.patient { history.add(patient.finish()) }
            let verdict = try FailoverVerdict(
                history, resumed: strike.resumed, at: cluster.primary().records)
            outcome.acknowledged += verdict.acknowledged
            outcome.lost += verdict.lost
            outcome.overlaps += verdict.overlaps
            outcome.examples += verdict.examples
        }
        return outcome
    }

    private struct Strike {
        /// From the last heartbeat before the fault, or from the fault itself when nobody is
        /// promoted, to the first acknowledgement after it.
        var seconds: Double
        /// Clients that wait for the old primary, however long it is silent.
        var patient: [FailoverLoad] = []
        /// When a frozen primary went on.
        var resumed: UInt64?
    }

    private func strike(_ fault: FailoverFault, under load: FailoverLoad) throws -> Strike {
        let primary = try cluster.primary()
        let standby = cluster.other(primary)
        guard let epoch = try readStatus(primary.operations)["epoch"].number else {
            throw Failure("\(primary.name)'s status has no epoch")
        }
        var patient: [FailoverLoad] = []
        if fault == .freeze {
            let asked = try patientLoad(on: primary, group: 0)
            patient.append(asked)
            try waitForAnswers(asked, 20)
        }
        let start = monotonicNanoseconds()
        switch fault {
        case .kill: primary.process?.send(SIGKILL)
        case .freeze:
            primary.process?.send(SIGSTOP)
            // These ask while it cannot hear; the others had asked before.
            patient.append(try patientLoad(on: primary, group: 1))
        case .link: cluster.link.cut(.forward, .backward)
        case .host:
            primary.clients.cut(.forward, .backward)
            primary.arbiter?.cut(.forward, .backward)
            cluster.link.cut(.forward, .backward)
            primary.process?.send(SIGKILL)
        case .switchover:
            _ = try cluster.control(primary, ["switchover", "--yes", "--reason", "bench"])
        }
        let answered = try firstAnswer(beyond: UInt64(epoch), fault, load)
        if fault == .switchover {
            pause(milliseconds: 300)
            return Strike(seconds: Double(load.longestGap(after: start)) / 1e9)
        }
        let isPromoting = fault != .link || cluster.arbiter == .none
        let since = isPromoting ? min(start, try heard(standby)) : start
        let resumed = monotonicNanoseconds()
        try heal(fault, primary)
        return Strike(
            seconds: Double(answered - since) / 1e9, patient: patient,
            resumed: fault == .freeze ? resumed : nil)
    }

    /// Writers that ask one node only and do not give it up.
    private func patientLoad(
        on node: FailoverCluster.Node, group: Int
    ) throws -> FailoverLoad {
        let count = 4
        let first = writers + group * count
        return try FailoverLoad(
            endpoints: [node.records], writers: first..<first + count, timeoutSeconds: 30)
    }

    private func waitForAnswers(_ load: FailoverLoad, _ count: Int) throws {
        let deadline = Deadline(seconds: 20)
        while load.count < count {
            guard !deadline.hasPassed else { throw Failure("the writers get no answer") }
            pause(milliseconds: 5)
        }
    }

    private func firstAnswer(
        beyond epoch: UInt64, _ fault: FailoverFault, _ load: FailoverLoad
    ) throws -> UInt64 {
        let deadline = Deadline(seconds: 30)
        while !deadline.hasPassed {
            if let answered = load.firstAcknowledgement(beyond: epoch) { return answered }
            pause(milliseconds: 5)
        }
        throw Failure("\(fault.words): nobody acknowledged a write for 30 s")
    }

    /// The standby's last sign of life of the old primary, on this process's clock.
    private func heard(_ standby: FailoverCluster.Node) throws -> UInt64 {
        guard let boot = try readStatus(standby.operations)["peerHeardNanoseconds"].number else {
            throw Failure("\(standby.name) does not know when it heard the old primary last")
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
