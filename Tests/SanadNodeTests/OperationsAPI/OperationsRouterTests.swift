import Testing

@testable import SanadNode

@Suite("Operations API: answers")
struct OperationsRouterTests {
    static let second: UInt64 = 1_000_000_000

    /// A primary with everything in order, at second 1,000 of its clock.
    static func view(_ change: (inout OperationsView) -> Void = { _ in }) -> OperationsView {
        var status = NodeStatus()
        status.cluster = "education"
        status.node = "rabat"
        status.role = "primary"
        status.epoch = 3
        status.primary = "rabat"
        status.inSync = ["marrakech", "rabat"]
        status.leaseNeeded = true
        status.tickNanoseconds = 999 * second
        status.lag = .init(transactions: 0, bytes: 0, seconds: 0)
        status.link.connected = true
        status.peerHeardNanoseconds = 999 * second
        status.diskFreeBytes = 1 << 40
        status.certificateExpiresUnixSeconds = 1_000_000 + 90 * 86_400
        var view = OperationsView(
            status: status, isWritable: true, nowNanoseconds: 1_000 * second,
            nowUnixSeconds: 1_000_000, thresholds: OperationsThresholds())
        change(&view)
        return view
    }

    static func standby(_ change: (inout OperationsView) -> Void = { _ in }) -> OperationsView {
        view { view in
            view.status.role = "standby"
            view.status.node = "marrakech"
            view.isWritable = false
            view.status.lag = .init(transactions: 5, bytes: 1_000, seconds: 1.5)
            change(&view)
        }
    }

    struct Case: Sendable {
        var name: String
        var view: OperationsView
        var target: String
        var status: Int
    }

    static let cases: [Case] = [
        Case(name: "primary", view: view(), target: "/primary", status: 200),
        Case(name: "primary", view: view(), target: "/read-write", status: 200),
        Case(name: "primary", view: view(), target: "/standby", status: 503),
        Case(name: "primary", view: view(), target: "/replica", status: 503),
        Case(name: "primary", view: view(), target: "/sync", status: 503),
        Case(name: "primary", view: view(), target: "/readyz", status: 200),
        Case(
            name: "primary without lease", view: view { $0.isWritable = false },
            target: "/primary", status: 503),
        Case(
            name: "primary without lease", view: view { $0.isWritable = false },
            target: "/readyz", status: 503),
        Case(
            name: "primary without lease", view: view { $0.isWritable = false },
            target: "/readyz?exclude=lease", status: 200),
        Case(
            name: "primary without standby",
            view: view {
                $0.status.link.connected = false
                $0.status.lag = .init(transactions: nil, bytes: nil, seconds: nil)
            }, target: "/readyz", status: 200),
        Case(name: "standby", view: standby(), target: "/standby", status: 200),
        Case(name: "standby", view: standby(), target: "/primary", status: 503),
        Case(name: "standby", view: standby(), target: "/sync", status: 200),
        Case(name: "standby", view: standby(), target: "/standby?max_lag_bytes=1000", status: 200),
        Case(name: "standby", view: standby(), target: "/standby?max_lag_bytes=999", status: 503),
        Case(name: "standby", view: standby(), target: "/replica?max_lag_seconds=1.5", status: 200),
        Case(name: "standby", view: standby(), target: "/replica?max_lag_seconds=1", status: 503),
        Case(
            name: "standby being repaired", view: standby { $0.status.consistent = false },
            target: "/readyz/consistent", status: 503),
        Case(
            name: "standby being repaired", view: standby { $0.status.consistent = false },
            target: "/readyz", status: 503),
        Case(
            name: "standby being repaired", view: standby { $0.status.consistent = false },
            target: "/standby", status: 503),
        Case(
            name: "conflict", view: view { $0.status.conflict = "both reigned" },
            target: "/readyz/conflict", status: 503),
        Case(name: "no conflict", view: view(), target: "/readyz/conflict", status: 200),
        Case(
            name: "standby not in sync", view: standby { $0.status.inSync = ["rabat"] },
            target: "/sync", status: 503),
        Case(
            name: "unknown lag",
            view: standby { $0.status.lag = .init(transactions: nil, bytes: nil, seconds: nil) },
            target: "/standby", status: 503),
        Case(
            name: "unknown lag",
            view: standby { $0.status.lag = .init(transactions: 0, bytes: 0, seconds: nil) },
            target: "/standby?max_lag_seconds=1000000", status: 503),
        Case(
            name: "unknown lag",
            view: standby { $0.status.lag = .init(transactions: 0, bytes: 0, seconds: nil) },
            target: "/readyz/lag", status: 503),
        Case(
            name: "silent primary", view: standby { $0.status.peerHeardNanoseconds = 900 * second },
            target: "/readyz/peer", status: 503),
        Case(
            name: "store", view: view { $0.status.storeProblem = "segment 5" },
            target: "/readyz/store", status: 503),
        Case(
            name: "store", view: view { $0.status.storeProblem = "segment 5" }, target: "/livez",
            status: 200),
        Case(
            name: "disk", view: view { $0.status.diskFreeBytes = 1 }, target: "/readyz/disk",
            status: 503),
        Case(
            name: "disk unknown", view: view { $0.status.diskFreeBytes = nil },
            target: "/readyz/disk", status: 503),
        Case(
            name: "certificate",
            view: view { $0.status.certificateExpiresUnixSeconds = 1_000_000 + 86_400 },
            target: "/readyz/tls_expiry", status: 503),
        Case(
            name: "unconfirmed", view: view { $0.status.role = "unconfirmed" },
            target: "/readyz/role", status: 503),
        Case(
            name: "stuck", view: view { $0.status.tickNanoseconds = 989 * second },
            target: "/livez", status: 503),
        Case(
            name: "slow", view: view { $0.status.tickNanoseconds = 990 * second },
            target: "/livez", status: 200),
        Case(name: "any", view: view(), target: "/", status: 200),
        Case(name: "any", view: view(), target: "/status", status: 200),
        Case(name: "any", view: view(), target: "/metrics", status: 200),
        Case(name: "any", view: view(), target: "/primaryx", status: 404),
        Case(name: "any", view: view(), target: "/readyz/", status: 404),
        Case(name: "any", view: view(), target: "/readyz/none", status: 404),
        Case(name: "any", view: view(), target: "/readyz?exclude=none", status: 400),
        Case(name: "any", view: view(), target: "/readyz?verbos", status: 400),
        Case(name: "any", view: view(), target: "/readyz?verbose=maybe", status: 400),
        Case(name: "any", view: view(), target: "/primary?x=1", status: 400),
        Case(name: "any", view: view(), target: "/standby?max_lag_bytes=10MB", status: 400),
        Case(name: "any", view: view(), target: "/standby?max_lag_bytes=", status: 400),
        Case(name: "any", view: view(), target: "/standby?max_lag_seconds=-1", status: 400),
        Case(name: "any", view: view(), target: "/standby?max_lag_seconds=nan", status: 400),
        Case(
            name: "any", view: view(), target: "/standby?max_lag_bytes=1&max_lag_bytes=2",
            status: 400),
        Case(name: "any", view: view(), target: "/standby?max_lag_bytes=%zz", status: 400),
    ]

    @Test("the semantics, for GET, HEAD and OPTIONS alike", arguments: cases)
    func semantics(_ test: Case) {
        for method in ["GET", "HEAD", "OPTIONS"] {
            #expect(Self.answer(test.target, test.view, method).status == test.status)
        }
    }

    @Test("other methods get 405 and the methods that there are")
    func methods() {
        for method in ["POST", "PUT", "DELETE", "PATCH"] {
            let answer = Self.answer("/livez", Self.view(), method)
            #expect(answer.status == 405)
            #expect(answer.allow == "GET, HEAD, OPTIONS")
        }
    }

    @Test("a failing check is named with [-], and the others with [+]")
    func report() {
        let view = Self.view {
            $0.status.storeProblem = "segment 5"
            $0.status.diskFreeBytes = 7
        }
        let expected = """
            [-]store failed: segment 5
            [+]consistent ok
            [+]conflict ok
            [+]disk excluded
            [+]role ok
            [+]lease ok
            [+]peer ok
            [+]lag ok
            [+]tls_expiry ok
            readyz check failed

            """
        #expect(Self.answer("/readyz?exclude=disk", view).body == expected)
        let both = Self.answer("/readyz?exclude=disk&exclude=store&verbose", view)
        #expect(both.status == 200)
        #expect(both.body.hasSuffix("readyz check passed\n"))
        #expect(Self.answer("/readyz", Self.view()).body == "ok\n")
    }

    @Test("the metrics keep the rules of OpenMetrics 1.0")
    func metrics() throws {
        let text = Self.answer("/metrics", Self.standby()).body
        #expect(text.hasSuffix("\n# EOF\n"))
        var (families, units, kinds):
            (Set<Substring>, [Substring: Substring], [Substring: Substring])
        (families, units, kinds) = ([], [:], [:])
        var current: Substring = ""
        for line in text.split(separator: "\n").dropLast() {
            let words = line.split(separator: " ", maxSplits: 3)
            if words[0] == "#" {
                current = words[2]
                #expect(current.hasPrefix("sanad_"))
                if words[1] == "TYPE" {
                    #expect(families.insert(current).inserted, "\(current) is there twice")
                    kinds[current] = words[3]
                }
                if words[1] == "UNIT" { units[current] = words[3] }
                continue
            }
            let name = line.prefix { $0 != "{" && $0 != " " }
            let suffix =
                kinds[current] == "counter" ? "_total" : kinds[current] == "info" ? "_info" : ""
            #expect(name == current + suffix)
            let value = try #require(line.split(separator: " ").last)
            #expect(Double(value) != nil || value == "NaN")
        }
        for (name, unit) in units { #expect(name.hasSuffix("_" + unit)) }
        #expect(text.contains("sanad_lag_bytes 1000.0\n"), "\(text)")
        #expect(text.contains("sanad_role{sanad_role=\"standby\"} 1\n"))
    }

    @Test("unknown lag is NaN in the metrics, unknown facts are left out")
    func unknownMetrics() {
        let text = Self.answer(
            "/metrics",
            Self.view {
                $0.status.lag = .init(transactions: nil, bytes: nil, seconds: nil)
                $0.status.diskFreeBytes = nil
            }
        ).body
        #expect(text.contains("sanad_lag_seconds NaN\n"))
        #expect(!text.contains("sanad_disk_free_bytes"))
        #expect(!text.contains("sanad_standby_durable_sequence"))
    }

    @Test("what an operator and the arbiter have said is in the metrics")
    func failoverMetrics() {
        let quiet = Self.answer("/metrics", Self.view { $0.status.link.peer = "marrakech" }).body
        for line in [
            "sanad_peer_in_sync 1", "sanad_degraded 0", "sanad_failover_paused 0",
            "sanad_fenced_by_operator 0", "sanad_conflict 0", "sanad_consistent 1",
            "sanad_replication_state{sanad_replication_state=\"none\"} 1",
        ] { #expect(quiet.contains(line + "\n"), "\(line)") }
        #expect(!quiet.contains("sanad_arbiter_reachable"))
        #expect(!quiet.contains("sanad_bytes_until_lost"))
        #expect(!quiet.contains("sanad_seeding"))
        let view = Self.view { view in
            view.status.link.peer = "marrakech"
            view.status.link.state = "lost"
            view.status.inSync = ["rabat"]
            view.status.arbiterReachable = false
            view.status.failoverPausedSeconds = 60
            view.status.operatorFence = "maintenance"
            view.status.conflict = "both reigned"
            view.status.consistent = false
            view.status.runsAlone = true
            view.status.seeding = .init(records: 12, bytes: 345)
            view.status.bytesUntilLost = 678
        }
        let text = Self.answer("/metrics", view).body
        for line in [
            "sanad_peer_in_sync 0", "sanad_degraded 1", "sanad_arbiter_reachable 0",
            "sanad_failover_paused 1", "sanad_fenced_by_operator 1", "sanad_runs_alone 1",
            "sanad_conflict 1", "sanad_consistent 0", "sanad_seeding_records 12",
            "sanad_seeding_bytes 345", "sanad_bytes_until_lost 678",
            "sanad_replication_state{sanad_replication_state=\"lost\"} 1",
        ] { #expect(text.contains(line + "\n"), "\(line)") }
    }

    @Test("the page escapes what it shows, and loads nothing")
    func page() {
        let body = Self.answer(
            "/", Self.view { $0.status.storeProblem = "<script>alert(1)</script>" }
        ).body
        #expect(!body.contains("<script>"))
        #expect(body.contains("&lt;script&gt;"))
        #expect(!body.contains("src="))
        #expect(body.contains("http-equiv=\"refresh\""))
    }

    static func answer(
        _ target: String, _ view: OperationsView, _ method: String = "GET"
    ) -> OperationsAnswer {
        let parts = target.split(separator: "?", maxSplits: 1).map(String.init)
        return OperationsRouter.answer(
            method: method, path: parts[0], query: parts.count == 2 ? parts[1] : nil, view)
    }
}
