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

            Then, on a pair with many records: how long a lost primary needs to come back when \
            10,000 transactions of its own are cut off, on a store of --records and on one ten \
            times as large, with the records in the system's cache and once without; and how fast \
            an empty standby takes all records while clients write, five times. The large store \
            takes some minutes and several GB under --directory.
            """)

    /// What can be measured alone.
    enum Part: String, CaseIterable, ExpressibleByArgument { case faults, rejoin, reseed }

    @Option(parsing: .upToNextOption, help: "What to measure: faults, rejoin, reseed.")
    var only: [Part] = Part.allCases

    @Option(parsing: .upToNextOption, help: "witness, etcd, none.")
    var arbiter: [FailoverCluster.Arbiter] = [.witness, .etcd]

    @Option(parsing: .upToNextOption, help: "kill, freeze, link, host, switchover.")
    var fault: [FailoverFault] = FailoverFault.allCases

    @Option(help: "Runs of each fault with each arbiter.")
    var runs = 20

    @Option(help: "Connections that write.")
    var writers = 16

    @Option(help: "Records of the store for rejoin and reseed.")
    var records: UInt64 = 1_000_000

    @Flag(help: "Leave out the rejoin on a store ten times as large.")
    var skipLarge = false

    @Option(help: "Parent of the temporary directory.")
    var directory = "/var/tmp"

    func validate() throws {
        guard (10_000...10_000_000).contains(records), runs > 0, writers > 0 else {
            throw ValidationError("10,000 to 10,000,000 records; one run and one writer at least")
        }
    }

    func run() throws {
        signal(SIGPIPE, SIG_IGN)
        var isGood = true
        if only.contains(.faults) {
            line(
                column("arbiter", 9) + column("fault", 24) + "runs    min median    max  limit  "
                    + "acknowledged  lost  two primaries")
            for kind in arbiter { isGood = try measure(kind) && isGood }
        }
        if only.contains(.rejoin) || only.contains(.reseed) {
            isGood = try measureStores() && isGood
        }
        if !isGood { throw ExitCode.failure }
    }

    private func measureStores() throws -> Bool {
        try keepingFailures { place in
            var bench = StoreBench(
                directory: place, binaries: try ownDirectory(), records: records,
                measuresRejoin: only.contains(.rejoin), measuresReseed: only.contains(.reseed),
                measuresLarge: !skipLarge)
            return try bench.run()
        }
    }

    /// Gives `body` a directory, and removes it unless something was not as it should be.
    private func keepingFailures(_ body: (String) throws -> Bool) throws -> Bool {
        let place = try makeTemporaryDirectory(under: directory)
        let isGood: Bool
        do {
            isGood = try body(place)
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

    private func measure(_ kind: FailoverCluster.Arbiter) throws -> Bool {
        try keepingFailures { try measure(kind, in: $0) }
    }

    private func measure(_ kind: FailoverCluster.Arbiter, in place: String) throws -> Bool {
        let cluster = try FailoverCluster(
            kind, directory: "\(place)/cluster", binaries: try ownDirectory())
        defer { cluster.stop() }
        for node in cluster.nodes { try cluster.start(node) }
        let bench = FailoverBench(cluster: cluster, writers: writers, runs: runs)
        var isGood = true
        for fault in fault {
            isGood = report(kind, fault, try bench.measure(fault)) && isGood
        }
        return isGood
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
