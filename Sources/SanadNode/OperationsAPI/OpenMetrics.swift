/// The metrics as OpenMetrics 1.0 text.
///
/// What is not known is left out, or NaN for the lag, so that no alert takes it for zero. Counters
/// start at zero with the process. Names and labels are a contract: `docs/formats/operations-api.md`.
enum OpenMetrics {
    private static let roles = ["starting", "unconfirmed", "standby", "primary", "stopped"]

    private static let replicationStates = [
        "none", "probing", "seeding", "catching-up", "streaming", "lost",
    ]

    static func text(_ view: OperationsView) -> String {
        var page = Page()
        addIdentity(view, to: &page)
        addFailover(view.status, to: &page)
        addLog(view.status, to: &page)
        addLink(view, to: &page)
        addCounters(view.status, to: &page)
        addResources(view, to: &page)
        return page.text + "# EOF\n"
    }

    private static func addIdentity(_ view: OperationsView, to page: inout Page) {
        let status = view.status
        page.add(
            "sanad_node", .info, "What this node is.",
            samples: [
                .init(
                    suffix: "_info",
                    labels: [
                        ("cluster", status.cluster), ("node", status.node),
                        ("store", status.store), ("version", status.softwareVersion),
                    ], value: "1")
            ])
        page.add(
            "sanad_role", .stateset, "The role of this node.",
            samples: roles.map {
                .init(labels: [("sanad_role", $0)], value: $0 == status.role ? "1" : "0")
            })
        page.gauge("sanad_epoch", "The epoch that this node knows.", status.epoch)
        page.gauge(
            "sanad_writable", "1 while this node may acknowledge writes.", view.isWritable)
        page.gauge("sanad_fenced", "1 while a primary has no right to acknowledge.", status.fenced)
        page.gauge(
            "sanad_in_sync", "1 when the cluster record names this node as in sync.",
            status.inSync.contains(status.node))
        page.gauge(
            "sanad_in_sync_nodes", "Nodes that the cluster record names as in sync.",
            UInt64(status.inSync.count))
    }

    private static func addFailover(_ status: NodeStatus, to page: inout Page) {
        let isPeerInSync = status.inSync.contains(status.link.peer)
        page.gauge(
            "sanad_peer_in_sync", "1 when the cluster record names the other node as in sync.",
            isPeerInSync)
        page.gauge(
            "sanad_degraded", "1 while a primary in sync mode acknowledges on one site only.",
            status.role == "primary" && status.replicationMode == "sync" && !isPeerInSync)
        if let isReachable = status.arbiterReachable {
            page.gauge(
                "sanad_arbiter_reachable", "1 when the arbiter answered within the last lease.",
                isReachable)
        }
        page.gauge(
            "sanad_failover_paused", "1 while an operator keeps a standby from promoting itself.",
            status.failoverPausedSeconds != nil)
        page.gauge(
            "sanad_fenced_by_operator", "1 while an operator keeps this node from the role.",
            status.operatorFence != nil)
        page.gauge(
            "sanad_runs_alone", "1 while a primary acts without a lease, by an operator's word.",
            status.runsAlone)
        page.gauge(
            "sanad_conflict", "1 after two primaries met, until an operator chooses.",
            status.conflict != nil)
        page.gauge(
            "sanad_consistent", "0 while a repair or a snapshot is under way: no reads then.",
            status.consistent)
        if let seeding = status.seeding {
            page.gauge(
                "sanad_seeding_records", "Records of the snapshot loaded so far.", seeding.records)
            page.gauge(
                "sanad_seeding_bytes", unit: "bytes", "Bytes of the snapshot loaded so far.",
                seeding.bytes)
        }
        page.add(
            "sanad_replication_state", .stateset, "How the standby takes the log.",
            samples: replicationStates.map {
                .init(
                    labels: [("sanad_replication_state", $0)],
                    value: $0 == status.link.state ? "1" : "0")
            })
        if let bytes = status.bytesUntilLost {
            page.gauge(
                "sanad_bytes_until_lost",
                "Log bytes that may be written before the standby loses its place.", bytes)
        }
    }

    private static func addLog(_ status: NodeStatus, to page: inout Page) {
        page.gauge("sanad_log_end_sequence", "The last durable sequence.", status.logEnd.sequence)
        page.gauge("sanad_committed_sequence", "The last committed sequence.", status.committed)
        page.gauge("sanad_applied_sequence", "The last sequence that reads see.", status.applied)
        page.gauge(
            "sanad_log_end_bytes", unit: "bytes", "Bytes of the log since its beginning.",
            status.logEndBytes)
        // The lag is always there: NaN keeps a comparison false in either direction, so an alert
        // on the missing knowledge has a sample to look at.
        page.gauge(
            "sanad_lag_transactions", unit: "transactions",
            "Transactions that the standby is behind; NaN when not known.",
            status.lag.transactions.map { Double($0) } ?? .nan)
        page.gauge(
            "sanad_lag_bytes", unit: "bytes",
            "Log bytes that the standby is behind; NaN when not known.",
            status.lag.bytes.map { Double($0) } ?? .nan)
        page.gauge(
            "sanad_lag_seconds", unit: "seconds",
            "Seconds that the standby is behind, by the primary's clock; NaN when not known.",
            status.lag.seconds ?? .nan)
    }

    private static func addLink(_ view: OperationsView, to page: inout Page) {
        let link = view.status.link
        page.gauge("sanad_link_connected", "1 while the peer is connected.", link.connected)
        page.add(
            "sanad_link_bytes", .counter, unit: "bytes",
            "Bytes to and from the peer, before (plain) and after (wire) compression.",
            samples: [
                ("sent", "plain", link.plainBytesSent), ("sent", "wire", link.wireBytesSent),
                ("received", "plain", link.plainBytesReceived),
                ("received", "wire", link.wireBytesReceived),
            ].map {
                .init(
                    suffix: "_total", labels: [("direction", $0.0), ("form", $0.1)],
                    value: "\($0.2)")
            })
        page.counter(
            "sanad_link_connections", "Connections made with the peer.", link.connectionsTotal)
        page.counter(
            "sanad_link_refusals", "Connections refused, by this node or by the peer.",
            link.refusalsTotal)
        if let heard = view.status.peerHeardNanoseconds {
            page.gauge(
                "sanad_peer_silence_seconds", unit: "seconds",
                "Time since the peer was last heard.", view.age(of: heard))
        }
        for (name, help, value) in [
            ("received", "The last sequence that the standby received.", link.peerReceived),
            ("durable", "The last sequence that is durable on the standby.", link.peerDurable),
            ("applied", "The last sequence that reads on the standby see.", link.peerApplied),
        ] {
            if let value { page.gauge("sanad_standby_\(name)_sequence", help, value) }
        }
    }

    private static func addCounters(_ status: NodeStatus, to page: inout Page) {
        page.counter("sanad_commits", "Group commits.", status.commitsTotal)
        page.counter("sanad_transactions", "Transactions committed.", status.transactionsTotal)
        page.counter(
            "sanad_role_changes", "Promotions and takings of the role.", status.roleChangesTotal)
        page.gauge(
            "sanad_commit_queue_requests", "Writes that wait for the commit thread.",
            UInt64(max(0, status.commitQueueRequests)))
        if let seconds = status.lastPromotionSeconds {
            page.gauge(
                "sanad_last_promotion_seconds", unit: "seconds",
                "From the old primary's last heartbeat to this node's promotion.", seconds)
        }
    }

    private static func addResources(_ view: OperationsView, to page: inout Page) {
        let status = view.status
        page.gauge(
            "sanad_commit_thread_age_seconds", unit: "seconds",
            "Time since the commit thread's last round.", view.age(of: status.tickNanoseconds))
        page.gauge(
            "sanad_store_ok", "0 when the store has a problem.", status.storeProblem == nil)
        if let bytes = status.logVerifiedBytes {
            page.add(
                "sanad_log_verified_bytes", .counter, unit: "bytes",
                "Sealed log that was read again and found sound.",
                samples: [Sample(suffix: "_total", value: "\(bytes)")])
        }
        if let seconds = status.logVerifiedUnixSeconds {
            page.gauge(
                "sanad_log_verified_timestamp_seconds", unit: "seconds",
                "When all sealed log was last found sound, since 1970.", Double(seconds))
        }
        page.gauge(
            "sanad_quarantine_entries", "Pieces of log in quarantine.",
            UInt64(max(0, status.quarantineEntries)))
        if let free = status.diskFreeBytes {
            page.gauge("sanad_disk_free_bytes", unit: "bytes", "Free disk space.", free)
        }
        if let expires = status.certificateExpiresUnixSeconds {
            page.gauge(
                "sanad_certificate_expiry_timestamp_seconds", unit: "seconds",
                "When the node's certificate expires, since 1970.", Double(expires))
        }
    }
}

extension OpenMetrics {
    enum Kind: String {
        case gauge
        case counter
        case info
        case stateset
    }

    struct Sample {
        var suffix = ""
        var labels: [(name: String, value: String)] = []
        var value: String
    }

    /// The text under construction.
    struct Page {
        private(set) var text = ""

        mutating func add(
            _ name: String, _ kind: Kind, unit: String? = nil, _ help: String, samples: [Sample]
        ) {
            text += "# TYPE \(name) \(kind.rawValue)\n"
            if let unit { text += "# UNIT \(name) \(unit)\n" }
            text += "# HELP \(name) \(help)\n"
            for sample in samples {
                text += name + sample.suffix
                if !sample.labels.isEmpty {
                    let labels = sample.labels.map { "\($0.name)=\"\(Self.escaped($0.value))\"" }
                    text += "{\(labels.joined(separator: ","))}"
                }
                text += " \(sample.value)\n"
            }
        }

        mutating func gauge(_ name: String, unit: String? = nil, _ help: String, _ value: UInt64) {
            add(name, .gauge, unit: unit, help, samples: [Sample(value: "\(value)")])
        }

        mutating func gauge(_ name: String, unit: String? = nil, _ help: String, _ value: Double) {
            let text = value.isNaN ? "NaN" : "\(value)"
            add(name, .gauge, unit: unit, help, samples: [Sample(value: text)])
        }

        mutating func gauge(_ name: String, _ help: String, _ value: Bool) {
            gauge(name, help, value ? 1 as UInt64 : 0)
        }

        mutating func counter(_ name: String, _ help: String, _ value: UInt64) {
            add(name, .counter, help, samples: [Sample(suffix: "_total", value: "\(value)")])
        }

        private static func escaped(_ value: String) -> String {
            var text = ""
            for character in value {
                switch character {
                case "\\": text += "\\\\"
                case "\"": text += "\\\""
                case "\n": text += "\\n"
                default: text.append(character)
                }
            }
            return text
        }
    }
}
