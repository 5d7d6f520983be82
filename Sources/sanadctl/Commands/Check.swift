import ArgumentParser
import Foundation
import SanadNode

/// `sanadctl check`
struct Check: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Answers a monitoring system in Nagios' way.",
        discussion: """
            One line, then exit code 0 (OK), 1 (WARNING), 2 (CRITICAL) or 3 (UNKNOWN: wrong usage, \
            or not allowed to ask). A node that does not answer is CRITICAL.
            """)

    /// The exit codes of the Nagios plugin interface.
    enum Level: Int32, Comparable {
        case ok = 0
        case warning = 1
        case critical = 2
        case unknown = 3

        static func < (left: Level, right: Level) -> Bool { left.rawValue < right.rawValue }

        var word: String {
            switch self {
            case .ok: "OK"
            case .warning: "WARNING"
            case .critical: "CRITICAL"
            case .unknown: "UNKNOWN"
            }
        }
    }

    struct Thresholds: ParsableArguments {
        @Option(help: "Lag in seconds.")
        var lagSecondsWarning = 10.0
        @Option(help: "Lag in seconds.")
        var lagSecondsCritical = 60.0
        @Option(help: "Lag in bytes of log, with a unit.", transform: Self.size)
        var lagBytesWarning: UInt64 = 64 << 20
        @Option(help: "Lag in bytes of log, with a unit.", transform: Self.size)
        var lagBytesCritical: UInt64 = 512 << 20
        @Option(help: "Free disk space, with a unit.", transform: Self.size)
        var diskWarning: UInt64 = 10 << 30
        @Option(help: "Free disk space, with a unit.", transform: Self.size)
        var diskCritical: UInt64 = 2 << 30
        @Option(help: "Days until the certificate ends.")
        var certificateWarning = 30
        @Option(help: "Days until the certificate ends.")
        var certificateCritical = 7
        @Option(help: "The role that this node must have: primary or standby.")
        var role: String?

        private static func size(_ text: String) throws -> UInt64 {
            guard let bytes = Units.bytes(text) else {
                throw ValidationError("write a size with a unit, for example 64MiB")
            }
            return bytes
        }

        func validate() throws {
            guard role == nil || role == "primary" || role == "standby" else {
                throw ValidationError("--role must be primary or standby")
            }
        }
    }

    @OptionGroup var node: NodeOptions
    @OptionGroup var thresholds: Thresholds

    func run() async throws {
        let assessment: Assessment
        do {
            let (status, _) = try await node.withClient { try await $0.status() }
            assessment = Assessment(
                status, thresholds, nowUnixSeconds: Int64(Date.now.timeIntervalSince1970))
        } catch let failure as Failure {
            let isAway = failure.code == .unavailable || failure.code == .outcomeUnknown
            assessment = Assessment(
                level: isAway ? .critical : .unknown, findings: [failure.message])
        }
        Terminal.out(assessment.line)
        throw ExitCode(assessment.level.rawValue)
    }

    /// What the status means against the thresholds.
    struct Assessment {
        private(set) var level = Level.ok
        private(set) var findings: [String] = []
        private var summary = ""
        private var figures: [String] = []

        init(level: Level, findings: [String]) {
            self.level = level
            self.findings = findings
        }

        init(_ status: NodeStatus, _ thresholds: Thresholds, nowUnixSeconds: Int64) {
            summary = "\(status.node) is \(status.role), epoch \(status.epoch)"
            checkState(status, thresholds)
            checkLag(status, thresholds)
            checkSupplies(status, thresholds, nowUnixSeconds)
        }

        var line: String {
            let text = ([summary] + findings).filter { !$0.isEmpty }.joined(separator: "; ")
            let performance = figures.isEmpty ? "" : " | " + figures.joined(separator: " ")
            // A line break would end the plugin's first line, a bar its text.
            let plain = text.map { $0 == "|" || $0.isNewline ? " " : $0 }
            return "SANAD \(level.word) - \(String(plain))\(performance)"
        }

        private mutating func find(_ level: Level, _ text: String) {
            self.level = max(self.level, level)
            findings.append(text)
        }

        private mutating func checkState(_ status: NodeStatus, _ thresholds: Thresholds) {
            if let problem = status.storeProblem { find(.critical, "store: \(problem)") }
            if let role = thresholds.role, role != status.role {
                find(.critical, "expected to be \(role)")
            }
            switch status.role {
            case "primary" where !status.writable:
                find(.critical, "takes no writes: \(status.fenceReason ?? "no lease")")
            case "unconfirmed":
                find(.critical, "takes no writes until \(status.link.peer) confirms the primary")
            case "starting", "stopped": find(.warning, "not at work")
            default: break
            }
            if !status.link.connected {
                find(.critical, "not connected to \(status.link.peer)")
            }
            if status.replicationMode == "sync", status.inSync.count < 2 {
                find(.warning, "only \(status.inSync.first ?? "no node") is in sync")
            }
            checkFailover(status)
            if status.quarantineEntries > 0 {
                find(.warning, "\(status.quarantineEntries) quarantine entries")
            }
        }

        private mutating func checkFailover(_ status: NodeStatus) {
            if let conflict = status.conflict { find(.critical, conflict) }
            if status.link.state == "lost" {
                find(.critical, "\(status.link.peer) is left behind and has to take a snapshot")
            }
            if status.arbiterReachable == false {
                let reason = status.arbiterProblem.map { ": \($0)" } ?? ""
                find(.warning, "the arbiter does not answer\(reason)")
            }
            if !status.consistent {
                let work =
                    status.waitsForCommit == true
                    ? "its log's end waits for its commit" : "its store is being repaired"
                find(.warning, "\(work): it serves no reads")
            }
            if let reason = status.operatorFence {
                find(.warning, "fenced by an operator: \(reason)")
            }
            if status.runsAlone { find(.warning, "runs alone by an operator's word") }
            if let seconds = status.failoverPausedSeconds {
                find(.warning, "automatic failover is paused for \(Text.seconds(seconds))")
            }
        }

        private mutating func checkLag(_ status: NodeStatus, _ thresholds: Thresholds) {
            guard status.role == "primary" || status.role == "standby" else { return }
            if status.lag.seconds == nil, status.lag.bytes == nil {
                find(.warning, "the standby's lag is not known")
            }
            if let seconds = status.lag.seconds {
                compare(
                    "lag_seconds", seconds, "s", thresholds.lagSecondsWarning,
                    thresholds.lagSecondsCritical, "the standby is \(Text.seconds(seconds)) behind")
            }
            if let bytes = status.lag.bytes {
                compare(
                    "lag_bytes", Double(bytes), "B", Double(thresholds.lagBytesWarning),
                    Double(thresholds.lagBytesCritical),
                    "the standby is \(Text.bytes(bytes)) behind")
            }
            if let transactions = status.lag.transactions {
                figures.append("lag_transactions=\(transactions)")
            }
        }

        private mutating func checkSupplies(
            _ status: NodeStatus, _ thresholds: Thresholds, _ now: Int64
        ) {
            if let free = status.diskFreeBytes {
                figures.append("disk_free=\(free)B")
                if free < thresholds.diskCritical {
                    find(.critical, "only \(Text.bytes(free)) of disk left")
                } else if free < thresholds.diskWarning {
                    find(.warning, "only \(Text.bytes(free)) of disk left")
                }
            }
            if let expiry = status.certificateExpiresUnixSeconds {
                let days = Int((expiry - now) / 86_400)
                figures.append("certificate_days=\(days)")
                if days < thresholds.certificateCritical {
                    find(.critical, "the certificate ends in \(days) days")
                } else if days < thresholds.certificateWarning {
                    find(.warning, "the certificate ends in \(days) days")
                }
            }
        }

        private mutating func compare(
            _ name: String, _ value: Double, _ unit: String, _ warning: Double, _ critical: Double,
            _ text: String
        ) {
            let shown = unit == "B" ? Text.decimal(value, 0) : Text.decimal(value, 3)
            figures.append(
                "\(name)=\(shown)\(unit);\(Text.decimal(warning, 0));\(Text.decimal(critical, 0))")
            if value >= critical {
                find(.critical, text)
            } else if value >= warning {
                find(.warning, text)
            }
        }
    }
}
