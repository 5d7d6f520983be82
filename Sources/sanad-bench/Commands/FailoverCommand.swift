import ArgumentParser
import Glibc

extension FailoverFault: ExpressibleByArgument {}
extension FailoverCluster.Arbiter: ExpressibleByArgument {}

struct FailoverCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "failover",
        abstract: "Fail over under load, many times, and check what clients were promised.",
        discussion: """
            Starts two daemons and the arbiter on free ports of 127.0.0.1 with proxies between \
            them, and writers that note every acknowledgement. Prints for each kind of fault how \
            long clients waited (the distribution over the runs), and what was lost. Exits with 1 \
            when an acknowledged write was lost, when two primaries acknowledged, or when a wait \
            was longer than lease + 0.5 s (switchover: 500 ms).
            """)

    @Option(parsing: .upToNextOption, help: "witness, etcd, none.")
    var arbiter: [FailoverCluster.Arbiter] = [.witness, .etcd]

    @Option(parsing: .upToNextOption, help: "kill, freeze, link, host, switchover.")
    var fault: [FailoverFault] = FailoverFault.allCases

    @Option(help: "Runs of each fault with each arbiter.")
    var runs = 20

    @Option(help: "Connections that write.")
    var writers = 16

    @Option(help: "Parent of the temporary directory.")
    var directory = "/var/tmp"

    func run() throws {
        signal(SIGPIPE, SIG_IGN)
        var isGood = true
        line(
            column("arbiter", 9) + column("fault", 24) + "runs    min median    max  limit  "
                + "acknowledged  lost  two primaries")
        for kind in arbiter { isGood = try measure(kind) && isGood }
        if !isGood { throw ExitCode.failure }
    }

    private func measure(_ kind: FailoverCluster.Arbiter) throws -> Bool {
        let place = try makeTemporaryDirectory(under: directory)
        let cluster = try FailoverCluster(
            kind, directory: "\(place)/cluster", binaries: try ownDirectory())
        defer { cluster.stop() }
        for node in cluster.nodes { try cluster.start(node) }
        let bench = FailoverBench(cluster: cluster, writers: writers, runs: runs)
        var isGood = true
        do {
            // With two sites alone a cut link leaves the primary without a lease: its own case.
            for fault in fault {
                isGood = report(kind, fault, try bench.measure(fault)) && isGood
            }
        } catch let failure as Failure {
            throw Failure("\(failure)\nlogs and stores are kept in \(place)")
        }
        guard isGood else {
            line("logs and stores are kept in \(place)")
            return false
        }
        _ = try runTool("/bin/rm", ["-rf", place], output: "/dev/null")
        return true
    }

    private func report(
        _ kind: FailoverCluster.Arbiter, _ fault: FailoverFault, _ outcome: FailoverBench.Outcome
    ) -> Bool {
        let times = outcome.seconds.sorted()
        guard let first = times.first, let last = times.last else { return true }
        let median = times[times.count / 2]
        let isGood = outcome.lost == 0 && outcome.overlaps == 0 && last <= fault.limitSeconds
        line(
            column(kind.rawValue, 9) + column(fault.words, 24) + column("\(times.count)", 5)
                + [first, median, last, fault.limitSeconds]
                .map { "\(decimal($0, places: 3)) s " }.joined()
                + "  \(outcome.acknowledged)  \(outcome.lost)  \(outcome.overlaps)"
                + (isGood ? "  good" : "  FAILED"))
        for example in outcome.examples.prefix(5) { line("    \(example)") }
        return isGood
    }

    private func column(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(1, width - text.count))
    }
}
