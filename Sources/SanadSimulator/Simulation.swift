/// One world from its seed: faults first, then healing, with every rule checked all the time.
public enum Simulation {
    public struct Outcome: Sendable {
        public var seed: UInt64
        /// The rule that was broken; nil when the world kept all.
        public var violation: String?
        public var statistics: Statistics
        /// What happened, if it was asked for.
        public var trace: [String]
    }

    /// - Parameter isTracing: keeps what happens, for a person; it changes nothing else.
    public static func run(
        seed: UInt64, arbiter: ArbiterChoice = .any, isTracing: Bool = false
    ) -> Outcome {
        var world = World(seed: seed, arbiter: arbiter, isTracing: isTracing)
        world.begin()
        world.run(until: world.time + world.setting.safetySpan)
        if world.violation == nil {
            world.heal()
            world.run(until: world.time + Bounds.healingSpan + 60_000_000_000)
        }
        world.count(\.worlds)
        return Outcome(
            seed: seed, violation: world.violation, statistics: world.statistics,
            trace: world.trace.lines)
    }
}
