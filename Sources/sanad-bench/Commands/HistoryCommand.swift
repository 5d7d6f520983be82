import ArgumentParser

struct HistoryCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "history",
        abstract: "Write through a failover, and check that nothing acknowledged is lost.",
        subcommands: [Write.self, Check.self])

    struct Write: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "write",
            abstract: "Write until SIGTERM, and note each acknowledgement.")

        @Argument(help: "The records APIs of both nodes.")
        var endpoints: [Endpoint]

        @Option(help: "File that takes the history.")
        var file: String

        @Option(help: "Collection to write to.")
        var collection = "history"

        @Option(help: "Keys that the writer goes around.")
        var keys: UInt64 = 10_000

        @Option(help: "End by itself after this many seconds.")
        var seconds: Double?

        @Flag(help: "Print JSON.")
        var json = false

        func run() throws {
            let summary = try HistoryWriter(
                endpoints: endpoints, collection: collection, keyCount: max(1, keys), path: file,
                seconds: seconds
            ).run()
            var report = Report()
            report.add("acknowledged", summary.acknowledged)
            report.add("attempts", summary.attempts)
            report.add("refusals", summary.refusals)
            report.add("lost_connections", summary.lostConnections)
            report.add("longest_gap_seconds", Double(summary.longestGap) / 1e9)
            report.add("longest_gap_from_epoch", summary.longestGapEpochs.from)
            report.add("longest_gap_to_epoch", summary.longestGapEpochs.to)
            report.add("longest_gap_end_monotonic_ns", summary.longestGapEnd)
            report.add("last_epoch", summary.lastEpoch)
            report.show(json: json)
        }
    }

    struct Check: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "check",
            abstract: "Read back every key of a history; exit 1 when one is missing or wrong.")

        @Argument(help: "The records API to read from.")
        var endpoint: Endpoint

        @Option(help: "File that a writer has left.")
        var file: String

        @Flag(help: "Print JSON.")
        var json = false

        func run() throws {
            let findings = try HistoryCheck(path: file, endpoint: endpoint).run()
            var report = Report()
            report.add("acknowledged", findings.acknowledged)
            report.add("acknowledged_one_site", findings.oneSite)
            report.add("keys", findings.keys)
            report.add("missing", findings.missing)
            report.add("wrong", findings.wrong)
            report.add("disordered", findings.disordered)
            report.add("epochs", findings.epochs.map(String.init).joined(separator: ","))
            for example in findings.examples { report.add("example", example) }
            report.show(json: json)
            guard findings.isGood else { throw ExitCode.failure }
        }
    }
}
