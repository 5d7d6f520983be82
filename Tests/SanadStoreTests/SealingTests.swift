import Glibc
import SanadCore
import Testing

@testable import SanadStore

@Suite("Sealing beside the appends")
struct SealingTests {
    private func pageBytes(_ store: Store, _ entry: SegmentCatalog.Entry) throws -> UInt64? {
        let path = store.log.catalog.path(entry.first)
        return try SQLiteConnection(path: path, access: .readOnly).integer("PRAGMA page_size")
    }

    @Test("Segments are sealed in the background, and a stop waits for it")
    func background() throws {
        let fixture = try Fixture()
        fixture.options.segmentBytesTarget = 4 << 10
        do {
            let store = try fixture.open()
            var maker = FrameMaker()
            try store.log.append([try maker.start(1)])
            for number in 0..<40 {
                try store.log.append([maker.put("k\(number)", String(repeating: "v", count: 1_000))]
                )
                #expect(store.log.sealing.count <= 2)
            }
            store.close()
            #expect(store.log.sealing.isEmpty)
            let entries = store.log.catalog.entries
            #expect(entries.count > 8)
            #expect(entries.dropLast().allSatisfy { $0.isSealed })
            let verified = try store.log.makeReader().verify().verified
            #expect(verified == store.log.end)
        }
        // What the catalog says is what the disk says.
        let entries = try SegmentCatalog.entries(in: fixture.path + "/segments")
        #expect(entries.dropLast().allSatisfy { $0.isSealed })
    }

    @Test("Large appends get large pages; some in a row of the other kind end a segment")
    func pageSizes() throws {
        let fixture = try Fixture()
        let store = try fixture.open()
        defer { store.close() }
        var maker = FrameMaker()
        let large = String(repeating: "v", count: 600 << 10)
        try store.log.append([try maker.start(1)])
        // A mixture changes nothing.
        for _ in 0..<6 {
            try store.log.append([maker.put("large", large)])
            try store.log.append([maker.put("small", "v")])
        }
        #expect(store.log.catalog.entries.count == 1)
        for _ in 0..<6 { try store.log.append([maker.put("large", large)]) }
        #expect(store.log.catalog.entries.count == 2)
        for _ in 0..<6 { try store.log.append([maker.put("small", "v")]) }
        try store.log.finishSealing()
        let entries = store.log.catalog.entries
        #expect(entries.count == 3)
        let sizes = try entries.map { try pageBytes(store, $0) }
        #expect(sizes == [8_192, 32_768, 8_192])
        let verified = try store.log.makeReader().verify().verified
        #expect(verified == store.log.end)
    }

    /// A start after a crash in the middle of two sealings finds three segments with a WAL.
    @Test("A start seals what a crash left unsealed")
    func severalUnsealed() throws {
        let fixture = try Fixture()
        fixture.options.segmentBytesTarget = 2 << 10
        let end: Position
        do {
            let store = try fixture.open()
            defer { store.close() }
            var maker = FrameMaker()
            try store.log.append([try maker.start(1)])
            for number in 0..<8 {
                try store.log.append([maker.put("k\(number)", String(repeating: "v", count: 1_000))]
                )
            }
            end = store.log.end
        }
        let segments = fixture.path + "/segments"
        let unsealed = try SegmentCatalog.entries(in: segments).dropLast().suffix(2)
        for entry in unsealed { try unseal("\(segments)/\(SegmentCatalog.fileName(entry.first))") }
        let before = try SegmentCatalog.entries(in: segments)
        #expect(before.filter { !$0.isSealed }.count == 3)
        // Tools that look at the store of a crashed node see all of it.
        let inspected = try StoreInspection(directory: fixture.path).log.verify().verified
        #expect(inspected == end)

        let store = try fixture.open()
        defer { store.close() }
        #expect(store.log.end == end)
        #expect(store.log.catalog.entries.dropLast().allSatisfy { $0.isSealed })
        let verified = try store.log.makeReader().verify().verified
        #expect(verified == end)
        var maker = FrameMaker(store.log)
        try store.log.append([maker.put("more", "v")])
    }

    /// Brings a sealed segment into the state in which a crash before its checkpoint leaves it: its
    /// last frame in the WAL only.
    private func unseal(_ path: String) throws {
        let names = ["", "-wal"]
        do {
            let connection = try SQLiteConnection(path: path, access: .readWrite)
            try connection.execute("PRAGMA wal_autocheckpoint = 0")
            try connection.execute(
                """
                CREATE TEMP TABLE kept AS SELECT * FROM frames ORDER BY first DESC LIMIT 1;
                DELETE FROM frames WHERE first IN (SELECT first FROM kept);
                UPDATE meta SET sealed = 0;
                """)
            _ = try connection.checkpoint(.truncate)
            try connection.execute("INSERT INTO frames SELECT * FROM kept")
            // Closing would checkpoint: the state is copied, and put back afterwards.
            for name in names { try copy(path + name, to: path + name + ".copy") }
        }
        for name in names { try Files.rename(path + name + ".copy", to: path + name) }
        try Files.remove(path + "-shm")
    }

    private func copy(_ path: String, to target: String) throws {
        var bytes = [UInt8](repeating: 0, count: Int(Files.size(path)))
        let source = Glibc.open(path, O_RDONLY)
        let sink = Glibc.open(target, O_WRONLY | O_CREAT, 0o600)
        defer {
            Glibc.close(source)
            Glibc.close(sink)
        }
        try #require(read(source, &bytes, bytes.count) == bytes.count)
        try #require(write(sink, bytes, bytes.count) == bytes.count)
    }
}
