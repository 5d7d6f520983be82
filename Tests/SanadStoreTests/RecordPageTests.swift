import SanadCore
import SanadTestSupport
import Testing

@testable import SanadStore

@Suite("Pages of rows")
struct RecordPageTests {
    private static let position = Position(
        epoch: Epoch(2), sequence: Sequence(9),
        hash: ChainHash(word0: 1, word1: 2, word2: 3, word3: 4))

    private func page(
        _ kind: RecordPage.Kind = .range, after: String = "", isLast: Bool = false,
        rows: [(name: String, sequence: UInt64, value: String?)]
    ) -> [UInt8] {
        var builder = RecordPageBuilder(kind, after: bytes(after), capacity: 0)
        for row in rows {
            bytes(row.name).withUnsafeBytes { name in
                guard let text = row.value else {
                    return builder.append(name: name, sequence: 0, checksum: 0, value: nil)
                }
                bytes(text).withUnsafeBytes { value in
                    builder.append(
                        name: name, sequence: row.sequence,
                        checksum: RowChecksum.of(name, row.sequence, value), value: value)
                }
            }
        }
        return builder.finish(position: Self.position, isLast: isLast)
    }

    private func failure(_ bytes: [UInt8]) -> RecordPageError? {
        do throws(RecordPageError) {
            _ = try RecordPage(decoding: bytes)
            return nil
        } catch {
            return error
        }
    }

    @Test("What was built is read")
    func roundTrip() throws {
        let made = page(after: "c\ta", isLast: true, rows: [("c\tb", 1, "x"), ("~once\tb", 9, "")])
        let read = try RecordPage(decoding: made)
        #expect(read.kind == .range && read.isLast && read.rowCount == 2)
        #expect(read.position == Self.position)
        #expect(read.after == bytes("c\ta") && read.lastName == bytes("~once\tb"))
        #expect(read.names().map(\.description) == ["c/b", "~once/b"])
        var values: [[UInt8]?] = []
        try read.forEachRow { row throws(StoreError) in values.append(row.value.map { [UInt8]($0) })
        }
        #expect(values == [bytes("x"), []])
        let answer = try RecordPage(
            decoding: page(.names, rows: [("c\tb", 3, "x"), ("c\tc", 0, nil)]))
        #expect(answer.names().count == 2 && answer.after == nil)
        #expect(try RecordPage(decoding: page(isLast: true, rows: [])).lastName == nil)
    }

    @Test("The bytes are the documented ones")
    func pinned() {
        let made = page(after: "c\ta", isLast: true, rows: [("c\tb", 5, "{}")])
        #expect(
            Array(made[..<16]) == [
                0x53, 0x4E, 0x50, 0x31, 1, 1, 1, 0, 1, 0, 0, 0, 3, 0, 0, 0,
            ])
        #expect(
            Array(made[16..<40]) == [
                2, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
            ])
        #expect(Array(made[64..<67]) == bytes("c\ta"))
        #expect(Array(made[67..<83]) == [3, 0, 1, 0, 2, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0])
        #expect(Array(made[91...]) == bytes("c\tb{}"))
    }

    @Test("Every truncation and every changed bit is found or harmless")
    func damage() {
        let made = page(after: "c\ta", rows: [("c\tb", 5, "{}"), ("c\td", 6, "[1]")])
        for length in 0..<made.count {
            #expect(failure(Array(made[..<length])) != nil, "the first \(length) bytes")
        }
        #expect(failure(made + [0]) == .malformedHeader)
        for bit in 0..<(made.count * 8) {
            var changed = made
            changed[bit / 8] ^= 1 << (bit % 8)
            // Whether it is the last page, the position's epoch and hash, a larger sequence of
            // the position, and the name to go on after are not covered by a row's checksum.
            let isHeader = bit / 8 == 6 || (16..<67).contains(bit / 8)
            #expect(failure(changed) != nil || isHeader, "bit \(bit)")
        }
    }

    @Test("What a page must not hold")
    func refusals() {
        #expect(failure(page(rows: [])) == .malformedHeader)
        #expect(failure(page(.names, isLast: true, rows: [])) == .malformedHeader)
        #expect(failure(page(.names, after: "c\ta", rows: [])) == .malformedHeader)
        #expect(failure(page(after: "nothing", rows: [("c\tb", 1, "")])) == .malformedHeader)
        #expect(failure(page(rows: [("c\tb", 1, ""), ("c\tb", 2, "")])) == .namesNotAscending(1))
        #expect(failure(page(after: "c\tb", rows: [("c\tb", 1, "")])) == .namesNotAscending(0))
        #expect(failure(page(rows: [("c\tb", 10, "")])) == .malformedRow(0))
        #expect(failure(page(rows: [("c\tb", 0, "")])) == .malformedRow(0))
        #expect(failure(page(rows: [("c\tb", 0, nil)])) == .malformedRow(0))
        for name in ["c", "c\t", "\tk", "C\tk", "c\tk\u{1}", "c\tk\tk", "~\tk"] {
            #expect(failure(page(rows: [(name, 1, "")])) == .malformedRow(0), "\(name)")
        }
        #expect(failure([UInt8](repeating: 0, count: 9 << 20)) == .tooLarge)
        #expect(failure([UInt8](repeating: 0, count: 64)) == .badMagic)
    }

    @Test("Rows of many names are of one position, whatever is flushed meanwhile")
    func manyRows() throws {
        let fixture = try Fixture()
        let store = try fixture.open()
        defer { store.close() }
        var maker = FrameMaker()
        _ = store.table.insert(try maker.start(1))
        let keys = (0..<1_000).map { "k\($0)" }.sorted()
        let names = try (keys + ["none"]).shuffled().map {
            try #require(RecordName(bytes: bytes("pupils\t\($0)")))
        }
        let reader = try store.table.makeSnapshotReader()
        for round in 0..<8 {
            // All keys in one frame, so that rows of two positions show.
            let frame = maker.frame(keys.map { ($0, "v\(round)") })
            try blockUntil("room") { store.table.insert(frame) }
            store.table.requestFlush()
            var isFlushed = false
            repeat {
                isFlushed = store.table.flushedPosition == frame.position
                let page = try reader.rows(names: names)
                #expect(
                    page.names().map(\.bytes)
                        == names.map(\.bytes).sorted { $0.lexicographicallyPrecedes($1) })
                var values: Set<[UInt8]?> = []
                try page.forEachRow { values.insert($0.value.map { [UInt8]($0) }) }
                #expect(values.count == (page.position.sequence.value < 2 ? 1 : 2))
                if page.position == frame.position { #expect(values.contains(bytes("v\(round)"))) }
            } while !isFlushed
        }
    }

    @Test("What was read as of two positions is no page")
    func twoPositions() throws {
        let fixture = try Fixture()
        let store = try fixture.open()
        defer { store.close() }
        let readers = try RowReaders(path: fixture.path + "/records.db", options: fixture.options)
        let names = [bytes("c\ta"), bytes("c\tb")]
        func joined(_ sequences: [UInt64]) throws -> RecordPage? {
            let pages = try zip(names, sequences).map { name, sequence in
                var builder = RecordPageBuilder(.names, after: [], capacity: 256)
                name.withUnsafeBytes {
                    builder.append(name: $0, sequence: 0, checksum: 0, value: nil)
                }
                let position = Position(
                    epoch: Epoch(1), sequence: Sequence(sequence), hash: Position.origin.hash)
                return try RecordPage(
                    decoding: builder.finish(position: position, isLast: false))
            }
            return try readers.joined(
                names.map { [$0] },
                Dictionary(uniqueKeysWithValues: pages.enumerated().map { ($0, .success($1)) }))
        }
        #expect(try joined([7, 7])?.names().map(\.bytes) == names)
        #expect(try joined([7, 8]) == nil)
        #expect(try joined([7]) == nil, "a thread could not be started")
    }

    @Test("Rows that do not fit a page are left to the next one")
    func fullPages() throws {
        let fixture = try Fixture()
        let store = try fixture.open()
        defer { store.close() }
        var maker = FrameMaker()
        _ = store.table.insert(try maker.start(1))
        var names: [RecordName] = []
        for number in 0..<40 {
            let isLarge = number % 5 == 4 || number >= 35
            let value = String(repeating: "1", count: isLarge ? Limits.valueBytesMaximum : 1)
            let frame = maker.put("k\(10 + number)", value)
            try blockUntil("room") { store.table.insert(frame) }
            names.append(try #require(RecordName(bytes: bytes("pupils\tk\(10 + number)"))))
        }
        try store.table.flushAll()
        let reader = try store.table.makeSnapshotReader()
        // Each share fits, and together they do not: up to the fourth large row.
        let page = try reader.rows(names: Array(names.prefix(35)))
        #expect(page.names() == Array(names.prefix(20)))
        // These would fit together, were it not for shares that are cut short.
        let few = Array(names[30...])
        #expect(try reader.rows(names: few).names() == Array(few.prefix(8)))
    }

    @Test("A damaged row of the primary is not sent")
    func damagedRow() throws {
        let fixture = try Fixture()
        let store = try fixture.open()
        var maker = FrameMaker()
        _ = store.table.insert(try maker.start(1))
        _ = store.table.insert(maker.put("a", "1"))
        try store.table.flushAll()
        store.close()
        let connection = try SQLiteConnection(
            path: fixture.path + "/records.db", access: .readWrite)
        for table in ["records"] + RunTables.waiting {
            try connection.execute("UPDATE \(table) SET value = x'32'")
        }
        let reader = try store.table.makeSnapshotReader()
        try expectFailure(.corrupt) { _ = try reader.page(after: nil) }
        try expectFailure(.corrupt) {
            _ = try reader.rows(names: [try #require(RecordName(bytes: bytes("pupils\ta")))])
        }
    }
}
