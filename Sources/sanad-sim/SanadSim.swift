public import ArgumentParser
public import SanadSimulator

/// The replication core under a simulated network, disk, clock and arbiter.
@main
struct SanadSim: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sanad-sim",
        abstract: "Runs the replication core in simulated worlds, each replayed by its seed.",
        subcommands: [RunCommand.self, ReplayCommand.self])
}

extension ArbiterChoice: ExpressibleByArgument {}
