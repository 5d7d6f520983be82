import Glibc
import SanadCore
import SanadTestSupport
import Testing

@testable import SanadStore

@Suite("Corruption")
struct CorruptionTests {
    let fixture: Fixture

    init() throws { fixture = try Fixture() }

    private func fill() throws -> String {
        fixture.options.segmentBytesTarget = 1_000
        let store = try fixture.open()
        var maker = FrameMaker()
        try store.log.append([try maker.start(1)])
        for number in 0..<20 {
            try store.log.append([maker.put("k\(number)", "value-\(number)-x")])
        }
        try store.log.seal()
        try store.table.replay(store.log.makeReader())
        try store.table.flushAll()
        let segment = try #require(
            try store.log.segments().first { $0.first <= Sequence(5) && $0.last >= Sequence(5) })
        store.close()
        return segment.file
    }

    @Test("A changed bit in a sealed segment is found and named, and never served")
    func sealedSegment() throws {
        let file = try fill()
        // The record with number 3 is in the transaction with sequence 5.
        try flipBit(at: "value-3-x", in: "\(fixture.path)/segments/\(file)")
        let store = try fixture.open()
        let reader = store.log.makeReader()
        #expect(try reader.read(after: Sequence(3), maximumBytes: 1).count == 1)
        let error = try expectFailure(.corrupt) {
            _ = try reader.read(after: Sequence(4), maximumBytes: 1)
        }
        #expect(error.path.hasSuffix(file))
        #expect(error.message.contains("first=5"))
        let report = try reader.verify()
        #expect(report.verified.sequence == Sequence(4))
        #expect(report.problems.map(\.path) == [error.path])
    }

    @Test("A verification names every damaged file, and the last sound frame before the first")
    func severalDamages() throws {
        let file = try fill()
        let names = try Files.names(in: fixture.path + "/segments").filter {
            $0.hasSuffix(".segment")
        }.sorted()
        try flipBit(at: "value-3-x", in: "\(fixture.path)/segments/\(file)")
        // The record with number 15 is in the transaction with sequence 17.
        let later = try #require(
            names.last {
                SegmentCatalog.first(fromFileName: $0).map { $0 <= Sequence(17) } ?? false
            })
        try #require(later != file)
        try flipBit(at: "value-15-x", in: "\(fixture.path)/segments/\(later)")
        let store = try fixture.open()
        let report = try store.log.makeReader().verify()
        #expect(report.verified.sequence == Sequence(4))
        #expect(report.problems.count == 2)
        #expect(report.problems.first?.path.hasSuffix(file) == true)
        #expect(report.problems.last?.path.hasSuffix(later) == true)
        #expect(report.transactions > 10, "what comes after a damaged file is verified too")
    }

    @Test("A changed bit in the tail is found when the store is opened")
    func tail() throws {
        _ = try fill()
        do {
            let store = try fixture.open()
            var maker = FrameMaker(store.log)
            try store.log.append([maker.put("tail", "value-tail-x")])
            try store.log.seal()
        }
        let newest = try #require(try Files.names(in: fixture.path + "/segments").last)
        try flipBit(at: "value-tail-x", in: "\(fixture.path)/segments/\(newest)")
        let error = try expectFailure(.corrupt) { _ = try fixture.open() }
        #expect(error.path.hasSuffix(newest))
    }

    @Test("A changed bit in the record table is found and never served")
    func recordTable() throws {
        _ = try fill()
        do {
            // The WAL has the row too: everything goes to the file first.
            let connection = try SQLiteConnection(
                path: fixture.path + "/records.db", access: .readWrite)
            _ = try connection.checkpoint(.truncate)
        }
        try flipBit(at: "value-7-x", in: fixture.path + "/records.db")
        let store = try fixture.open()
        let reader = try store.table.makeReader()
        #expect(try reader.text("k6") == "value-6-x")
        let error = try expectFailure(.corrupt) { _ = try reader.text("k7") }
        #expect(error.message.contains("k7"))
        try expectFailure(.corrupt) { _ = try reader.dump() }
    }

    @Test("A log that ends before the record table is refused")
    func missingSegment() throws {
        _ = try fill()
        let newest = try #require(try Files.names(in: fixture.path + "/segments").last)
        unlink("\(fixture.path)/segments/\(newest)")
        try expectFailure(.corrupt) { _ = try fixture.open() }
    }
}
