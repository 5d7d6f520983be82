import Glibc
import SanadCore
import Testing

@testable import SanadStore

@Suite("Store")
struct StoreTests {
    let fixture: Fixture

    init() throws { fixture = try Fixture() }

    @Test("A new store is private, and keeps its identity")
    func identity() throws {
        let first = try fixture.open().identity
        var status = stat()
        #expect(stat(fixture.path, &status) == 0)
        #expect(status.st_mode & 0o777 == 0o700)
        let again = try Store.open(
            directory: fixture.path, cluster: Fixture.cluster, node: first.node,
            makeStoreIdentifier: { .none })
        #expect(again.identity == first)
    }

    @Test("One process has a store; the error names it")
    func lock() throws {
        let store = try fixture.open()
        let error = try expectFailure(.locked) { _ = try fixture.open() }
        #expect(error.message.contains("\(getpid())"))
        store.close()
    }

    @Test("A store of another cluster or node is refused")
    func foreign() throws {
        _ = try fixture.open()
        let other = try #require(NodeName("marrakech"))
        let node = try #require(Fixture.node)
        try expectFailure(.foreignStore) {
            _ = try Store.open(
                directory: fixture.path, cluster: Fixture.cluster, node: other,
                makeStoreIdentifier: { .none })
        }
        try expectFailure(.foreignStore) {
            _ = try Store.open(
                directory: fixture.path, cluster: .none, node: node,
                makeStoreIdentifier: { .none })
        }
    }

    @Test("A file of a newer format is refused", arguments: ["node.db", "records.db", "segment"])
    func newerFormat(_ file: String) throws {
        do {
            let store = try fixture.open()
            var maker = FrameMaker()
            try store.log.append([try maker.start(1)])
            store.close()
        }
        let segment = "segments/" + SegmentCatalog.fileName(Sequence(1))
        let path = "\(fixture.path)/\(file == "segment" ? segment : file)"
        do {
            let connection = try SQLiteConnection(path: path, access: .readWrite)
            try connection.execute("PRAGMA user_version = 99")
        }
        let error = try expectFailure(.newerFormat) { _ = try fixture.open() }
        #expect(error.path == path)
    }

    @Test("The cluster's record is remembered")
    func clusterRecord() throws {
        let node = try #require(Fixture.node)
        let other = try #require(NodeName("marrakech"))
        let store = try fixture.open()
        #expect(try store.nodeDatabase.clusterRecord() == nil)
        var record = ClusterRecord.initial(cluster: Fixture.cluster)
        try store.nodeDatabase.save(record)
        #expect(try store.nodeDatabase.clusterRecord() == record)
        record.version = 7
        record.epoch = Epoch(3)
        record.primary = node
        record.inSync = [
            StoreIdentity(node: other, store: Identifier(high: .max, low: 1)), store.identity,
        ]
        record = ClusterRecord(
            cluster: record.cluster, version: 7, epoch: Epoch(3), primary: node,
            inSync: record.inSync,
            since: Position(
                epoch: Epoch(2), sequence: Sequence(40),
                hash: ChainHash(word0: 1, word1: .max, word2: 3, word3: 4)))
        try store.nodeDatabase.save(record)
        #expect(try store.nodeDatabase.clusterRecord() == record)
    }

    @Test("The history takes an equal entry twice, another one not, and forgets a tail")
    func history() throws {
        let database = try fixture.open().nodeDatabase
        let node = try #require(Fixture.node)
        func entry(_ epoch: UInt64, _ first: UInt64) -> EpochEntry {
            EpochEntry(
                epoch: Epoch(epoch), node: node, begins: .origin,
                start: Position(
                    epoch: Epoch(epoch), sequence: Sequence(first),
                    hash: ChainHash(word0: epoch, word1: 0, word2: 0, word3: 0)),
                wallMilliseconds: 5, reason: "test")
        }
        for number: UInt64 in 1...3 { try database.append(entry(number, number * 10)) }
        try database.append(entry(2, 20))
        try expectFailure(.conflict) { try database.append(entry(2, 21)) }
        #expect(try database.history() == [entry(1, 10), entry(2, 20), entry(3, 30)])
        try database.removeHistory(after: Sequence(20))
        #expect(try database.history().map(\.epoch.value) == [1, 2])
    }

    @Test("The audit trail gives the newest entries first")
    func audit() throws {
        let database = try fixture.open().nodeDatabase
        for number: UInt64 in 1...3 {
            try database.appendAudit(
                wallMilliseconds: number, actor: "amina", action: "fence", detail: "n\(number)")
        }
        #expect(try database.audit(limit: 2).map(\.detail) == ["n3", "n2"])
    }
}
