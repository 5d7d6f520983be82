import SanadSimulator

// Runs worlds until one breaks a rule, as it must when a bug is planted.
//
//     planted SEEDS [FIRST]

let numbers = CommandLine.arguments.dropFirst().compactMap(UInt64.init)
let count = max(1, numbers.first ?? 1_000)
let first = numbers.count > 1 ? numbers[1] : 1
for seed in first...(first + count - 1) {
    guard let violation = Simulation.run(seed: seed).violation else { continue }
    print("seed \(seed): \(violation.prefix(140))")
    break
}
