import SanadNode

/// The status in plain words: one sentence that says what matters, the figures, then what to do.
struct StatusReport {
    var status: NodeStatus
    var nowUnixSeconds: Int64
    /// What an earlier look showed; nil when this is the first one.
    var earlier: NodeStatus?

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
        if let conflict = status.conflict {
            return "\(name) HAS MET ANOTHER PRIMARY and takes no writes: \(conflict)."
        }
        if !status.consistent, status.waitsForCommit != true {
            return "\(name) SERVES NO READS and cannot be promoted yet: \(repair)."
        }
        if let reason = status.operatorFence {
            return "\(name) is \(status.role) and FENCED by an operator: \(reason)."
        }
        if status.waitsForCommit == true, status.role != "primary" {
            return "\(name) SERVES NO READS until \(status.link.peer), or its own promotion, "
                + "confirms the end of its log."
        }
        return roleHeadline
    }

    private var roleHeadline: String {
        let name = status.node
        switch status.role {
        case "primary" where status.writable && status.runsAlone:
            return "\(name) is the primary (epoch \(status.epoch)), takes writes, and RUNS ALONE "
                + "by an operator's word."
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
            let voice = status.arbiter == "none" ? "" : " or the arbiter"
            return "\(name) has started and TAKES NO WRITES until \(status.link.peer)\(voice) "
                + "confirms who is primary."
        case "starting": return "\(name) is starting."
        case "stopped": return "\(name) has stopped."
        default: return "\(name) is \(status.role)."
        }
    }

    private var repair: String {
        if status.waitsForCommit == true {
            return "all are there; changes at the log's end are not known as committed yet"
        }
        guard let seeding = status.seeding else {
            return "records that a failover cut off are being fetched anew"
        }
        let parts = [
            "a snapshot is being loaded",
            "\(Text.count(seeding.records)) records", Text.bytes(seeding.bytes),
            StatusTrend(from: earlier, to: status)?.seedingText,
        ]
        return parts.compactMap(\.self).joined(separator: ", ")
    }

    var rows: [(String, String)] {
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
            ("Arbiter", arbiter),
            ("Failover", failover),
        ]
        if !status.consistent { rows.append(("Records", repair)) }
        if let conflict = status.conflict { rows.append(("Conflict", conflict)) }
        if let fence = status.operatorFence { rows.append(("Fence", "by an operator: \(fence)")) }
        if let bytes = status.bytesUntilLost { rows.append(("Standby's place", place(bytes))) }
        if status.commitQueueRequests > 0 {
            rows.append(("Waiting writes", Text.count(UInt64(status.commitQueueRequests))))
        }
        if status.quarantineEntries > 0 {
            rows.append(
                ("Quarantine", "\(status.quarantineEntries) entries (sanadctl quarantine list)"))
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
            StatusTrend(from: earlier, to: status)?.lagText,
        ].compactMap { $0 }
        return parts.isEmpty ? "not known" : parts.joined(separator: ", ")
    }

    private func place(_ bytes: UInt64) -> String {
        status.link.state == "lost"
            ? "LOST: the log no longer reaches back to it; it has to take a snapshot"
            : "kept for another \(Text.bytes(bytes)) of log"
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
            let state = link.state == "lost" ? "; its place in the log is LOST" : ""
            return "not connected to \(link.peer)\(state)\(reason)"
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

    private var arbiter: String {
        guard status.arbiter != "none" else { return "none: two sites alone" }
        switch status.arbiterReachable {
        case true?: return "answers"
        case false?:
            return "DOES NOT ANSWER" + (status.arbiterProblem.map { ": \($0)" } ?? "")
        case nil: return "not asked yet"
        }
    }

    private var failover: String {
        var text =
            switch status.failoverMode {
            case "manual": "by hand (sanadctl promote)"
            case "observe": "by hand (observe: the log says when this node would have acted)"
            default: "automatic"
            }
        if let seconds = status.failoverPausedSeconds {
            text += "; PAUSED by an operator for another \(Text.seconds(seconds))"
        }
        guard let seconds = status.lastPromotionSeconds else { return text }
        return "\(text); last promotion took \(Text.seconds(seconds))"
    }

    private var certificate: String {
        guard let expiry = status.certificateExpiresUnixSeconds else { return "not known" }
        let left = expiry - nowUnixSeconds
        guard left > 0 else { return "EXPIRED on \(Text.time(unixSeconds: expiry))" }
        return "expires in \(Text.seconds(Double(left))), on \(Text.time(unixSeconds: expiry))"
    }
}
