import SanadCore
import SanadTestSupport
import Synchronization
import Testing

@testable import SanadStore

@Suite("Record table")
struct RecordTableTests {
    let fixture: Fixture

    init() throws { fixture = try Fixture() }

    @Test("Memory knows the newest version, and deletions")
    func memory() throws {
        let store = try fixture.open()
        defer { store.close() }
        let table = store.table
        var maker = FrameMaker()
        #expect(table.insert(try maker.start(1)))
        #expect(table.applied == Sequence(1))
        #expect(table.lookup("a") == .unknown)
        #expect(table.insert(maker.frame([("a", "1"), ("b", "2"), ("a", "3")])))
        #expect(table.lookup("a") == .value(bytes("3"), Sequence(4)))
        #expect(table.lookup("b") == .value(bytes("2"), Sequence(3)))
        #expect(table.insert(maker.frame([("b", nil)])))
        #expect(table.lookup("b") == .deleted)
        #expect(try table.sequence("b") == nil)
        #expect(try table.sequence("a") == Sequence(4))
        #expect(try table.sequence("c") == nil)
    }

    @Test("A collection and a key are not confused with others of the same bytes")
    func names() throws {
        let store = try fixture.open()
        defer { store.close() }
        let table = store.table
        var maker = FrameMaker()
        _ = table.insert(try maker.start(1))
        var encoder = FrameEncoder(
            after: maker.end, epoch: Epoch(1), committed: .zero, logOffset: maker.offset,
            wallMilliseconds: 0)
        var transaction = TransactionBytes()
        transaction.append(.put, collection: "ab", key: "c", value: "1")
        transaction.append(.put, collection: "a", key: "bc", value: "2")
        transaction.append(.put, collection: "a-b", key: "c", value: "3")
        _ = encoder.append(transaction)
        _ = table.insert(encoder.finish())
        let reader = try table.makeReader()
        for _ in 0..<2 {
            #expect(try reader.get(collection: bytes("ab"), key: bytes("c"))?.value == bytes("1"))
            #expect(try reader.get(collection: bytes("a"), key: bytes("bc"))?.value == bytes("2"))
            #expect(try reader.list(collection: bytes("a")).map(\.key) == [bytes("bc")])
            var names: [String] = []
            try reader.export { record in
                names.append(String(decoding: record.collection, as: UTF8.self))
                return true
            }
            #expect(names == ["a", "a-b", "ab"])
            try table.flushAll()
        }
    }

    @Test("A flush keeps what it had, and the position in the same transaction")
    func flush() throws {
        var maker = FrameMaker()
        do {
            let store = try fixture.open()
            defer { store.close() }
            var frames = [try maker.start(1)]
            for number in 0..<500 { frames.append(maker.put("k\(number % 100)", "v\(number)")) }
            frames.append(maker.frame([("k7", nil), ("k8", nil)]))
            try store.log.append(frames)
            for frame in frames { #expect(store.table.insert(frame)) }
            try store.table.flushAll()
            #expect(store.table.lookup("k1") == .unknown)
            let reader = try store.table.makeReader()
            #expect(try reader.text("k1") == "v401")
            #expect(try reader.text("k7") == nil)
            #expect(try store.table.sequence("k1") == Sequence(403))
            #expect(try reader.count() == 98)
        }
        let store = try fixture.open()
        #expect(store.table.appliedPosition == maker.end)
        #expect(try store.table.makeReader().count() == 98)
    }

    @Test("What was not flushed is replayed from the log")
    func replay() throws {
        do {
            let store = try fixture.open()
            var maker = FrameMaker()
            let first = [try maker.start(1), maker.put("a", "1"), maker.put("b", "1")]
            try store.log.append(first)
            for frame in first { #expect(store.table.insert(frame)) }
            try store.table.flushAll()
            try store.log.append([maker.put("a", "2"), maker.frame([("b", nil)])])
        }
        let store = try fixture.open()
        #expect(store.table.applied == Sequence(3))
        try store.table.replay(store.log.makeReader())
        #expect(store.table.appliedPosition == store.log.end)
        let reader = try store.table.makeReader()
        #expect(try reader.dump() == ["a=2"])
    }

    @Test("A list merges memory and table in key order", arguments: [1, 2, 3, 7, 100])
    func list(_ limit: Int) throws {
        let store = try fixture.open()
        defer { store.close() }
        let table = store.table
        var maker = FrameMaker()
        var generator = SeededGenerator(state: UInt64(limit))
        var model: [String: String] = [:]
        _ = table.insert(try maker.start(1))
        let reader = try table.makeReader()
        for round in 0..<12 {
            for _ in 0..<40 {
                let key = "k" + String(Int.random(in: 0..<80, using: &generator))
                let value: String? = Bool.random(using: &generator) ? "v\(round)" : nil
                model[key] = value
                _ = table.insert(maker.frame([(key, value)]))
            }
            if round % 3 == 0 { try table.flushAll() }
            let prefix = ["", "k1", "k", "z"][round % 4]
            let expected = model.filter { $0.key.hasPrefix(prefix) }.sorted {
                $0.key.utf8.lexicographicallyPrecedes($1.key.utf8)
            }
            var listed: [ListedRecord] = []
            while true {
                let page = try reader.list(
                    collection: bytes("pupils"), prefix: bytes(prefix), after: listed.last?.key,
                    limit: limit)
                listed += page
                if page.count < limit { break }
            }
            #expect(listed.map(\.key) == expected.map { bytes($0.key) })
            #expect(listed.map(\.value) == expected.map { bytes($0.value) })
            let all = model.map { "\($0.key)=\($0.value)" }
            #expect(try reader.dump().sorted() == all.sorted())
        }
    }

    @Test("An export is of one position, whatever is written and flushed meanwhile")
    func exportWhileWriting() throws {
        fixture.options.memtableBytes = 1 << 20
        let store = try fixture.open()
        defer { store.close() }
        let table = store.table
        var maker = FrameMaker()
        _ = table.insert(try maker.start(1))
        // Each frame sets all keys to one value, so that a mixture shows.
        func round(_ number: Int) -> Frame {
            maker.frame((0..<50).map { ("k\($0)", "v\(number)") })
        }
        let first = round(0)
        #expect(table.insert(first))
        let reader = try table.makeReader()
        for number in 1..<200 {
            let frame = round(number)
            try blockUntil("room") { table.insert(frame) }
            if number % 5 == 0 { table.requestFlush() }
            var seen: Set<[UInt8]> = []
            var count = 0
            let position = try reader.export { record in
                seen.insert([UInt8](record.value))
                count += 1
                if count == 10, table.applied == frame.header.last {
                    // It may be refused; then the next round makes it anew.
                    var ahead = maker
                    if table.insert(ahead.put("k0", "later")) { maker = ahead }
                }
                return true
            }
            #expect(count == 50)
            #expect(seen == [bytes("v\(number)")])
            #expect(position == frame.position)
        }
    }

    @Test("A snapshot that is held too long ends with an error")
    func snapshotExpires() throws {
        fixture.options.readTransactionMaximum = .zero
        let store = try fixture.open()
        defer { store.close() }
        let table = store.table
        var maker = FrameMaker()
        _ = table.insert(try maker.start(1))
        _ = table.insert(maker.frame((0..<600).map { ("k\($0)", "v") }))
        try table.flushAll()
        let reader = try table.makeReader()
        try expectFailure(.snapshotExpired) { _ = try reader.count() }
    }

    @Test("Full memory refuses frames, and says when there is room")
    func room() throws {
        fixture.options.memtableBytes = 3 << 20
        let store = try fixture.open()
        defer { store.close() }
        let table = store.table
        let box = Box()
        table.setRoomAvailable { box.flag.store(true, ordering: .releasing) }
        var maker = FrameMaker()
        _ = table.insert(try maker.start(1))
        let value = String(repeating: "x", count: 200_000)
        var refused = 0
        for number in 0..<400 {
            let frame = maker.put("k\(number)", value)
            if table.insert(frame) { continue }
            refused += 1
            try blockUntil("the call") { box.flag.exchange(false, ordering: .acquiring) }
            try blockUntil("room") { table.insert(frame) }
        }
        #expect(refused > 0)
        #expect(try table.makeReader().count() == 400)
    }
}

/// Lets a callback reach an atomic value.
private final class Box: Sendable {
    let flag = Atomic(false)
}
