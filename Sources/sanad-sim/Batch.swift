import SanadSimulator

/// Worlds that run side by side.
struct Batch {
    let seeds: Range<UInt64>
    let arbiter: ArbiterChoice
    let jobs: Int
    /// A job stops after so many violations.
    let failuresMaximum: Int

    struct Result {
        var statistics = Statistics()
        /// The worlds in which a rule was broken, lowest seed first.
        var failures: [Simulation.Outcome] = []
    }

    /// Each job takes every so-manieth seed, and stops at its last permitted violation.
    func run() async -> Result {
        await withTaskGroup(of: Result.self) { group in
            for job in 0..<UInt64(jobs) { group.addTask { one(from: seeds.lowerBound + job) } }
            var result = Result()
            for await part in group {
                result.statistics.add(part.statistics)
                result.failures += part.failures
            }
            result.failures.sort { $0.seed < $1.seed }
            return result
        }
    }

    private func one(from first: UInt64) -> Result {
        var result = Result()
        for seed in stride(from: first, to: seeds.upperBound, by: jobs) {
            let outcome = Simulation.run(seed: seed, arbiter: arbiter)
            result.statistics.add(outcome.statistics)
            if outcome.violation != nil { result.failures.append(outcome) }
            if result.failures.count == failuresMaximum { break }
        }
        return result
    }
}
