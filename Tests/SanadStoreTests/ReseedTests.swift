import Glibc
import SanadCore
import SanadTestSupport
import Synchronization
import Testing

@testable import SanadStore

@Suite("A store that is made anew from its peer")
struct ReseedTests {
    private static let newStore = Identifier(high: 7, low: 8)

    /// A standby with a past of its own, and a primary with rows in runs and in the merged table.
    func world(_ seed: UInt64) throws -> Rejoin {
        let world = try Rejoin(seed: seed)
        try world.part()
        try world.flush(world.standby)
        let node = try #require(Fixture.node)
        let start = world.frames[0].position
        try world.standby.nodeDatabase.append(
            EpochEntry(
                epoch: start.epoch, node: node, begins: .origin, start: start, wallMilliseconds: 1,
                reason: "test"))
        try world.standby.nodeDatabase.setFence("a fence is not forgotten")
        return world
    }

    func reopen(_ world: Rejoin) throws -> Store {
        world.closeStandby()
        world.standby = try Store.open(
            directory: world.fixture.path, options: world.fixture.options,
            cluster: Fixture.cluster, node: try #require(Fixture.node),
            makeStoreIdentifier: { Self.newStore })
        return world.standby
    }

    /// An emptied standby to which the first page of some has been given.
    func begin(
        _ world: Rejoin
    ) throws -> (standby: Store, snapshot: SnapshotReader, first: RecordPage) {
        try world.standby.planReseed(keepOld: false, reason: "test", wallMilliseconds: 1)
        let standby = try reopen(world)
        try world.flush(world.primary)
        let snapshot = try world.primary.table.makeSnapshotReader()
        let first = try snapshot.page(after: nil, maximumBytes: 400)
        let base = try #require(world.frames.first { $0.position == first.position })
        try standby.beginLoad(base: base.position, offset: base.header.logEnd, history: [])
        try standby.load(first, readIn: Epoch(1))
        return (standby, snapshot, first)
    }

    /// Loads what is left, while the primary goes on.
    func load(_ world: Rejoin, pageBytes: Int, restarts: Bool) throws {
        let reader = try world.primary.table.makeSnapshotReader()
        try world.flush(world.primary)
        if try world.standby.nodeDatabase.repairPlan()?.base == nil {
            let base = try reader.page(after: nil, maximumBytes: 1).position
            let offset = try #require(world.frames.first { $0.position == base }).header.logEnd
            let history = try world.primary.nodeDatabase.history()
            try world.standby.beginLoad(base: base, offset: offset, history: history)
        }
        var isLast = false
        while !isLast {
            let cursor = try world.standby.loadProgress()?.cursor
            let page = try RecordPage(
                decoding: reader.page(after: cursor, maximumBytes: pageBytes).bytes)
            #expect(page.after == cursor)
            try world.standby.load(page, readIn: Epoch(1))
            #expect(try !world.standby.isTableConsistent())
            isLast = page.isLast
            if world.chance(2) { try world.write() }
            if world.chance(4) { try world.flush(world.primary) }
            if restarts, world.chance(4) { _ = try reopen(world) }
            try receive(world)
        }
    }

    /// The log may come in before the rows are complete.
    private func receive(_ world: Rejoin) throws {
        let log = world.standby.log
        let new = world.frames.filter { $0.header.first > log.end.sequence }.prefix(2)
        try log.append(Array(new))
    }

    private func finish(_ world: Rejoin) throws {
        let standby = world.standby
        let from = try #require(try standby.nodeDatabase.repairPlan()?.consistentFrom)
        while standby.table.applied < from { try standby.follow(world.frames, limit: 1) }
        #expect(try standby.isTableConsistent())
        #expect(try standby.dump() == world.expected(at: standby.table.applied))
        for _ in 0..<5 { try world.write() }
        try standby.follow(world.frames)
        try world.flush(standby)
        try blockUntil("the end of the plan") { try standby.endRepairIfComplete() }
        #expect(try standby.dump() == world.expected(at: standby.log.end.sequence))
        #expect(try standby.isTableConsistent())
        let report = try StoreInspection(directory: world.fixture.path).verifyRecords { _ in true }
        #expect(report.problem == nil && report.notCompared == nil)
        #expect(report.records > 0)
    }

    @Test("It is the primary's state from `consistentFrom` on", arguments: 1...UInt64(12))
    func random(_ seed: UInt64) throws {
        let world = try world(seed)
        let before = world.standby.identity
        let keeps = seed % 2 == 0
        try world.standby.planReseed(keepOld: keeps, reason: "test", wallMilliseconds: 5)
        try checkEmpty(try reopen(world), before, keeps)
        let inspection = try StoreInspection(directory: world.fixture.path)
        #expect(inspection.plan?.phase == .load)
        #expect(try inspection.verifyRecords { _ in true }.notCompared != nil)
        try load(world, pageBytes: Int(seed) * 90, restarts: seed % 3 != 0)
        let plan = try world.standby.finishLoad()
        #expect(plan.phase == .catchUp)
        if seed % 4 == 0 { _ = try reopen(world) }
        try finish(world)
    }

    private func checkEmpty(_ standby: Store, _ before: StoreIdentity, _ keeps: Bool) throws {
        #expect(standby.identity.store == Self.newStore)
        #expect(standby.identity != before)
        #expect(standby.log.end == .origin && standby.table.appliedPosition == .origin)
        #expect(try standby.nodeDatabase.history().isEmpty)
        #expect(try standby.nodeDatabase.fence() != nil)
        #expect(try standby.keptStores().map(\.name) == (keeps ? ["store-5"] : []))
        #expect(try standby.dump().isEmpty)
    }

    @Test("A store that does not open is planned offline, and made anew")
    func offline() throws {
        let world = try world(4)
        let path = world.fixture.path
        try expectFailure(.locked) {
            try Store.planReseedOffline(
                directory: path, keepOld: true, acceptLoss: false, reason: "r",
                wallMilliseconds: 4, actor: "amina")
        }
        world.closeStandby()
        let broken = open(path + "/records.db", O_WRONLY)
        #expect(pwrite(broken, "not a database", 14, 0) == 14)
        close(broken)
        #expect(throws: StoreError.self) { try world.openStandby() }
        try Store.planReseedOffline(
            directory: path, keepOld: true, acceptLoss: false, reason: "damaged",
            wallMilliseconds: 4, actor: "amina")
        // A second plan does not throw away what the first one keeps.
        try Store.planReseedOffline(
            directory: path, keepOld: false, acceptLoss: false, reason: "again",
            wallMilliseconds: 6, actor: "amina")
        try world.openStandby()
        #expect(try world.standby.nodeDatabase.audit(limit: 9).map(\.actor) == ["amina", "amina"])
        #expect(try world.standby.keptStores().map(\.name) == ["store-4"])
        try load(world, pageBytes: 400, restarts: false)
        try world.standby.finishLoad()
        try finish(world)
        try expectFailure(.io) {
            try Store.planReseedOffline(
                directory: path + "/none", keepOld: true, acceptLoss: false, reason: "r",
                wallMilliseconds: 4, actor: "amina")
        }
    }

    @Test(
        "The primary's store, or the only one in sync, is not emptied offline by accident",
        arguments: [("rabat", 2), ("marrakech", 1), ("marrakech", 2)])
    func lastCopy(primary: String, inSync: Int) throws {
        let world = try world(4)
        let path = world.fixture.path
        let own = StoreIdentity(
            node: try #require(Fixture.node), store: world.standby.identity.store)
        let other = StoreIdentity(
            node: try #require(NodeName("marrakech")), store: Identifier(high: 3, low: 4))
        try world.standby.nodeDatabase.save(
            ClusterRecord(
                cluster: Fixture.cluster, version: 5, epoch: Epoch(7), primary: NodeName(primary),
                inSync: Array([own, other].prefix(inSync)), since: world.fork))
        let end = world.standby.log.end
        world.closeStandby()
        let stake = try Store.offlineReseedStake(directory: path)
        #expect(stake.logEnd == end)
        #expect(stake.lines.first == "this store's log ends at \(end)")
        func plan(acceptLoss: Bool) throws {
            try Store.planReseedOffline(
                directory: path, keepOld: true, acceptLoss: acceptLoss, reason: "disk",
                wallMilliseconds: 4, actor: "amina")
        }
        let isLast = primary == "rabat" || inSync == 1
        #expect((stake.danger != nil) == isLast)
        if isLast { try expectFailure(.lastCopy) { try plan(acceptLoss: false) } }
        try plan(acceptLoss: isLast)
        try world.openStandby()
        let audit = try world.standby.nodeDatabase.audit(limit: 9)
        #expect(audit.count == 1, "what was refused leaves no plan")
        #expect(audit.first?.detail.hasPrefix("epoch 7: disk [this store's log ends at") == true)
        #expect(audit.first?.detail.contains("names this") == isLast)
        #expect(try world.standby.keptStores().map(\.name) == ["store-4"])
    }

    @Test("A page that does not follow, is stale, or comes too late is refused")
    func refusals() throws {
        let world = try world(6)
        let reader = try world.primary.table.makeSnapshotReader()
        let early = try reader.page(after: nil, maximumBytes: 1)
        try world.write()
        try world.flush(world.primary)
        try expectFailure(.misuse) { try world.standby.load(early, readIn: Epoch(1)) }
        try world.standby.planReseed(keepOld: false, reason: "test", wallMilliseconds: 5)
        let standby = try reopen(world)
        try expectFailure(.misuse) { try standby.finishLoad() }
        let first = try reader.page(after: nil, maximumBytes: 200)
        try standby.beginLoad(base: first.position, offset: 1_000, history: [])
        try standby.beginLoad(base: first.position, offset: 1_000, history: [])
        try expectFailure(.conflict) {
            try standby.beginLoad(base: .origin, offset: 0, history: [])
        }
        if early.position != first.position {
            try expectFailure(.staleRows) { try standby.load(early, readIn: Epoch(1)) }
        }
        try standby.load(first, readIn: Epoch(1))
        try expectFailure(.conflict) { try standby.load(first, readIn: Epoch(1)) }
        let third = try reader.page(
            after: reader.page(after: first.lastName, maximumBytes: 100).lastName)
        try expectFailure(.conflict) { try standby.load(third, readIn: Epoch(1)) }
        try standby.load(reader.page(after: first.lastName), readIn: Epoch(2))
        #expect(try standby.loadProgress()?.readIn == Epoch(2))
        try standby.finishLoad()
        try expectFailure(.misuse) { try standby.load(third, readIn: Epoch(1)) }
        // A cut below what was loaded cannot be repaired name by name.
        try expectFailure(.notABoundary) {
            _ = try standby.log.cut(
                after: world.fork, reason: "", wallMilliseconds: 1, repairsTable: true)
        }
    }

    @Test("A load has no WAL, many pages make one transaction, and the table has a WAL afterwards")
    func loadsInPlace() throws {
        let world = try world(6)
        let (standby, snapshot, first) = try begin(world)
        let wal = world.fixture.path + "/records.db-wal"
        var page = first
        while !page.isLast {
            #expect(standby.table.file.withLock { $0.isLoadOpen })
            page = try snapshot.page(after: page.lastName, maximumBytes: 400)
            try standby.load(page, readIn: Epoch(1))
        }
        #expect(!Files.exists(wal))
        try standby.finishLoad()
        // The next transaction makes the file.
        try world.write()
        try standby.follow(world.frames)
        try world.flush(standby)
        #expect(Files.exists(wal))
        #expect(
            try standby.table.makeReader().count() == world.primary.table.makeReader().count())
    }

    @Test("Its lock tells other processes that the file is in use, after a load as ever")
    func keepsItsLock() throws {
        let world = try world(6)
        let (standby, snapshot, first) = try begin(world)
        try standby.load(snapshot.page(after: first.lastName), readIn: Epoch(1))
        try standby.table.commitLoad()
        #expect(standby.table.file.withLock { $0.writeBack != nil })
        #expect(try !isLocked(world.fixture.path + "/records.db"))
        try standby.finishLoad()
        #expect(standby.table.file.withLock { $0.writeBack == nil })
        // A lock is taken with the first use.
        _ = try standby.loadProgress()
        #expect(try isLocked(world.fixture.path + "/records.db"))
    }

    @Test("Bytes that cannot be written are gone: the pages since the last commit are loaded again")
    func writeBackFails() throws {
        let world = try world(6)
        let (first, rest) = try failToWriteBack(world)
        let opened = try reopen(world)
        #expect(try opened.loadProgress()?.cursor == first.lastName)
        try opened.load(rest, readIn: Epoch(1))
        try opened.finishLoad()
        try finish(world)
    }

    /// - Returns: the page that was committed, and the one that was lost.
    private func failToWriteBack(
        _ world: Rejoin
    ) throws -> (first: RecordPage, rest: RecordPage) {
        let (standby, snapshot, first) = try begin(world)
        try standby.table.commitLoad()
        // Nothing but files can be written back.
        standby.table.file.withLock { $0.writeBack = WriteBack(path: "/dev/null") }
        let rest = try snapshot.page(after: first.lastName)
        try expectFailure(.io) { try standby.load(rest, readIn: Epoch(1)) }
        try expectFailure(.io) { try standby.load(rest, readIn: Epoch(1)) }
        try expectFailure(.io) { try standby.finishLoad() }
        return (first, rest)
    }

    /// Whether this process has SQLite's shared lock on a file. As a lock of the descriptor, F_OFD_GETLK,
    /// the question comes from outside. Asking it ends the lock.
    private func isLocked(_ path: String) throws -> Bool {
        let (getLock, sharedFirst, sharedSize) = (Int32(36), 0x4000_0002, 510)
        let descriptor = open(path, O_RDWR | O_CLOEXEC)
        defer { close(descriptor) }
        var lock = flock()
        lock.l_type = Int16(F_WRLCK)
        lock.l_whence = Int16(SEEK_SET)
        (lock.l_start, lock.l_len) = (sharedFirst, sharedSize)
        try #require(fcntl(descriptor, getLock, &lock) == 0)
        return lock.l_type == Int16(F_RDLCK)
    }

    @Test("A process that ends with a transaction of pages open has the pages before it")
    func endsInTheMiddle() throws {
        let world = try world(6)
        let (standby, snapshot, first) = try begin(world)
        try standby.table.commitLoad()
        try standby.load(
            snapshot.page(after: first.lastName, maximumBytes: 400), readIn: Epoch(1))
        standby.table.file.withLock { $0.connection.rollBack() }
        #expect(try standby.loadProgress()?.cursor == first.lastName)
    }

    @Test("Who reads the file holds a load up, and neither ends it nor takes pages away")
    func readDuringLoad() throws {
        let world = try world(6)
        let (standby, _, first) = try begin(world)
        standby.table.file.withLock { try? $0.connection.execute("PRAGMA busy_timeout = 1") }
        let reader = try SQLiteConnection(
            path: world.fixture.path + "/records.db", access: .readOnly, vfs: nil)
        try reader.execute("BEGIN; SELECT * FROM meta")
        try expectFailure(.busy) { try standby.table.commitLoad() }
        reader.rollBack()
        try standby.table.commitLoad()
        standby.table.file.withLock { $0.connection.rollBack() }
        #expect(try standby.loadProgress()?.cursor == first.lastName)
    }

    @Test("An inspection from before a reseed does not compare what is being loaded")
    func inspectionFromBefore() throws {
        let world = try world(6)
        let inspection = try StoreInspection(directory: world.fixture.path)
        #expect(inspection.plan == nil)
        _ = try begin(world)
        let report = try inspection.verifyRecords { _ in true }
        #expect(report.notCompared?.contains("has not all records yet") == true)
    }

    @Test("A kill before any step of it is made good", .timeLimit(.minutes(3)))
    func kills() async throws {
        var steps = 0
        while try await isKilled(before: steps) { steps += 1 }
        #expect(steps > 8)
    }

    /// Wipes and loads in children that are killed before a step, until the plan has ended.
    private func isKilled(before steps: Int) async throws -> Bool {
        let world = try world(9)
        try world.flush(world.primary)
        let reader = try world.primary.table.makeSnapshotReader()
        let pages = world.fixture.directory + "/page"
        let page = try reader.page(after: nil)
        try StepKiller.save(page.bytes, pages)
        try world.standby.planReseed(keepOld: true, reason: "test", wallMilliseconds: 5)
        let old = world.standby.log.end
        let offset = try #require(world.frames.first { $0.position == page.position })
        world.closeStandby()
        let done = world.fixture.directory + "/done"
        await Self.reseedUntilKilled(
            world.fixture.path, done, pages, Int(offset.header.logEnd), steps)
        try finishKilled(world, page, offset.header.logEnd)
        let kept = try StoreInspection(directory: world.fixture.path + "/quarantine/store-5")
        #expect(try kept.log.verify().verified == old)
        return !Files.exists(done)
    }

    private static func reseedUntilKilled(
        _ path: String, _ done: String, _ page: String, _ offset: Int, _ steps: Int
    ) async {
        await #expect(processExitsWith: .signal(SIGKILL)) {
            [
                path = path as String, done = done as String, page = page as String,
                offset = offset as Int, steps = steps as Int
            ] in
            try StepKiller.reseed(path, done, page, UInt64(offset), steps)
        }
    }

    private func finishKilled(_ world: Rejoin, _ page: RecordPage, _ offset: UInt64) throws {
        let standby = try reopen(world)
        let plan = try #require(try standby.nodeDatabase.repairPlan())
        #expect(plan.kind == .reseed)
        if plan.phase == .load {
            try standby.beginLoad(base: page.position, offset: offset, history: [])
            if try standby.loadProgress()?.cursor == nil {
                try standby.load(page, readIn: Epoch(1))
            }
            try standby.finishLoad()
        }
        try finish(world)
    }
}

extension StepKiller {
    static func save(_ bytes: [UInt8], _ path: String) throws {
        let descriptor = open(path, O_CREAT | O_WRONLY, 0o600)
        defer { close(descriptor) }
        try #require(write(descriptor, bytes, bytes.count) == bytes.count)
    }

    static func reseed(
        _ path: String, _ done: String, _ page: String, _ offset: UInt64, _ steps: Int
    ) throws {
        let store = try Fixture.open(path, options(steps))
        var bytes = [UInt8](repeating: 0, count: Int(Files.size(page)))
        let descriptor = open(page, O_RDONLY)
        try #require(read(descriptor, &bytes, bytes.count) == bytes.count)
        let page = try RecordPage(decoding: bytes)
        try store.beginLoad(base: page.position, offset: offset, history: [])
        try store.load(page, readIn: Epoch(1))
        try store.finishLoad()
        end(done)
    }
}
