import SanadNode

/// The status in plain words: one sentence that says what matters, the figures, then what to do.
struct StatusReport {
    var status: NodeStatus
    var nowUnixSeconds: Int64

    var text: String {
        var parts = [headline, Text.table(rows)]
        if let advice { parts.append("What to do: " + advice) }
        return parts.joined(separator: "\n\n")
    }

    /// What one has to know at 3 a.m.
    var headline: String {
        let name = status.node
        if let problem = status.storeProblem {
            return "\(name): THE STORE HAS A PROBLEM: \(problem)"
        }
        switch status.role {
        case "primary" where status.writable:
            return "\(name) is the primary (epoch \(status.epoch)) and takes writes."
        case "primary":
            let reason = status.fenceReason ?? "it has no lease"
            return "\(name) is the primary (epoch \(status.epoch)) but TAKES NO WRITES: \(reason)."
        case "standby" where status.link.connected:
            return "\(name) is the standby and follows \(status.primary ?? status.link.peer)."
        case "standby":
            return "\(name) is the standby and DOES NOT HEAR \(status.link.peer)."
        case "unconfirmed":
            return "\(name) has started and TAKES NO WRITES until \(status.link.peer) confirms "
                + "who is primary."
        case "starting": return "\(name) is starting."
        case "stopped": return "\(name) has stopped."
        default: return "\(name) is \(status.role)."
        }
    }

    private var rows: [(String, String)] {
        var rows = [
            ("Node", "\(status.node), Sanad \(status.softwareVersion), store \(status.store)"),
            ("Cluster", "\(status.cluster); primary: \(status.primary ?? "none chosen yet")"),
            ("Writes", writes),
            ("In sync", status.inSync.isEmpty ? "no node" : status.inSync.joined(separator: ", ")),
            ("Standby behind", lag),
            ("Log ends at", logEnd),
            (
                "Committed",
                "\(Text.count(status.committed)); in the record table: \(Text.count(status.applied))"
            ),
            ("Link", link),
            ("Failover", failover),
        ]
        if status.commitQueueRequests > 0 {
            rows.append(("Waiting writes", Text.count(UInt64(status.commitQueueRequests))))
        }
        if status.quarantineEntries > 0 {
            rows.append(("Quarantine", "\(status.quarantineEntries) entries"))
        }
        rows.append(("Disk free", status.diskFreeBytes.map(Text.bytes) ?? "not known"))
        rows.append(("Certificate", certificate))
        return rows
    }

    private var writes: String {
        guard status.writable else { return "no" }
        if status.replicationMode == "async" { return "yes; durable on this site (async)" }
        return status.inSync.count > 1
            ? "yes; durable on both sites before each answer"
            : "yes; durable on THIS SITE ONLY until \(status.link.peer) has caught up"
    }

    /// Unknown is said, and never shown as zero.
    private var lag: String {
        guard status.role == "primary" || status.role == "standby" else { return "not known" }
        let parts = [
            status.lag.transactions.map { "\(Text.count($0)) transactions" },
            status.lag.bytes.map { Text.bytes($0) },
            status.lag.seconds.map { Text.seconds($0) },
        ].compactMap { $0 }
        return parts.isEmpty ? "not known" : parts.joined(separator: ", ")
    }

    private var logEnd: String {
        let position = Text.position(
            epoch: status.logEnd.epoch, sequence: status.logEnd.sequence, hash: status.logEnd.hash)
        return "\(position), \(Text.bytes(status.logEndBytes)) written since the beginning"
    }

    private var link: String {
        let link = status.link
        guard link.connected else {
            let reason = link.lastError.map { "; last error: \($0)" } ?? ""
            return "not connected to \(link.peer)\(reason)"
        }
        let (plain, wire) =
            status.role == "primary"
            ? (link.plainBytesSent, link.wireBytesSent)
            : (link.plainBytesReceived, link.wireBytesReceived)
        var text = "connected to \(link.peer), \(link.state)"
        if wire > 0 {
            let ratio = Text.decimal(Double(plain) / Double(wire), 1)
            text += "; \(Text.bytes(plain)) as \(Text.bytes(wire)) (\(ratio) : 1)"
        }
        return text
    }

    private var failover: String {
        let mode =
            status.failoverMode == "manual"
            ? "by hand (sanadctl promote)"
            : status.replicationMode == "async"
                ? "by hand: in async mode the standby never promotes itself" : "automatic"
        guard let seconds = status.lastPromotionSeconds else { return mode }
        return "\(mode); last promotion took \(Text.seconds(seconds))"
    }

    private var certificate: String {
        guard let expiry = status.certificateExpiresUnixSeconds else { return "not known" }
        let left = expiry - nowUnixSeconds
        guard left > 0 else { return "EXPIRED on \(Text.time(unixSeconds: expiry))" }
        return "expires in \(Text.seconds(Double(left))), on \(Text.time(unixSeconds: expiry))"
    }

    /// The next step, when the state asks for one.
    private var advice: String? {
        if status.storeProblem != nil {
            return "run \"sanadctl verify\", and read \"A damaged store\" in OPERATIONS.md"
        }
        switch status.role {
        case "primary" where !status.writable:
            return "bring \(status.link.peer) or the link to it back; writes go on by themselves "
                + "then. Look at \(status.link.peer) first: it may be primary already"
        case "standby" where !status.link.connected && status.replicationMode == "async":
            return "if \(status.link.peer) is lost: sanadctl promote --accept-loss --reason TEXT"
        case "standby" where !status.link.connected:
            return "look at \(status.link.peer) and at the link; with automatic failover this "
                + "node promotes itself if it may"
        case "unconfirmed":
            return "bring \(status.link.peer) or the link to it back"
        default: return nil
        }
    }
}
