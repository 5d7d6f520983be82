internal import SanadCore

/// Who keeps the record of a world's cluster.
public enum ArbiterChoice: String, Sendable, CaseIterable {
    case none
    case witness
    /// Drawn from the seed.
    case any
}

/// What one world is like: drawn from its seed before anything happens in it.
struct Setting {
    var hasArbiter: Bool
    var mode: ReplicationMode
    var onStandbyLoss: StandbyLossPolicy
    var failoverMode: FailoverMode
    var maxLoss: UInt64
    var hasVeto: Bool
    var timing: Timing
    var windowBytes: Int
    /// Rows of one page of a snapshot.
    var pageRows: Int
    /// Bytes of one read of the log.
    var readBytes: Int
    /// Length of the phase with faults, in nanoseconds of true time.
    var safetySpan: UInt64
    /// Longest time between two faults, in milliseconds.
    var faultSpacing: UInt64
    /// Longest time between two writes of a client, in milliseconds.
    var writeSpacing: UInt64
    /// How often each fault comes, in relation to the others.
    var weights: [UInt64]

    init(arbiter: ArbiterChoice, _ random: inout Generator) {
        let drawn = random.index(3) > 0
        hasArbiter = arbiter == .any ? drawn : arbiter == .witness
        mode = random.index(4) > 0 ? .sync : .async
        onStandbyLoss = random.index(4) > 0 ? .degrade : .block
        failoverMode =
            switch random.index(12) {
            case 0: .manual
            case 1: .observe
            default: .automatic
            }
        maxLoss = [0, 2, 8][random.index(3)]
        hasVeto = random.once(in: 8)
        let lease = random.flip() ? Span.seconds(3) : Span.milliseconds(2_000)
        let degradeAfter = [lease, .milliseconds(1_000), .seconds(4)][random.index(3)]
        timing = Timing(
            heartbeat: .milliseconds(500), lease: lease, grantWait: lease + lease / 100,
            degradeAfter: degradeAfter)
        windowBytes = [1_000, 4_000, 64_000][random.index(3)]
        pageRows = 1 + random.index(4)
        readBytes = [1, 600, 4_000][random.index(3)]
        safetySpan = random.milliseconds(30_000...120_000)
        faultSpacing = [1_000, 3_000, 8_000][random.index(3)]
        writeSpacing = [60, 250, 1_000][random.index(3)]
        weights = Fault.allCases.map { fault in
            // Some worlds know nothing of a fault, others know little else.
            guard random.once(in: fault.rarity) else { return 0 }
            return random.number(1...4)
        }
        if weights.allSatisfy({ $0 == 0 }) { weights[0] = 1 }
    }

    /// This world has the fault.
    func knows(_ fault: Fault) -> Bool {
        zip(Fault.allCases, weights).contains { $0 == fault && $1 > 0 }
    }

    /// One line for the trace.
    var description: String {
        "arbiter \(hasArbiter ? "witness" : "none"), \(mode.rawValue), on standby loss "
            + "\(onStandbyLoss.rawValue), failover \(failoverMode.rawValue), loss up to \(maxLoss), "
            + "lease \(timing.lease.wholeMilliseconds) ms, degrade after "
            + "\(timing.degradeAfter.wholeMilliseconds) ms, window \(windowBytes) bytes"
    }

    func options(_ host: Int, _ identity: StoreIdentity, _ names: Names) -> ReplicaOptions {
        ReplicaOptions(
            cluster: names.cluster, identity: identity, peer: names.nodes[1 - host], mode: mode,
            onStandbyLoss: onStandbyLoss, failoverMode: failoverMode, maxLoss: maxLoss,
            hasArbiter: hasArbiter, isInitialPrimary: host == 0, hasVeto: hasVeto, timing: timing,
            windowBytes: windowBytes)
    }

    /// Acknowledged transactions that an automatic promotion may lack.
    var lossAllowed: UInt64 { mode == .sync ? 0 : maxLoss }

    /// A standby that keeps up is listed in the record.
    var listsStandby: Bool { mode == .sync || maxLoss > 0 }
}

/// What things are called in every world.
struct Names {
    let cluster = Identifier(high: 7, low: 7)
    let nodes = ["rabat", "marrakech"].compactMap { NodeName($0) }
    /// For the trace.
    let hosts = ["R", "M"]
}
