import SanadNode

extension StatusReport {
    /// The next step, when the state asks for one.
    var advice: String? {
        let peer = status.link.peer
        if status.storeProblem != nil {
            return "run \"sanadctl verify\", and read \"A damaged store\" in OPERATIONS.md"
        }
        if status.conflict != nil {
            return "decide whose writes stay. On the node that gives way: sanadctl rejoin --reason "
                + "TEXT. Read \"Both were primary\" in OPERATIONS.md first"
        }
        if !status.consistent, status.waitsForCommit != true {
            let words = "wait; it goes on by itself while \(peer) is primary"
            guard status.seeding?.records == 0 else { return words }
            return words + ". If the store of \(peer) was emptied too, read \"Both stores were "
                + "emptied\" in OPERATIONS.md"
        }
        if status.operatorFence != nil {
            return "when the reason is gone: sanadctl fence --lift --reason TEXT"
        }
        switch status.role {
        case "primary" where !status.writable:
            let voices = status.arbiter == "none" ? "" : " or the arbiter"
            return "bring \(peer)\(voices) or the link to it back; writes go on by themselves "
                + "then. Look at \(peer) first: it may be primary already"
        case "primary" where status.link.state == "lost":
            return "start \(peer), or the link to it; it takes a snapshot by itself"
        case "standby" where !status.link.connected: return standbyAdvice(peer)
        case "unconfirmed":
            return status.arbiter == "none"
                ? "bring \(peer) or the link to it back"
                : "bring \(peer), the arbiter or the link to one of them back"
        default: return arbiterAdvice
        }
    }

    private func standbyAdvice(_ peer: String) -> String {
        if status.failoverPausedSeconds != nil {
            return "failover is paused. If \(peer) is lost: sanadctl resume, or sanadctl promote "
                + "--reason TEXT"
        }
        if status.failoverMode != "automatic" || !status.inSync.contains(status.node) {
            return "if \(peer) is lost: sanadctl promote --dry-run says what would be missing"
        }
        return "look at \(peer) and at the link; with automatic failover this node promotes itself "
            + "if it may"
    }

    private var arbiterAdvice: String? {
        status.arbiterReachable == false
            ? "bring the arbiter back; until then, losing one more site stops the writes" : nil
    }
}
