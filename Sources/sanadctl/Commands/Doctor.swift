import ArgumentParser
import Foundation
import SanadNode

/// `sanadctl doctor`
struct Doctor: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Looks for what would keep this node from working.",
        discussion: """
            Checks the configuration, the files' permissions, the certificates, the ports, the \
            clock, and the running node. Changes nothing. Run it as root: the store and the keys \
            are closed to others. Exit code 0 when nothing failed, 1 when something did, 78 when \
            the configuration is wrong.
            """)

    @Option(help: ArgumentHelp("The node's configuration file.", valueName: "file"))
    var config = NodeConfiguration.defaultPath

    func run() async throws {
        let reading = try NodeConfiguration.load(config)
        var findings = [Finding(.good, "configuration", "\(config) is right")]
        findings += reading.warnings.map { Finding(.warning, "configuration", $0.description) }
        findings += FileChecks(reading.configuration).findings
        let status = await runningNode(reading.configuration, &findings)
        findings += HostChecks(reading.configuration, status: status).findings
        for finding in findings { Terminal.out(finding.line) }
        let failed = findings.filter { $0.grade == .failed }.count
        let warnings = findings.filter { $0.grade == .warning }.count
        Terminal.out("\n\(failed) failed, \(warnings) to look at")
        if failed > 0 { throw ExitCode(Failure.Code.refused.rawValue) }
    }

    private func runningNode(
        _ configuration: NodeConfiguration, _ findings: inout [Finding]
    ) async -> NodeStatus? {
        let base = NodeClient.Base.socket(configuration.control.socketPath)
        do {
            let status = try await NodeClient.with(base, authority: nil) { client in
                try await client.status().status
            }
            let now = Int64(Date.now.timeIntervalSince1970)
            let headline = StatusReport(status: status, nowUnixSeconds: now).headline
            findings.append(
                Finding(status.storeProblem == nil ? .good : .failed, "node", headline))
            findings += Self.failover(status)
            if status.softwareVersion != RunningNode.softwareVersion {
                findings.append(
                    Finding(
                        .warning, "node",
                        "runs version \(status.softwareVersion), this is \(RunningNode.softwareVersion)"
                    ))
            }
            return status
        } catch let failure as Failure {
            findings.append(Finding(.warning, "node", failure.message))
        } catch {
            findings.append(Finding(.warning, "node", "\(error)"))
        }
        return nil
    }
}

extension Doctor {
    /// What keeps a failover from going as configured.
    static func failover(_ status: NodeStatus) -> [Finding] {
        var findings: [Finding] = []
        if let conflict = status.conflict {
            findings.append(Finding(.failed, "failover", conflict))
        }
        if let isReachable = status.arbiterReachable {
            let reason = status.arbiterProblem.map { ": \($0)" } ?? ""
            findings.append(
                Finding(
                    isReachable ? .good : .failed, "arbiter",
                    isReachable ? "answers" : "does not answer\(reason)"))
        }
        if let reason = status.operatorFence {
            findings.append(Finding(.warning, "failover", "fenced by an operator: \(reason)"))
        }
        if let seconds = status.failoverPausedSeconds {
            findings.append(
                Finding(.warning, "failover", "paused for another \(Text.seconds(seconds))"))
        }
        if status.runsAlone {
            findings.append(Finding(.warning, "failover", "this primary runs alone"))
        }
        if !status.consistent {
            let work =
                status.waitsForCommit == true
                ? "wait for the commit of the log's end" : "are being fetched"
            findings.append(Finding(.warning, "records", "\(work); no reads until then"))
        }
        if status.quarantineEntries > 0 {
            findings.append(
                Finding(.warning, "quarantine", "\(status.quarantineEntries) entries to look at"))
        }
        return findings
    }
}

/// What one check found.
struct Finding {
    enum Grade: String {
        case good = "good  "
        case warning = "look  "
        case failed = "FAILED"
    }

    var grade: Grade
    var subject: String
    var text: String

    init(_ grade: Grade, _ subject: String, _ text: String) {
        self.grade = grade
        self.subject = subject
        self.text = text
    }

    var line: String { "\(grade.rawValue) \(subject): \(text)" }
}
