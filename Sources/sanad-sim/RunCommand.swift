import ArgumentParser
import SanadSimulator

struct RunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Runs many worlds and counts what happened in them.")

    @Option(help: "How many worlds.")
    var seeds: UInt64 = 1_000

    @Option(help: "The first world's seed.")
    var first: UInt64 = 1

    @Option(help: "Stop after so many minutes.")
    var minutes: Double?

    @Option(help: "none, witness, or any: drawn from each seed.")
    var arbiter = ArbiterChoice.any

    @Option(help: "Worlds that run side by side.")
    var jobs = 1

    @Option(help: "End after so many worlds that broke a rule.")
    var failures = 1

    func validate() throws {
        guard seeds > 0, jobs > 0, jobs <= 64, failures > 0 else {
            throw ValidationError("--seeds is at least 1, --failures at least 1, --jobs 1 to 64")
        }
    }

    func run() async throws {
        let start = ContinuousClock.now
        var sum = Statistics()
        var failed: [Simulation.Outcome] = []
        var seed = first
        let (end, overflow) = first.addingReportingOverflow(seeds)
        guard !overflow else { throw ValidationError("--first and --seeds reach too far") }
        while seed < end {
            let next = min(end, seed + Self.batch)
            let batch = await Batch(
                seeds: seed..<next, arbiter: arbiter, jobs: jobs,
                failuresMaximum: failures - failed.count
            ).run()
            sum.add(batch.statistics)
            for failure in batch.failures { report(failure) }
            failed += batch.failures
            if failed.count >= failures { break }
            let minutes = Double((ContinuousClock.now - start) / .seconds(60))
            let rate = Double(sum.failovers) / minutes
            print("\(sum.worlds) worlds, \(sum.failovers) failovers, \(Int(rate)) a minute")
            if let limit = self.minutes, minutes >= limit { break }
            seed = next
        }
        if !failed.isEmpty { throw ExitCode.failure }
        for (name, path) in Statistics.figures { print("\(pad(sum[keyPath: path])) \(name)") }
    }

    private static let batch: UInt64 = 1_000

    private func pad(_ number: Int) -> String {
        let text = String(number)
        return String(repeating: " ", count: max(0, 12 - text.utf8.count)) + text
    }

    private func report(_ failure: Simulation.Outcome) {
        print("seed \(failure.seed): \(failure.violation ?? "")")
        let choice = arbiter == .any ? "" : " --arbiter \(arbiter.rawValue)"
        print("replay: sanad-sim replay --seed \(failure.seed)\(choice) --trace")
    }
}
