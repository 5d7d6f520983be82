import SanadSimulator
import Testing

@Suite("Simulated worlds")
struct SimulationTests {
    @Test("one seed is one world, to the last event", arguments: UInt64(1)...6)
    func replay(seed: UInt64) {
        let first = Simulation.run(seed: seed)
        let second = Simulation.run(seed: seed)
        #expect(first.violation == second.violation)
        #expect(first.statistics == second.statistics)
    }

    @Test("to be watched changes nothing, and the account is the same each time")
    func trace() {
        let plain = Simulation.run(seed: 7)
        let first = Simulation.run(seed: 7, isTracing: true)
        let second = Simulation.run(seed: 7, isTracing: true)
        #expect(plain.statistics == first.statistics)
        #expect(plain.trace.isEmpty)
        #expect(first.trace.count > 1_000)
        #expect(first.trace == second.trace)
    }

    @Test("another seed, and another arbiter, is another world")
    func others() {
        let first = Simulation.run(seed: 1).statistics
        #expect(Simulation.run(seed: 2).statistics != first)
        let witness = Simulation.run(seed: 1, arbiter: .witness).statistics
        #expect(Simulation.run(seed: 1, arbiter: .none).statistics != witness)
    }

    /// What a batch must have met, or its being clean would say nothing.
    private var met: [(String, KeyPath<Statistics, Int>)] {
        [
            ("failovers", \.failovers), ("automatic promotions", \.promotionsAutomatic),
            ("switchovers", \.promotionsBySwitchover), ("restarts", \.restartsByPeer),
            ("degrades", \.degrades), ("joins", \.joins), ("rejoins", \.rejoins),
            ("snapshots", \.snapshots), ("records fetched", \.recordsFetched),
            ("crashes", \.crashes), ("crashes in the middle of a step", \.crashesInStep),
            ("pauses", \.pauses), ("partitions", \.partitions), ("resets", \.resets),
            ("stores lost", \.storesLost), ("log trims", \.trims), ("commands", \.commands),
            ("acknowledged, both sites", \.acknowledgedBothSites),
            ("acknowledged, one site", \.acknowledgedOneSite), ("quarantined", \.quarantined),
            ("table checks", \.tableChecks),
        ]
    }

    @Test("a batch keeps every rule, and has met every fault", arguments: [ArbiterChoice.none, .witness])
    func batch(arbiter: ArbiterChoice) {
        var sum = Statistics()
        for seed in UInt64(1)...30 {
            let outcome = Simulation.run(seed: seed, arbiter: arbiter)
            #expect(outcome.violation == nil, "sanad-sim replay \(seed) tells the story")
            sum.add(outcome.statistics)
        }
        for (name, path) in met {
            #expect(sum[keyPath: path] > 0, "no \(name) in thirty worlds")
        }
        if arbiter == .witness {
            #expect(sum.arbiterCrashes > 0)
            #expect(sum.restartsByArbiter > 0)
        }
    }
}
