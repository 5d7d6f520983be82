import Testing

@testable import SanadNode

@Suite("Operations API of a witness")
struct WitnessRouterTests {
    private var view: WitnessView {
        var status = WitnessStatus()
        status.node = "hub"
        status.epoch = 4
        status.tickNanoseconds = 10_000_000_000
        status.leaseEndsNanoseconds = 12_500_000_000
        status.members = [.init(node: "rabat", connected: true, heardNanoseconds: 9_000_000_000)]
        status.diskFreeBytes = 1 << 40
        status.certificateExpiresUnixSeconds = 2_000_000_000
        return WitnessView(
            status: status, nowNanoseconds: 10_000_000_000, nowUnixSeconds: 1_000_000_000,
            thresholds: OperationsThresholds())
    }

    private func get(_ path: String, _ view: WitnessView, query: String? = nil)
        -> OperationsAnswer
    {
        WitnessRouter.answer(method: "GET", path: path, query: query, view)
    }

    @Test("All well")
    func well() {
        #expect(get("/livez", view) == .text(200, "ok\n"))
        #expect(
            get("/readyz", view, query: "verbose")
                == .text(
                    200, "[+]witness_thread ok\n[+]store ok\n[+]disk ok\n[+]tls_expiry ok\n"))
        #expect(get("/status", view).body.contains("\"role\":\"witness\""))
        let metrics = get("/metrics", view).body
        #expect(metrics.contains("\nsanad_witness_lease_seconds 2.5\n"))
        #expect(metrics.contains("\nsanad_witness_member_connected{member=\"rabat\"} 1\n"))
        #expect(
            metrics.contains("\nsanad_witness_member_silence_seconds{member=\"rabat\"} 1.0\n"))
        #expect(metrics.hasSuffix("# EOF\n"))
    }

    @Test("A thread that stands still, and a store that cannot be written")
    func unwell() {
        var stuck = view
        stuck.nowNanoseconds += 11_000_000_000
        #expect(get("/livez", stuck).status == 503)
        var full = view
        full.status.storeProblem = "disk full"
        #expect(get("/livez", full).status == 200)
        #expect(get("/readyz", full).body.contains("[-]store failed: disk full\n"))
    }

    @Test("Unknown paths, parameters and methods")
    func wrong() {
        #expect(get("/primary", view).status == 404)
        #expect(get("/readyz", view, query: "verbos").status == 400)
        let post = WitnessRouter.answer(method: "POST", path: "/status", query: nil, view)
        #expect(post.status == 405)
        #expect(post.allow == "GET, HEAD, OPTIONS")
    }
}
