import SanadSimulator

// Runs worlds until one breaks a rule, as it must when a bug is planted.
//
//     planted SEEDS

let seeds = CommandLine.arguments.dropFirst().first.flatMap(UInt64.init) ?? 1_000
for seed in 1...max(1, seeds) {
    guard let violation = Simulation.run(seed: seed).violation else { continue }
    print("seed \(seed): \(violation.prefix(140))")
    break
}
