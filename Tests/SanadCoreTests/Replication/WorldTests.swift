import Testing

@testable import SanadCore

@Suite("Two replicas under faults")
struct WorldTests {
    /// The safety phase: faults of all kinds. Then all is healed, and the pair must be in sync
    /// again within half a minute of its own time.
    static func run(seed: UInt64, steps: Int = 800) -> World {
        var world = World(seed: seed)
        for _ in 0..<steps {
            world.advance()
            fault(&world)
        }
        heal(&world)
        return world
    }

    private static func fault(_ world: inout World) {
        guard Int.random(in: 0..<40, using: &world.random) == 0 else { return }
        let index = Int.random(in: 0...1, using: &world.random)
        switch Int.random(in: 0..<7, using: &world.random) {
        case 0: world.crash(index)
        case 1, 2:
            if world.hosts[index].replica == nil { world.start(index) }
        case 3: world.disconnect()
        case 4:
            world.isCut = true
            world.disconnect()
        case 5: world.isCut = false
        default: world.hosts[index].isPaused.toggle()
        }
    }

    private static func heal(_ world: inout World) {
        world.isCut = false
        for index in world.hosts.indices {
            world.hosts[index].isPaused = false
            if world.hosts[index].replica == nil { world.start(index) }
        }
        let end = world.time + 30_000_000_000
        while world.time < end { world.advance() }
    }

    @Test("safe while faults rain, in sync soon after", arguments: 1...60)
    func seeds(_ seed: Int) {
        let world = Self.run(seed: UInt64(seed))
        #expect(world.violations.isEmpty)
        #expect(world.lost().isEmpty, "acknowledged writes were lost")
        let roles = world.hosts.compactMap { $0.replica?.role }
        #expect(roles.filter { $0 == .primary }.count == 1, "\(roles)")
        #expect(world.hosts.allSatisfy { $0.replica?.record.inSync.count == 2 })
        #expect(world.hosts.allSatisfy { $0.replica?.storeProblem == nil })
        let ends = world.hosts.map { $0.log.map(\.hash) }
        let shared = min(ends[0].count, ends[1].count)
        #expect(ends[0].prefix(shared) == ends[1].prefix(shared), "histories differ")
        #expect(world.acknowledgements > 0)
    }

    @Test("the faults do reach promotions and quarantines")
    func coverage() {
        let worlds = (1...30).map { Self.run(seed: UInt64($0)) }
        #expect(worlds.map(\.promotions).reduce(0, +) > 20)
        #expect(worlds.flatMap(\.hosts).map(\.quarantined).reduce(0, +) > 0)
    }
}
