import SanadCore
import Synchronization
import Testing

@testable import SanadStore

extension FaultTests {
    @Test("Fetched rows are synced, also when a fetch brought nothing new")
    func syncOfRows() throws {
        try #require(FaultyFileSystem.registered)
        let world = try Rejoin(seed: 21)
        try world.part(tail: 8)
        try world.flush(world.standby)
        try world.flush(world.primary)
        try world.reopenStandby(vfs: FaultyFileSystem.name)
        let standby = world.standby
        try world.cut()
        let names = try standby.nodeDatabase.repairNames(limit: 1_000)
        let page = try world.primary.table.makeSnapshotReader().rows(names: names)
        for _ in 0..<2 {
            try standby.table.replace(page)
            let before = FaultyFileSystem.syncs.load(ordering: .relaxed)
            try standby.table.synchronizeRows()
            #expect(FaultyFileSystem.syncs.load(ordering: .relaxed) == before + 1)
        }
    }

    @Test("A migration is done wholly or not at all, whichever write fails")
    func migrationFaults() throws {
        try #require(FaultyFileSystem.registered)
        let broken = StoreOptions.faulty
        var calls = 0
        var failed = 1
        while failed > 0 {
            let fixture = try Fixture(inMemory: true)
            try NodeDatabaseTests.makeVersion1(fixture)
            FaultyFileSystem.arm(after: calls, tearing: true)
            _ = try? Fixture.open(fixture.path, broken)
            failed = FaultyFileSystem.disarm()
            #expect(try fixture.open().nodeDatabase.history().count == 1)
            calls += 1
        }
        #expect(calls > 5)
    }

    @Test("A cut that leaves a repair is finished after the N-th write failed")
    func everyWriteOfARepair() throws {
        try #require(FaultyFileSystem.registered)
        var calls = 0
        while try isBrokenRepair(after: calls) { calls += 1 }
        #expect(calls > 10)
    }

    /// - Returns: whether a write failed.
    private func isBrokenRepair(after calls: Int) throws -> Bool {
        let world = try Rejoin(seed: 21)
        try world.part(tail: 8)
        try world.flush(world.standby)
        try world.flush(world.primary)
        try world.reopenStandby(vfs: FaultyFileSystem.name)
        FaultyFileSystem.arm(after: calls, tearing: calls % 2 == 0)
        do {
            _ = try world.standby.log.cut(
                after: world.fork, reason: "fork", wallMilliseconds: 1, repairsTable: true)
            let names = try world.standby.nodeDatabase.repairNames(limit: 1_000)
            let reader = try world.primary.table.makeSnapshotReader()
            try world.standby.repair(with: try reader.rows(names: names))
        } catch {
            // What counts is what the next start finds.
        }
        let failed = FaultyFileSystem.disarm()
        try world.reopenStandby(vfs: nil)
        let standby = world.standby
        if standby.log.end != world.fork {
            _ = try standby.log.cut(
                after: world.fork, reason: "fork", wallMilliseconds: 1, repairsTable: true)
        }
        if try standby.nodeDatabase.repairNamesLeft() > 0 { try world.fetch(limit: 1_000) }
        try standby.follow(world.frames)
        #expect(try standby.isTableConsistent(), "after \(calls) calls")
        #expect(
            try standby.dump() == world.expected(at: standby.log.end.sequence),
            "after \(calls) calls")
        return failed > 0
    }

    @Test("A reseed goes on after the N-th write failed")
    func everyWriteOfAReseed() throws {
        try #require(FaultyFileSystem.registered)
        var calls = 0
        while try isBrokenReseed(after: calls) { calls += 1 }
        #expect(calls > 10)
    }

    private func isBrokenReseed(after calls: Int) throws -> Bool {
        let world = try Rejoin(seed: 22)
        try world.part(tail: 3)
        try world.flush(world.primary)
        try world.standby.planReseed(keepOld: false, reason: "test", wallMilliseconds: 1)
        world.closeStandby()
        world.fixture.options.vfs = FaultyFileSystem.name
        FaultyFileSystem.arm(after: calls, tearing: calls % 2 == 0)
        do {
            try world.openStandby()
            try seed(world)
        } catch {
            // What counts is what the next start finds.
        }
        let failed = FaultyFileSystem.disarm()
        try world.reopenStandby(vfs: nil)
        if try world.standby.nodeDatabase.repairPlan()?.phase == .load { try seed(world) }
        try world.standby.follow(world.frames)
        #expect(try world.standby.isTableConsistent(), "after \(calls) calls")
        #expect(
            try world.standby.dump() == world.expected(at: world.standby.log.end.sequence),
            "after \(calls) calls")
        return failed > 0
    }

    @Test("A load whose transaction is rolled back is not complete, whoever was told of its pages")
    func lostTransaction() throws {
        try #require(FaultyFileSystem.registered)
        let world = try Rejoin(seed: 5)
        try world.part(tail: 3)
        try world.standby.planReseed(keepOld: false, reason: "test", wallMilliseconds: 1)
        world.closeStandby()
        world.fixture.options.vfs = FaultyFileSystem.name
        try world.flush(world.primary)
        try world.openStandby()
        let page = try world.primary.table.makeSnapshotReader().page(after: nil)
        #expect(page.isLast)
        let offset = try #require(world.frames.first { $0.position == page.position })
        try world.standby.beginLoad(
            base: page.position, offset: offset.header.logEnd, history: [])
        try world.standby.load(page, readIn: Epoch(1))
        #expect(try world.standby.loadProgress()?.cursor == page.lastName)
        FaultyFileSystem.arm(after: 0, tearing: false)
        #expect(throws: StoreError.self) { try world.standby.table.commitLoad() }
        FaultyFileSystem.disarm()
        // The disk is well again, and the pages are gone all the same.
        #expect(throws: StoreError.self) { try world.standby.finishLoad() }
        try world.reopenStandby(vfs: nil)
        #expect(try world.standby.nodeDatabase.repairPlan()?.phase == .load)
        #expect(try world.standby.loadProgress()?.cursor == nil)
        try world.standby.load(page, readIn: Epoch(1))
        try world.standby.finishLoad()
        #expect(
            try world.standby.table.makeReader().count()
                == world.primary.table.makeReader().count())
    }

    private func seed(_ world: Rejoin) throws {
        let reader = try world.primary.table.makeSnapshotReader()
        let base = world.primary.table.flushedPosition
        let offset = try #require(world.frames.first { $0.position == base }).header.logEnd
        try world.standby.beginLoad(base: base, offset: offset, history: [])
        var isLast = false
        while !isLast {
            let page = try reader.page(
                after: world.standby.loadProgress()?.cursor, maximumBytes: 500)
            try world.standby.load(page, readIn: Epoch(1))
            isLast = page.isLast
        }
        try world.standby.finishLoad()
    }
}
