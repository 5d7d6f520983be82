import SanadCore

/// What an operator's command puts at stake, in sentences for a person under stress.
struct Stake {
    var replica: Replica
    var options: ReplicaOptions

    func lines(for request: OperatorRequest) -> [String] {
        switch request.action {
        case .promote: [whereThisLogEnds, whatIsMissing] + (mayMakeTwo ? [twoPrimaries] : [])
        case .runAlone: [whereThisLogEnds, whatIsMissing, twoPrimaries]
        case .switchover: [whereThisLogEnds, whereTheStandbyIs]
        case .fence:
            replica.role == .primary
                ? ["writes stop until another node is primary"] : ["this node is not primary now"]
        case .rejoin: whatIsGivenUp(goes: "they go to quarantine")
        case .reseed: whatIsGivenUp(goes: "they go to quarantine, with the whole store")
        case .liftFence, .pause, .resume: []
        }
    }

    private var whereThisLogEnds: String {
        "this node's log ends at \(replica.logEnd), committed \(replica.committed)"
    }

    /// With two sites alone, a primary that its record names as the only one in sync needs nobody's
    /// grant, and nobody but the operator knows whether it lives.
    private var mayMakeTwo: Bool { !options.hasArbiter && !replica.isSafeToPromote }

    private var twoPrimaries: String {
        "if \(options.peer) is alive, there will be two primaries: make sure that it is stopped"
    }

    private var whatIsMissing: String {
        if replica.role == .primary { return "this node is primary: nothing is missing here" }
        if replica.isSafeToPromote {
            return options.mode == .sync || options.maxLoss == 0
                ? "it is in sync: no acknowledged write can be missing"
                : "it may lack up to \(options.maxLoss) acknowledged transactions"
        }
        if replica.record.primary == options.identity.node {
            return "this node was primary itself: \(options.peer) may have taken over since, "
                + "and what it acknowledged is unknown here; two primaries are possible"
        }
        guard let marks = replica.primaryMarks else {
            return "not in sync, and what the primary wrote is unknown here"
        }
        let missing =
            marks.logEnd.value - min(marks.logEnd.value, replica.logEnd.sequence.value)
        return "not in sync: at the primary's last heartbeat \(missing) transactions were "
            + "missing here; what it wrote after that is unknown"
    }

    private var whereTheStandbyIs: String {
        guard let progress = replica.peerProgress else { return "\(options.peer) does not follow" }
        return "\(options.peer) has \(progress.durable) of \(replica.logEnd.sequence) durable"
    }

    private func whatIsGivenUp(goes: String) -> [String] {
        guard let fork = replica.forkWithPeer else {
            return ["\(options.peer) is not linked: what both have is unknown"]
        }
        return [
            "both nodes have everything up to sequence \(fork.bound)",
            "this node has \(fork.own) transactions after it: \(goes)",
            "\(options.peer) has \(fork.peer) transactions after it: they stay",
        ]
    }
}
