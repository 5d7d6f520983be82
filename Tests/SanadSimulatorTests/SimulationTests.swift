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

    /// Worlds in which a rule was broken once, by the code of its time or by a planted bug.
    static let seeds: [(UInt64, String)] = [
        (101_063, "what an earlier reign called committed holds up to the common history only"),
        (4_174, "rows of a history that the primary has lost do not stay in a repaired table"),
        (56, "a page that was read for an earlier link is not sent over a later one"),
        (1_396, "an operator's bid goes on though the arbiter has forgotten"),
        (11_430, "the primary's own record counts over one of the same version"),
        (22_939, "a role given late is not taken when a later reign was heard of"),
        (37_625, "an older copy of another history is not in sync, however long it is"),
        (68_936, "pages that were read of what the primary has lost since are given up"),
        (6_129, "an arbiter that is behind in its epoch leaves the choice to an operator"),
        (15_407, "a reign's own first frame is not lost when the other site committed it"),
        (34_310, "two stores without records, and an arbiter that knows better, can begin again"),
        (81_805, "a confirmation from before the disk was put back proves nothing in async too"),
        (61_353, "a confirmation that was on its way when the disk was put back proves nothing"),
        (1, "what is only handed to the log is not durable"),
        (2, "frames and writes keep inside the window"),
        (4, "a store that has more than the primary is not emptied without a word"),
        (9, "a restarted primary asks before it takes its role up again"),
        (29, "a change of the record ends, also at an arbiter that is behind"),
        (18, "two emptied stores begin no new cluster"),
        (59, "who is not listed in sync does not promote itself"),
        (89, "a lease counts from the sending of the question"),
        (133, "a bound is computed from a greeting that still holds"),
        (154, "a standby is listed when it has everything that was acknowledged"),
        (2_893, "a standby does not confirm a primary that lost what it knows of"),
        (56, "a pause is looked at before a promotion"),
        (1_194, "a pause stops a bid that is under way"),
        (99, "a standby's end counts as durable when it is"),
        (161, "the arbiter's mark is looked at"),
        (913, "an arbiter accepts no change of a version that has passed"),
        (2_715, "a join whose outcome is unknown is not forgotten with the link"),
        (2_022, "who asks for the role gives no promise meanwhile"),
    ]

    @Test("seeds that once broke a rule", arguments: seeds)
    func once(seed: UInt64, rule: String) {
        #expect(Simulation.run(seed: seed).violation == nil, "\(rule)")
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
            ("table checks", \.tableChecks), ("primary's words", \.primaryWords),
        ]
    }

    @Test(
        "a batch keeps every rule, and has met every fault",
        arguments: [ArbiterChoice.none, .witness])
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
