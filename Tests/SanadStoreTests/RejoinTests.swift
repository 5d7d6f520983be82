import Glibc
import SanadCore
import SanadTestSupport
import Testing

@testable import SanadStore

@Suite("A table that is repaired after a cut")
struct RejoinTests {
    @Test("It is the primary's state from `consistentFrom` on", arguments: 1...UInt64(40))
    func random(_ seed: UInt64) throws {
        let world = try Rejoin(seed: seed)
        try world.part()
        let standby = world.standby
        let entry = try #require(
            try standby.log.cut(
                after: world.fork, reason: "fork", wallMilliseconds: 1, repairsTable: true))
        #expect(standby.table.applied <= world.fork.sequence)
        #expect(standby.log.end == world.fork)
        let plan = try standby.nodeDatabase.repairPlan()
        if let plan {
            #expect(plan.kind == .rejoin && plan.phase == .catchUp)
            #expect(plan.base == world.fork)
            #expect(plan.quarantine == entry.number)
        }
        while try standby.nodeDatabase.repairNamesLeft() > 0 {
            #expect(try !standby.isTableConsistent())
            try takeStep(world)
        }
        let from = try standby.nodeDatabase.repairPlan()?.consistentFrom ?? world.fork.sequence
        // Frame by frame up to the first boundary at which the table has to be right.
        while standby.table.applied < from { try standby.follow(world.frames, limit: 1) }
        #expect(try standby.isTableConsistent())
        #expect(try standby.dump() == world.expected(at: standby.table.applied))
        for _ in 0..<10 {
            try world.write()
            try standby.follow(world.frames, limit: 2)
            if world.chance(3) { try world.flush(standby) }
            if world.chance(3) { world.mergePiece(standby) }
            #expect(try standby.dump() == world.expected(at: standby.table.applied))
        }
        try finish(world)
    }

    @Test("A cut of a loaded store whose plan has not ended lists names, and a start knows of them")
    func afterLoad() throws {
        let world = try Rejoin(seed: 7)
        try world.part()
        try world.flush(world.standby)
        let node = world.standby.nodeDatabase
        let loaded = RepairPlan(
            kind: .reseed, phase: .catchUp, base: .origin, consistentFrom: Sequence(1),
            quarantine: nil, keepsOld: false, reason: "test", wallMilliseconds: 1)
        try node.write { () throws(StoreError) in try node.save(loaded) }
        try world.cut()
        let plan = try #require(try node.repairPlan())
        #expect(try node.repairNamesLeft() > 0)
        #expect(plan.kind == .rejoin && plan.phase == .catchUp)
        #expect(plan.base == .origin && plan.consistentFrom == Sequence(1))
    }

    /// Fetches, frames, flushes and merges, in any order.
    private func takeStep(_ world: Rejoin) throws {
        let choice = world.generator.next() % 6
        if choice == 0 {
            try world.write()
        } else if choice <= 2 {
            try world.standby.follow(world.frames, limit: 3)
        } else if choice == 3 {
            try world.flush(world.standby)
        } else if choice == 4 {
            world.mergePiece(world.standby)
        } else {
            try world.fetch(limit: Int.random(in: 1...25, using: &world.generator))
        }
    }

    /// Brings both to the same position, ends the plan and verifies the files.
    private func finish(_ world: Rejoin) throws {
        let standby = world.standby
        try standby.follow(world.frames)
        try world.flush(standby)
        try blockUntil("the end of the plan") { try standby.endRepairIfComplete() }
        #expect(try standby.nodeDatabase.repairPlan() == nil)
        #expect(try standby.nodeDatabase.repairNames(limit: 1).isEmpty)
        #expect(try standby.dump() == world.expected(at: standby.log.end.sequence))
        let report = try StoreInspection(directory: world.fixture.path).verifyRecords { _ in true }
        #expect(report.problem == nil && report.notCompared == nil)
    }

    @Test("What only memory had applied needs no repair")
    func memoryOnly() throws {
        let world = try Rejoin(seed: 1)
        try world.part(tail: 0)
        try world.flush(world.standby)
        var maker = FrameMaker(world.standby.log)
        let tail = [maker.put("k1", "lost"), maker.frame([("k2", nil)])]
        try world.standby.log.append(tail)
        for frame in tail { _ = world.standby.table.insert(frame) }
        try expectFailure(.appliedBeyondFork) {
            _ = try world.standby.log.cut(after: world.fork, reason: "", wallMilliseconds: 1)
        }
        _ = try world.standby.log.cut(
            after: world.fork, reason: "", wallMilliseconds: 1, repairsTable: true)
        #expect(try world.standby.nodeDatabase.repairPlan() == nil)
        #expect(world.standby.table.appliedPosition == world.fork)
        #expect(try world.standby.dump() == world.expected(at: world.fork.sequence))
        try world.standby.follow(world.frames)
        #expect(try world.standby.dump() == world.expected(at: world.standby.log.end.sequence))
    }

    @Test("Rows older than the table are refused, and so is a page of a range")
    func stale() throws {
        let world = try Rejoin(seed: 5)
        try world.part()
        try world.flush(world.standby)
        _ = try world.standby.log.cut(
            after: world.fork, reason: "", wallMilliseconds: 1, repairsTable: true)
        let names = try world.standby.nodeDatabase.repairNames(limit: 10)
        try world.flush(world.primary)
        let reader = try world.primary.table.makeSnapshotReader()
        let early = try reader.rows(names: names)
        try world.write()
        try world.standby.follow(world.frames)
        try world.flush(world.standby)
        try expectFailure(.staleRows) { try world.standby.repair(with: early) }
        try expectFailure(.misuse) { try world.standby.repair(with: try reader.page(after: nil)) }
        #expect(try world.standby.nodeDatabase.repairNames(limit: 10) == names)
    }

    @Test("A second cut below what was fetched has every name fetched again")
    func secondCut() throws {
        let world = try Rejoin.afterCut(seed: 7)
        let standby = world.standby
        let names = try standby.nodeDatabase.repairNamesLeft()
        try world.fetch(limit: 1_000)
        #expect(try standby.nodeDatabase.repairNamesLeft() == 0)
        // The frames that the rows came from are lost at the primary too, and cut off here.
        try standby.follow(world.frames, limit: 5)
        try world.cut()
        #expect(try standby.nodeDatabase.repairNamesLeft() >= names)
        #expect(try standby.nodeDatabase.repairPlan()?.consistentFrom == nil)
        try world.fetch(limit: 1_000)
        try finish(world)
    }

    @Test("Rows read beyond a log's end are fetched again when their history is given up")
    func cutOfNothing() throws {
        let world = try Rejoin.afterCut(seed: 7)
        let standby = world.standby
        let names = try standby.nodeDatabase.repairNamesLeft()
        try world.fetch(limit: 5)
        #expect(try standby.nodeDatabase.repairNames(limit: 1_000).count == Int(names) - 5)
        #expect(try world.cut() == nil)
        #expect(try standby.nodeDatabase.repairNamesLeft() == names)
        #expect(try standby.nodeDatabase.repairNames(limit: 1_000).count == Int(names))
        #expect(try standby.nodeDatabase.repairPlan()?.consistentFrom == nil)
        try world.fetch(limit: 1_000)
        try finish(world)
    }

    @Test("Rows that were not synced are fetched again after a restart, and only then")
    func restartWhileFetching() throws {
        let world = try Rejoin.afterCut(seed: 7)
        let names = try world.standby.nodeDatabase.repairNames(limit: 1_000)
        try world.fetch(limit: 5)
        try world.fetch(limit: 7)
        #expect(
            try world.standby.nodeDatabase.repairNames(limit: 1_000) == Array(names.dropFirst(12)))
        world.closeStandby()
        try world.openStandby()
        #expect(try world.standby.nodeDatabase.repairNames(limit: 1_000) == names)
        #expect(try world.standby.nodeDatabase.repairPlan()?.consistentFrom == nil)
        try world.fetch(limit: 5)
        try world.fetch(limit: 1_000)
        #expect(try world.standby.nodeDatabase.repairNamesLeft() == 0)
        try finish(world)
    }

    @Test("A page that answers for other names is refused, and changes nothing")
    func otherNames() throws {
        let world = try Rejoin.afterCut(seed: 7)
        let standby = world.standby
        let names = try standby.nodeDatabase.repairNames(limit: 1_000)
        let reader = try world.primary.table.makeSnapshotReader()
        let before = try standby.dump()
        for wrong in [Array(names.dropFirst()), [names[0]] + names.dropFirst(2), []] {
            let page = try reader.rows(names: wrong)
            try expectFailure(.unexpectedRows) { try standby.repair(with: page) }
        }
        #expect(try standby.dump() == before)
        #expect(try standby.nodeDatabase.repairNames(limit: 1_000) == names)
    }

    private static func cutUntilKilled(
        _ path: String, _ done: String, _ fork: Int, _ steps: Int
    ) async {
        await #expect(processExitsWith: .signal(SIGKILL)) {
            [path = path as String, done = done as String, fork = fork as Int, steps = steps as Int]
            in
            try StepKiller.cut(path, done, Sequence(UInt64(fork)), steps)
        }
    }

    @Test("A kill before any step of it is made good", .timeLimit(.minutes(3)))
    func kills() async throws {
        var steps = 0
        while try await isKilled(before: steps) { steps += 1 }
        #expect(steps > 6)
    }

    /// Cuts in a child that is killed before a step, and finishes what it left.
    ///
    /// - Returns: false when there were no more steps than these.
    private func isKilled(before steps: Int) async throws -> Bool {
        let world = try Rejoin(seed: 11)
        try world.part()
        try world.flush(world.standby)
        let done = world.fixture.directory + "/done"
        world.closeStandby()
        await Self.cutUntilKilled(
            world.fixture.path, done, Int(world.fork.sequence.value), steps)
        try world.openStandby()
        try finishKilled(world, steps)
        return !Files.exists(done)
    }

    private func finishKilled(_ world: Rejoin, _ steps: Int) throws {
        let standby = world.standby
        let plan = try standby.nodeDatabase.repairPlan()
        if standby.log.end == world.fork {
            #expect(plan?.base == world.fork)
            #expect(try standby.nodeDatabase.quarantine().count == 1)
        } else {
            #expect(steps == 0, "the plan was not written yet")
            #expect(plan == nil)
            _ = try standby.log.cut(
                after: world.fork, reason: "", wallMilliseconds: 1, repairsTable: true)
        }
        while try standby.nodeDatabase.repairNamesLeft() > 0 {
            try standby.follow(world.frames, limit: 2)
            try world.fetch(limit: 20)
        }
        try finish(world)
    }

    @Test("A plan ends after a restart in which nothing is written")
    func endAfterRestart() throws {
        let world = try Rejoin.afterCut(seed: 17)
        try world.fetch(limit: 1_000)
        try world.standby.follow(world.frames)
        try world.flush(world.standby)
        world.closeStandby()
        try world.openStandby()
        #expect(world.standby.table.durablePosition == .origin)
        #expect(try world.standby.endRepairIfComplete())
        #expect(world.standby.table.durablePosition == world.standby.log.end)
        #expect(try world.standby.nodeDatabase.repairPlan() == nil)
    }

    @Test("A kill between the rows and the names only repeats the fetch")
    func killWhileFetching() throws {
        let world = try Rejoin.afterCut(seed: 13)
        let names = try world.standby.nodeDatabase.repairNames(limit: 1_000)
        let page = try world.primary.table.makeSnapshotReader().rows(names: names)
        try world.standby.table.replace(page)
        #expect(try world.standby.nodeDatabase.repairNames(limit: 1_000) == names)
        try world.write()
        try world.standby.follow(world.frames, limit: 2)
        try world.flush(world.standby)
        try world.flush(world.primary)
        try world.fetch(limit: 1_000)
        try finish(world)
    }
}

extension Rejoin {
    /// Lets go of the standby's directory.
    func closeStandby() {
        guard standby !== primary else { return }
        standby.close()
        standby = primary
    }

    func openStandby() throws { standby = try fixture.open() }

    func reopenStandby(vfs: String?) throws {
        closeStandby()
        fixture.options.vfs = vfs
        try openStandby()
    }
}
