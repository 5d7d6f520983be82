import ArgumentParser

/// Loads, measures and checks a pair of daemons from outside, over their public interfaces only.
@main
struct SanadBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sanad-bench",
        abstract: "Load, measure and check a pair of Sanad daemons.",
        discussion: """
            Addresses are plain HTTP: http://127.0.0.1:7401. Exit codes: 0 all is well, 1 a check \
            failed or a server refused, 64 the command line is wrong.
            """,
        subcommands: [
            PutsCommand.self, BulkCommand.self, HistoryCommand.self, DigestCommand.self,
            UsageCommand.self, StatusCommand.self, WaitCommand.self, PortsCommand.self,
            RunCommand.self, FailoverCommand.self,
        ])
}

extension Endpoint: ExpressibleByArgument {
    init?(argument: String) { self.init(argument) }
}
