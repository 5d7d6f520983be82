import ArgumentParser
import SanadNode
import Testing

@testable import sanadctl

@Suite("Status in plain words, and check's levels")
struct StatusReportTests {
    /// A primary with everything in order.
    static func status(_ change: (inout NodeStatus) -> Void = { _ in }) -> NodeStatus {
        var status = NodeStatus()
        status.node = "rabat"
        status.role = "primary"
        status.primary = "rabat"
        status.epoch = 3
        status.writable = true
        status.inSync = ["marrakech", "rabat"]
        status.link.connected = true
        status.link.peer = "marrakech"
        status.link.state = "streaming"
        status.lag = .init(transactions: 0, bytes: 0, seconds: 0)
        status.arbiter = "present"
        status.arbiterReachable = true
        status.diskFreeBytes = 1 << 40
        status.certificateExpiresUnixSeconds = 100 * 86_400
        change(&status)
        return status
    }

    struct Case: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var status: NodeStatus
        /// What the report has to say.
        var words: [String]
        var level: Check.Level
    }

    static let cases: [Case] = [
        .init(
            testDescription: "in order", status: status(),
            words: [
                "rabat is the primary (epoch 3) and takes writes.", "Arbiter         answers",
                "Failover        automatic\n", "durable on both sites",
            ], level: .ok),
        .init(
            testDescription: "arbiter lost",
            status: status {
                $0.arbiterReachable = false
                $0.arbiterProblem = "connection refused"
            }, words: ["DOES NOT ANSWER: connection refused", "bring the arbiter back"],
            level: .warning),
        .init(
            testDescription: "no arbiter",
            status: status {
                $0.arbiter = "none"
                $0.arbiterReachable = nil
            }, words: ["none: two sites alone"], level: .ok),
        .init(
            testDescription: "degraded", status: status { $0.inSync = ["rabat"] },
            words: ["durable on THIS SITE ONLY"], level: .warning),
        .init(
            testDescription: "standby lost its place",
            status: status {
                $0.inSync = ["rabat"]
                $0.link.connected = false
                $0.link.state = "lost"
                $0.bytesUntilLost = 0
            }, words: ["its place in the log is LOST", "it takes a snapshot by itself"],
            level: .critical),
        .init(
            testDescription: "standby away, place kept",
            status: status { $0.bytesUntilLost = 3 << 30 },
            words: ["kept for another 3.0 GiB of log"], level: .ok),
        .init(
            testDescription: "paused", status: status { $0.failoverPausedSeconds = 1_750 },
            words: ["automatic; PAUSED by an operator for another 29 min 10 s"], level: .warning),
        .init(
            testDescription: "fenced",
            status: status {
                $0.role = "standby"
                $0.writable = false
                $0.operatorFence = "disk swap"
            },
            words: ["FENCED by an operator: disk swap", "sanadctl fence --lift --reason TEXT"],
            level: .warning),
        .init(
            testDescription: "conflict",
            status: status {
                $0.role = "unconfirmed"
                $0.writable = false
                $0.conflict = "marrakech reigned too"
            },
            words: [
                "HAS MET ANOTHER PRIMARY and takes no writes: marrakech reigned too",
                "sanadctl rejoin --reason TEXT",
            ], level: .critical),
        .init(
            testDescription: "runs alone", status: status { $0.runsAlone = true },
            words: ["RUNS ALONE by an operator's word"], level: .warning),
        .init(
            testDescription: "repair",
            status: status {
                $0.role = "standby"
                $0.writable = false
                $0.consistent = false
            },
            words: ["SERVES NO READS", "that a failover cut off are being fetched anew"],
            level: .warning),
        .init(
            testDescription: "end of a repair",
            status: status {
                $0.role = "standby"
                $0.writable = false
                $0.consistent = false
                $0.waitsForCommit = true
                $0.link.connected = false
            },
            words: [
                "SERVES NO READS until marrakech, or its own promotion, confirms", "all are there",
                "look at marrakech and at the link",
            ],
            level: .critical),
        .init(
            testDescription: "seeding",
            status: status {
                $0.role = "standby"
                $0.writable = false
                $0.consistent = false
                $0.seeding = .init(records: 12_345, bytes: 2 << 20)
            }, words: ["a snapshot is being loaded, 12,345 records, 2.0 MiB"], level: .warning),
        .init(
            testDescription: "quarantine", status: status { $0.quarantineEntries = 2 },
            words: ["2 entries (sanadctl quarantine list)"], level: .warning),
        .init(
            testDescription: "no lease",
            status: status {
                $0.writable = false
                $0.fenceReason = "nobody renewed"
            },
            words: ["TAKES NO WRITES: nobody renewed", "bring marrakech or the arbiter"],
            level: .critical),
        .init(
            testDescription: "observe", status: status { $0.failoverMode = "observe" },
            words: ["by hand (observe:"], level: .ok),
    ]

    @Test("each state has its words and its level", arguments: cases)
    func states(_ example: Case) throws {
        let report = StatusReport(status: example.status, nowUnixSeconds: 0)
        for words in example.words { #expect(report.text.contains(words), "\(report.text)") }
        let assessment = Check.Assessment(
            example.status, try Check.Thresholds.parse([]), nowUnixSeconds: 0)
        #expect(assessment.level == example.level, "\(assessment.line)")
    }

    @Test("a snapshot's rate comes from two looks, and its rest is a bound")
    func seedingRate() {
        func seeding(_ bytes: UInt64, at seconds: UInt64) -> NodeStatus {
            Self.status {
                $0.consistent = false
                $0.seeding = .init(records: bytes / 100, bytes: bytes)
                $0.logEndBytes = 100 << 20
                $0.tickNanoseconds = seconds * 1_000_000_000
            }
        }
        let report = StatusReport(
            status: seeding(20 << 20, at: 12), nowUnixSeconds: 0, earlier: seeding(0, at: 10))
        #expect(report.text.contains("20.0 MiB, 10.0 MiB/s, at most 8.0 s left"))
        let stuck = StatusReport(
            status: seeding(20 << 20, at: 12), nowUnixSeconds: 0,
            earlier: seeding(20 << 20, at: 10))
        #expect(stuck.text.contains("no progress in the last 2.0 s"))
        // A daemon that started between the two looks has another clock's zero, perhaps.
        #expect(StatusTrend(from: seeding(0, at: 13), to: seeding(1, at: 12)) == nil)
    }

    @Test("a standby that catches up: how fast, how long still")
    func lagRate() {
        func behind(_ bytes: UInt64, at seconds: UInt64) -> NodeStatus {
            Self.status {
                $0.lag = .init(transactions: 5, bytes: bytes, seconds: 1)
                $0.tickNanoseconds = seconds * 1_000_000_000
            }
        }
        let closing = StatusTrend(from: behind(30 << 20, at: 1), to: behind(20 << 20, at: 2))
        #expect(closing?.lagText == "closing at 10.0 MiB/s, about 2.0 s left")
        let growing = StatusTrend(from: behind(10, at: 1), to: behind(20, at: 2))
        #expect(growing?.lagText == "falling further behind")
        #expect(StatusTrend(from: behind(10, at: 1), to: behind(0, at: 2))?.lagText == nil)
    }

    @Test("doctor names what stands against a failover")
    func doctor() {
        #expect(Doctor.failover(Self.status()).map(\.grade) == [.good])
        let findings = Doctor.failover(
            Self.status {
                $0.conflict = "both"
                $0.arbiterReachable = false
                $0.operatorFence = "x"
                $0.quarantineEntries = 1
            })
        #expect(findings.map(\.grade) == [.failed, .failed, .warning, .warning])
    }
}
