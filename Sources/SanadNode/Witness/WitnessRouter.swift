/// What a witness's answers are made from: one published state, and the clock's word on it.
struct WitnessView: Sendable {
    var status: WitnessStatus
    /// `CLOCK_BOOTTIME`, as the status has its instants.
    var nowNanoseconds: UInt64
    var nowUnixSeconds: Int64
    var thresholds: OperationsThresholds

    /// Seconds since an instant of the status.
    func age(of nanoseconds: UInt64) -> Double {
        nowNanoseconds > nanoseconds ? Double(nowNanoseconds - nanoseconds) / 1e9 : 0
    }

    /// Seconds until nobody but the present primary is kept from the role.
    var leaseSeconds: Double {
        let end = status.leaseEndsNanoseconds
        return end > nowNanoseconds ? Double(end - nowNanoseconds) / 1e9 : 0
    }
}

/// Answers requests of a witness's operations API from one view. Pure: no clock, no I/O.
enum WitnessRouter {
    static func answer(
        method: String, path: String, query: String?, _ view: WitnessView
    ) -> OperationsAnswer {
        guard ["/", "/livez", "/readyz", "/status", "/metrics"].contains(path) else {
            return .problem(404, "not-found", "No such path", "\(path) does not exist.")
        }
        guard ["GET", "HEAD", "OPTIONS"].contains(method) else {
            var answer = OperationsAnswer.problem(
                405, "method-not-allowed", "The method is not for this path",
                "Allowed: \(OperationsRouter.allow).")
            answer.allow = OperationsRouter.allow
            return answer
        }
        do throws(OperationsQuery.Failure) {
            let known = path == "/livez" || path == "/readyz" ? ["verbose"] : []
            let query = try OperationsQuery(query, known: known)
            switch path {
            case "/livez":
                return report([("witness_thread", live(view))], try query.flag("verbose"))
            case "/readyz": return report(checks(view), try query.flag("verbose"))
            case "/metrics":
                return OperationsAnswer(
                    status: 200, contentType: .openMetrics, body: metrics(view))
            default: return .json(view.status, status: 200)
            }
        } catch {
            return .badParameter(error.detail)
        }
    }

    private typealias Check = (name: String, failure: String?)

    private static func report(_ checks: [Check], _ isVerbose: Bool) -> OperationsAnswer {
        let lines = checks.map { check in
            check.failure.map { "[-]\(check.name) failed: \($0)\n" } ?? "[+]\(check.name) ok\n"
        }
        guard checks.allSatisfy({ $0.failure == nil }) else { return .text(503, lines.joined()) }
        return .text(200, isVerbose ? lines.joined() : "ok\n")
    }

    private static func live(_ view: WitnessView) -> String? {
        let age = view.age(of: view.status.tickNanoseconds)
        return age > view.thresholds.tickAgeSeconds ? "it has stood still for \(Int(age)) s" : nil
    }

    /// A witness without its nodes is ready for them: only what is wrong with itself counts.
    private static func checks(_ view: WitnessView) -> [Check] {
        let status = view.status
        var disk: String?
        if let free = status.diskFreeBytes, free < view.thresholds.diskFreeBytes {
            disk = "\(free) bytes are free, less than \(view.thresholds.diskFreeBytes)"
        }
        var certificate: String?
        if let expires = status.certificateExpiresUnixSeconds,
            expires - view.nowUnixSeconds < view.thresholds.certificateSeconds
        {
            certificate = "the certificate expires in \((expires - view.nowUnixSeconds) / 3_600) h"
        }
        return [
            ("witness_thread", live(view)), ("store", status.storeProblem), ("disk", disk),
            ("tls_expiry", certificate),
        ]
    }

    private static func metrics(_ view: WitnessView) -> String {
        let status = view.status
        var page = OpenMetrics.Page()
        page.add(
            "sanad_node", .info, "What this node is.",
            samples: [
                .init(
                    suffix: "_info",
                    labels: [
                        ("cluster", status.cluster), ("node", status.node), ("role", status.role),
                        ("version", status.softwareVersion),
                    ], value: "1")
            ])
        page.gauge("sanad_epoch", "The epoch of the cluster's record.", status.epoch)
        page.gauge(
            "sanad_witness_record_version", "Version of the cluster's record.",
            status.recordVersion)
        page.gauge(
            "sanad_committed_sequence", "The last committed sequence that a primary told.",
            status.committed)
        page.gauge(
            "sanad_in_sync_nodes", "Nodes that the cluster record names as in sync.",
            UInt64(status.inSync.count))
        page.gauge(
            "sanad_witness_lease_seconds", unit: "seconds",
            "Until another node than the primary may take the role.", view.leaseSeconds)
        addMembers(view, to: &page)
        page.counter("sanad_witness_questions", "Questions answered.", status.questionsTotal)
        page.counter(
            "sanad_witness_refused_questions", "Questions refused.", status.refusedQuestionsTotal)
        page.counter(
            "sanad_witness_changes", "Changes of the record accepted.", status.changesTotal)
        page.counter("sanad_witness_saves", "Writes of witness.db.", status.savesTotal)
        page.counter("sanad_link_refusals", "Connections refused.", status.refusalsTotal)
        page.gauge(
            "sanad_store_ok", "0 when the store has a problem.", status.storeProblem == nil)
        if let free = status.diskFreeBytes {
            page.gauge("sanad_disk_free_bytes", unit: "bytes", "Free disk space.", free)
        }
        if let expires = status.certificateExpiresUnixSeconds {
            page.gauge(
                "sanad_certificate_expiry_timestamp_seconds", unit: "seconds",
                "When the node's certificate expires, since 1970.", Double(expires))
        }
        return page.text + "# EOF\n"
    }

    private static func addMembers(_ view: WitnessView, to page: inout OpenMetrics.Page) {
        page.add(
            "sanad_witness_member_connected", .gauge, "1 while the data node is connected.",
            samples: view.status.members.map {
                .init(labels: [("member", $0.node)], value: $0.connected ? "1" : "0")
            })
        page.add(
            "sanad_witness_member_silence_seconds", .gauge, unit: "seconds",
            "Time since the data node's last question; NaN before the first.",
            samples: view.status.members.map { member in
                let age = member.heardNanoseconds.map { "\(view.age(of: $0))" } ?? "NaN"
                return .init(labels: [("member", member.node)], value: age)
            })
    }
}
