import Glibc
import SanadCore
import Testing

@testable import SanadStore

@Suite("What node.db keeps")
struct NodeDatabaseTests {
    let fixture: Fixture

    init() throws { fixture = try Fixture() }

    /// A store as version 1 of the formats made it, with one reign.
    static func makeVersion1(_ fixture: Fixture) throws {
        do {
            let store = try fixture.open()
            var maker = FrameMaker()
            try store.log.append([try maker.start(1)])
            store.close()
        }
        for suffix in ["", "-wal", "-shm"] { unlink(fixture.path + "/node.db" + suffix) }
        let connection = try SQLiteConnection(path: fixture.path + "/node.db", access: .create)
        try connection.execute(NodeSchema.version1)
        let identity = try connection.prepare("INSERT INTO identity VALUES (1, ?, 'rabat', ?)")
        identity.bind(1, copying: Fixture.cluster.bytes)
        identity.bind(2, copying: Identifier(high: 1, low: 2).bytes)
        try identity.run()
        try connection.execute(
            """
            INSERT INTO epoch_history VALUES (1, 'rabat', 0, 0, zeroblob(32), 1, 1,
                zeroblob(32), 5, 'old');
            PRAGMA application_id = \(FileFormat.node.applicationIdentifier);
            PRAGMA user_version = 1;
            """)
        let records = try SQLiteConnection(
            path: fixture.path + "/records.db", access: .readWrite)
        try records.execute("DROP TABLE load_state; DROP TABLE repaired; PRAGMA user_version = 1")
    }

    @Test("A store of version 1 is brought up to date where it stands")
    func migration() throws {
        try Self.makeVersion1(fixture)
        #expect(try StoreInspection(directory: fixture.path).plan == nil)
        for _ in 0..<2 {
            let store = try fixture.open()
            defer { store.close() }
            #expect(store.identity.store == Identifier(high: 1, low: 2))
            #expect(try store.nodeDatabase.history().map(\.reason) == ["old"])
            #expect(try store.nodeDatabase.repairPlan() == nil)
            #expect(try store.nodeDatabase.fence() == nil)
            #expect(try store.loadProgress() == nil)
            for (file, access) in [("node.db", 2), ("records.db", 3)] as [(String, UInt64)] {
                let connection = try SQLiteConnection(
                    path: fixture.path + "/" + file, access: .readOnly)
                #expect(try connection.integer("PRAGMA user_version") == access)
            }
        }
    }

    @Test("An offline plan brings a store of version 1 up to date too")
    func offlineMigration() throws {
        try Self.makeVersion1(fixture)
        try Store.planReseedOffline(
            directory: fixture.path, keepOld: true, acceptLoss: false, reason: "r",
            wallMilliseconds: 3, actor: "amina")
        #expect(try StoreInspection(directory: fixture.path).plan?.phase == .wipe)
        let store = try fixture.open()
        #expect(try store.nodeDatabase.repairPlan()?.phase == .load)
    }

    @Test("A fence and a pause survive a restart, and end")
    func settings() throws {
        let pause = FailoverPause(untilWallMilliseconds: .max, reason: "upgrade of the kernel")
        do {
            let database = try fixture.open().nodeDatabase
            #expect(try database.fence() == nil && database.pause() == nil)
            try database.setFence("two primaries: \u{0633}\u{0646}\u{062F}")
            try database.setFence("again")
            try database.setPause(pause)
        }
        let database = try fixture.open().nodeDatabase
        #expect(try database.fence() == "again")
        #expect(try database.pause() == pause)
        try database.setFence(nil)
        try database.setPause(nil)
        #expect(try database.fence() == nil && database.pause() == nil)
    }

    @Test("A quarantine file is read without its store, and what is damaged in it is named")
    func quarantine() throws {
        let store = try fixture.open()
        var maker = FrameMaker()
        let frames = [try maker.start(1)] + (0..<9).map { maker.put("k\($0)", "value-\($0)-x") }
        try store.log.append(frames)
        let entry = try #require(
            try store.log.cut(after: frames[3].position, reason: "fork", wallMilliseconds: 1))
        let path = fixture.directory + "/copy"
        try Files.rename("\(fixture.path)/quarantine/\(entry.file)", to: path)
        let reader = try QuarantineReader(path: path)
        #expect(reader.fork == frames[3].position)
        #expect(reader.first == entry.first && reader.last == entry.last)
        #expect(reader.bytes == entry.bytes && reader.transactionCount == 6)
        var read: [Frame] = []
        while case let next = try reader.read(
            after: read.last?.header.last ?? .zero, maximumBytes: 1), !next.isEmpty
        {
            read += next
        }
        #expect(read.map(\.bytes) == frames[4...].map(\.bytes))
        try expectFailure(.io) { _ = try QuarantineReader(path: path + "-none") }
        try expectFailure(.corrupt) {
            _ = try QuarantineReader(path: fixture.path + "/records.db")
        }
        let connection = try SQLiteConnection(path: path, access: .readWrite)
        try connection.execute(
            "UPDATE frames SET frame = CAST(replace(frame, 'value-5', 'value-6') AS BLOB)")
        _ = try connection.checkpoint(.truncate)
        let error = try expectFailure(.corrupt) {
            _ = try reader.read(after: .zero, maximumBytes: 1 << 20)
        }
        #expect(error.message.contains("first="))
    }
}

extension StoreOptions {
    static var faulty: StoreOptions {
        var options = StoreOptions()
        options.vfs = FaultyFileSystem.name
        return options
    }
}
