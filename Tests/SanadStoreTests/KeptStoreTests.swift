import SanadCore
import SanadTestSupport
import Testing

@testable import SanadStore

/// What a reseed puts aside.
extension ReseedTests {
    @Test("A kept store can be inspected")
    func kept() throws {
        let world = try world(3)
        let end = world.standby.log.end
        try world.standby.planReseed(keepOld: true, reason: "test", wallMilliseconds: 9)
        let standby = try reopen(world)
        let kept = world.fixture.path + "/quarantine/store-9"
        let inspection = try StoreInspection(directory: kept)
        #expect(try inspection.log.verify().verified == end)
        let report = try inspection.verifyRecords { _ in true }
        #expect(report.problem == nil && report.records > 0)
        #expect(try #require(try standby.keptStores().first).bytes > 0)
    }

    @Test("A kept store is a whole one, and can be put back")
    func putBack() throws {
        let world = try world(5)
        let before = (world.standby.identity, world.standby.log.end, try world.standby.dump())
        let history = try world.standby.nodeDatabase.history()
        try world.standby.planReseed(keepOld: true, reason: "test", wallMilliseconds: 9)
        _ = try reopen(world)
        world.closeStandby()
        let path = world.fixture.path
        for name in ["node.db", "records.db", "segments"] {
            try Files.rename(path + "/" + name, to: path + "/" + name + ".new")
            try Files.rename(path + "/quarantine/store-9/" + name, to: path + "/" + name)
        }
        let standby = try reopen(world)
        #expect(standby.identity == before.0 && standby.log.end == before.1)
        #expect(try standby.nodeDatabase.repairPlan() == nil)
        #expect(try standby.nodeDatabase.history() == history && !history.isEmpty)
        try standby.follow([])
        #expect(try standby.dump() == before.2)
    }

    @Test("A kept store's records can be read; one that is being loaded says what it is")
    func keptRecords() throws {
        let world = try world(5)
        try world.flush(world.standby)
        let (expected, applied) = (try world.standby.dump(), world.standby.table.applied)
        try world.standby.planReseed(keepOld: true, reason: "test", wallMilliseconds: 9)
        // It was planned, and nothing has been taken away yet.
        #expect(
            try names(StoreInspection(directory: world.fixture.path)).count == expected.count)
        _ = try reopen(world)
        let path = world.fixture.path
        let kept = try StoreInspection(directory: path + "/quarantine/store-9")
        let names = try names(kept)
        #expect(names.count == expected.count && names == names.sorted())
        let found = try kept.forEachRecord { _ in true }
        #expect(found.applied == applied && found.consistentFrom == .zero)
        #expect(found.incomplete == nil && found.damaged == 0)
        var count = 0
        _ = try kept.forEachRecord { _ in
            count += 1
            return count < 2
        }
        #expect(count == 2)
        try expectFailure(.busy) {
            _ = try StoreInspection(directory: path).forEachRecord { _ in true }
        }
    }

    private func names(_ store: StoreInspection) throws -> [String] {
        var names: [String] = []
        _ = try store.forEachRecord { record in
            names.append(String(decoding: record.key, as: UTF8.self))
            return true
        }
        return names
    }

    @Test("Damaged records are left out, and told of")
    func damagedRecords() throws {
        let world = try world(5)
        try world.flush(world.standby)
        let expected = try names(StoreInspection(directory: world.fixture.path))
        world.closeStandby()
        let file = try SQLiteConnection(
            path: world.fixture.path + "/records.db", access: .readWrite, vfs: nil)
        let worst = try #require(expected.last)
        for table in ["records"] + RunTables.waiting {
            try file.execute(
                """
                UPDATE \(table) SET value = CAST(value || x'31' AS BLOB)
                WHERE substr(name, -\(worst.utf8.count)) = '\(worst)'
                """)
        }
        let store = try StoreInspection(directory: world.fixture.path)
        let found = try store.forEachRecord { _ in true }
        #expect(found.damaged >= 1)
        #expect(found.firstDamaged?.hasSuffix(worst) == true)
        #expect(try names(store).count == expected.count - Int(found.damaged))
    }

    @Test("A store that was put aside in the middle of a load says that it is not whole")
    func keptInTheMiddle() throws {
        let world = try world(6)
        let first = try begin(world).first
        try world.standby.table.commitLoad()
        try world.standby.planReseed(keepOld: true, reason: "test", wallMilliseconds: 9)
        _ = try reopen(world)
        let path = world.fixture.path + "/quarantine/store-9"
        #expect(!Files.exists(path + "/node.db"))
        let kept = try StoreInspection(directory: path)
        #expect(try names(kept).count == first.rowCount)
        let found = try kept.forEachRecord { _ in true }
        #expect(found.incomplete?.contains("in the middle of a repair or a snapshot") == true)
    }

    @Test("A store whose log has not reached the position of its rows says up to where it has to")
    func keptInCatchUp() throws {
        let world = try world(6)
        _ = try begin(world)
        try world.write()
        try load(world, pageBytes: 4_000, restarts: false)
        let plan = try world.standby.finishLoad()
        let store = try StoreInspection(directory: world.fixture.path)
        let found = try store.forEachRecord { _ in true }
        #expect(found.consistentFrom == plan.consistentFrom)
        #expect(found.consistentFrom > found.applied)
    }
}
