import ArgumentParser
import SanadSimulator

struct ReplayCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay", abstract: "Runs one world again.")

    @Option(help: "The world's seed.")
    var seed: UInt64

    @Option(help: "none, witness, or any: drawn from the seed.")
    var arbiter = ArbiterChoice.any

    @Flag(help: "Print everything that happens.")
    var trace = false

    func run() throws {
        let outcome = Simulation.run(seed: seed, arbiter: arbiter, isTracing: trace)
        for line in outcome.trace { print(line) }
        guard let violation = outcome.violation else {
            return print("seed \(seed): every rule was kept")
        }
        print("seed \(seed): \(violation)")
        throw ExitCode.failure
    }
}
