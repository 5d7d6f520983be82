import Glibc
import SanadCore
import SanadTestSupport
import Testing

@testable import SanadStore

@Suite("Segment log")
struct SegmentLogTests {
    let fixture: Fixture

    init() throws { fixture = try Fixture() }

    @Test("What was appended is read, byte for byte, after a reopening too")
    func roundTrip() throws {
        var maker = FrameMaker()
        var written = [try maker.start(1)]
        for number in 0..<20 { written.append(maker.put("k\(number)", "{\"n\":\(number)}")) }
        do {
            let store = try fixture.open()
            #expect(store.log.end == .origin)
            #expect(store.log.first == Sequence(1))
            try store.log.append(Array(written[..<5]))
            for frame in written[5...] { try store.log.append([frame]) }
            #expect(store.log.end == maker.end)
            #expect(store.log.endOffset == maker.offset)
            try check(store, written)
        }
        let store = try fixture.open()
        #expect(store.log.end == maker.end)
        #expect(store.log.endOffset == maker.offset)
        #expect(store.log.knownCommitted == written.last?.header.committed)
        try check(store, written)
    }

    private func check(_ store: Store, _ written: [Frame]) throws {
        let reader = store.log.makeReader()
        let read = try reader.read(after: .zero, maximumBytes: 1 << 20)
        #expect(read.map(\.bytes) == written.map(\.bytes))
        #expect(try reader.read(after: .zero, maximumBytes: 1).count == 1)
        #expect(try reader.read(after: store.log.end.sequence, maximumBytes: 1).isEmpty)
        let report = try reader.verify()
        #expect(report.problems.isEmpty)
        #expect(report.frames == written.count)
        #expect(report.verified == store.log.end)
    }

    @Test("Segments are sealed by size and by epoch, and read across")
    func rotation() throws {
        fixture.options.segmentBytesTarget = 2_000
        let store = try fixture.open()
        var maker = FrameMaker()
        var written: [Frame] = []
        for epoch: UInt64 in 1...3 {
            written.append(try maker.start(epoch))
            for number in 0..<20 { written.append(maker.put("k\(number)", "value of \(epoch)")) }
        }
        for frame in written { try store.log.append([frame]) }
        // The last ones are sealed beside the appends.
        try store.log.finishSealing()
        let segments = try store.log.segments()
        #expect(segments.count > 5)
        for segment in segments.dropLast() {
            #expect(segment.isSealed)
            #expect(!Files.exists("\(fixture.path)/segments/\(segment.file)-wal"))
        }
        #expect(segments.last?.isSealed == false)
        #expect(zip(segments, segments.dropFirst()).allSatisfy { $0.last.next == $1.first })
        #expect(Set(segments.map(\.epoch.value)) == [1, 2, 3])
        let reader = store.log.makeReader()
        let read = try reader.read(after: .zero, maximumBytes: 1 << 20)
        #expect(read.map(\.hash) == written.map(\.hash))
        for frame in written {
            #expect(try store.log.boundary(at: frame.header.last) == frame.position)
        }
        try store.log.seal()
        #expect(try store.log.segments().allSatisfy { $0.isSealed })
        try store.log.append([maker.put("after", "sealing")])
        #expect(try reader.verify().verified == maker.end)
    }

    @Test("Epochs in one append are split over segments")
    func epochsInOneAppend() throws {
        let store = try fixture.open()
        var maker = FrameMaker()
        var frames: [Frame] = []
        for epoch: UInt64 in 1...3 {
            frames += [try maker.start(epoch), maker.put("a", "b"), maker.put("c", "d")]
        }
        try store.log.append(frames)
        #expect(try store.log.segments().map(\.first.value) == [1, 4, 7])
        #expect(try store.log.makeReader().verify().verified == maker.end)
    }

    @Test("A boundary inside a frame does not exist; the one before it does")
    func boundaries() throws {
        let store = try fixture.open()
        var maker = FrameMaker()
        let start = try maker.start(1)
        let wide = maker.frame([("a", "1"), ("b", "2"), ("c", "3")])
        try store.log.append([start, wide, maker.put("d", "4")])
        #expect(try store.log.boundary(at: .zero) == .origin)
        #expect(try store.log.boundary(at: Sequence(3)) == nil)
        #expect(try store.log.boundary(atOrBefore: Sequence(3)) == start.position)
        #expect(try store.log.boundary(at: Sequence(4)) == wide.position)
        #expect(try store.log.boundary(atOrBefore: Sequence(99)) == maker.end)
        try expectFailure(.notABoundary) {
            _ = try store.log.makeReader().read(after: Sequence(2), maximumBytes: 1)
        }
    }

    @Test("A frame that is not the next one is refused and changes nothing")
    func wrongFrame() throws {
        let store = try fixture.open()
        var maker = FrameMaker()
        try store.log.append([try maker.start(1)])
        let end = store.log.end
        _ = maker.put("skipped", "1")
        let error = try expectFailure(.notTheNextFrame) {
            try store.log.append([maker.put("a", "1")])
        }
        #expect(!error.isFatal)
        #expect(store.log.end == end)
        var other = FrameMaker(store.log)
        try store.log.append([other.put("b", "1")])
    }

    @Test("Old segments go once the table has them; what is gone says so")
    func retention() throws {
        fixture.options.segmentBytesTarget = 500
        let store = try fixture.open()
        var maker = FrameMaker()
        try store.log.append([try maker.start(1)])
        for number in 0..<30 { try store.log.append([maker.put("k\(number)", "v")]) }
        let reader = store.log.makeReader()
        try store.table.replay(reader)
        let keep = Sequence(20)
        #expect(try store.log.removeSegments(before: keep, durable: .origin).files == 0)
        try store.table.flushAll()
        try blockUntil("the checkpoint") { store.table.durablePosition == store.log.end }
        let durable = store.table.durablePosition
        #expect(try store.log.removeSegments(before: keep, durable: durable).bytes > 0)
        #expect(store.log.first > Sequence(1))
        #expect(store.log.first <= keep)
        try expectFailure(.notHeld) { _ = try reader.read(after: .zero, maximumBytes: 1) }
        let before = Sequence(store.log.first.value - 1)
        #expect(try store.log.boundary(at: before)?.sequence == before)
        #expect(try reader.verify().verified == maker.end)
    }

    @Test("A log begins after a snapshot's position")
    func begin() throws {
        var maker = FrameMaker()
        _ = try maker.start(4)
        let base = maker.end
        let offset = maker.offset
        do {
            let store = try fixture.open()
            try store.log.begin(after: base, offset: offset)
            try store.log.append([maker.put("a", "1")])
        }
        let store = try fixture.open()
        #expect(store.log.first == base.sequence.next)
        #expect(store.log.end == maker.end)
        #expect(try store.log.boundary(at: base.sequence) == base)
    }
}
