import SanadCore
import SanadTestSupport
import Synchronization
import Testing

@testable import SanadStore

@Suite("Retention")
struct RetentionTests {
    /// Five segments of ten sequences and 100 bytes each; written at 1 s, 2 s, … 5 s.
    private static let segments = (0..<5).map { (number: UInt64) -> SegmentInfo in
        let first = number * 10 + 1
        return SegmentInfo(
            file: "", first: Sequence(first), last: Sequence(first + 9), epoch: Epoch(1),
            bytes: 100, isSealed: number < 4,
            lastWallMilliseconds: (number + 1) * 1_000)
    }

    struct Case: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var age: UInt64 = 0
        var cap = UInt64.max
        var floor: UInt64 = 0
        var standby: UInt64?
        var durable: UInt64 = 50
        var now: UInt64 = 10
        var free: UInt64 = 1_000
        var keepFrom: UInt64
        var isLeftBehind = false
        var untilLost: UInt64?
    }

    static let cases = [
        Case(testDescription: "nothing asks for anything", keepFrom: 41),
        Case(testDescription: "the table has not taken it over", durable: 19, keepFrom: 11),
        Case(testDescription: "young log stays", age: 7, keepFrom: 31),
        Case(testDescription: "all of it is young", age: 60, keepFrom: 1),
        Case(testDescription: "a clock that went back", age: 1, now: 0, keepFrom: 1),
        Case(testDescription: "the standby needs a part", standby: 21, keepFrom: 21),
        Case(testDescription: "the standby is inside a segment", standby: 25, keepFrom: 21),
        Case(testDescription: "the standby has all", standby: 51, keepFrom: 41),
        Case(
            testDescription: "the cap is above what it needs", cap: 450, standby: 11,
            keepFrom: 11, untilLost: 50),
        Case(
            testDescription: "the cap takes what it needs", cap: 300, standby: 11, keepFrom: 21,
            isLeftBehind: true, untilLost: 0),
        Case(testDescription: "the cap takes young log", age: 60, cap: 250, keepFrom: 31),
        Case(
            testDescription: "the cap does not take the newest, nor what the table lacks",
            cap: 10, standby: 1, durable: 29, keepFrom: 21, isLeftBehind: true, untilLost: 0),
        Case(testDescription: "the cap leaves the newest", cap: 10, keepFrom: 41),
        Case(
            testDescription: "a full disk takes as much as is wanting", age: 60, floor: 1_150,
            standby: 1, keepFrom: 21, isLeftBehind: true, untilLost: 0),
        Case(
            testDescription: "a disk with just enough", age: 60, floor: 1_000, standby: 11,
            keepFrom: 1, untilLost: 100),
        Case(
            testDescription: "a standby that was left behind before", standby: 0, keepFrom: 1,
            isLeftBehind: true, untilLost: 0),
    ]

    @Test("The policy decides by the table", arguments: cases)
    func decide(_ wanted: Case) {
        let policy = RetentionPolicy(
            minimumAge: .seconds(wanted.age), maximumBytes: wanted.cap,
            freeBytesFloor: wanted.floor)
        let standby = wanted.standby.map { Sequence($0) }
        let decision = policy.decide(
            segments: Self.segments, standbyNeeds: standby,
            tableDurable: Sequence(wanted.durable), nowWallMilliseconds: wanted.now * 1_000,
            freeBytes: wanted.free)
        #expect(decision.keepFrom == Sequence(wanted.keepFrom))
        #expect(decision.isStandbyLeftBehind == wanted.isLeftBehind)
        if let untilLost = wanted.untilLost, let standby {
            #expect(
                policy.bytesUntilLost(
                    segments: Self.segments, standbyNeeds: standby, freeBytes: wanted.free)
                    == untilLost)
        }
    }

    @Test("Without a segment there is nothing to decide")
    func empty() {
        let policy = RetentionPolicy(minimumAge: .zero, maximumBytes: 0, freeBytesFloor: .max)
        let decision = policy.decide(
            segments: [], standbyNeeds: nil, tableDurable: .zero, nowWallMilliseconds: 0,
            freeBytes: 0)
        #expect(!decision.isStandbyLeftBehind && decision.keepFrom == .zero)
    }

    @Test("Segments know when they were written, sealed ones without being read again")
    func wallClock() throws {
        let fixture = try Fixture()
        fixture.options.segmentBytesTarget = 500
        let store = try fixture.open()
        var maker = FrameMaker()
        try store.log.append([try maker.start(1)])
        for number in 0..<20 { try store.log.append([maker.put("k\(number)", "v")]) }
        let infos = try store.log.segments()
        #expect(infos.count > 3)
        #expect(infos.allSatisfy { $0.lastWallMilliseconds == 1_000 })
        #expect(try store.log.segments() == infos)
        let last = try #require(infos.last)
        try store.log.append([maker.put("more", "v")])
        #expect(try store.log.segments().last?.last == last.last.next)
        // A cut makes a sealed segment grow again.
        let fork = try #require(try store.log.boundary(at: infos[1].first))
        _ = try store.log.cut(after: fork, reason: "", wallMilliseconds: 1)
        #expect(try store.log.segments().map(\.last) == [infos[0].last, fork.sequence])
        #expect(try store.freeBytes() > 0)
    }

    @Test("A reader in the middle of a removed segment is told so, and gets no garbage")
    func reader() throws {
        let fixture = try Fixture()
        fixture.options.segmentBytesTarget = 500
        let store = try fixture.open()
        var maker = FrameMaker()
        var written = [try maker.start(1)]
        for number in 0..<60 { written.append(maker.put("k\(number)", "v")) }
        for frame in written { try store.log.append([frame]) }
        try store.table.replay(store.log.makeReader())
        try store.table.flushAll()
        try blockUntil("the checkpoint") { store.table.durablePosition == store.log.end }
        let reader = store.log.makeReader()
        #expect(try reader.read(after: Sequence(1), maximumBytes: 1).count == 1)
        let before = try store.log.segments().reduce(0) { $0 + $1.bytes }
        let removed = try store.log.removeSegments(
            before: Sequence(40), durable: store.table.durablePosition)
        #expect(removed.bytes == before - (try store.log.segments().reduce(0) { $0 + $1.bytes }))
        try expectFailure(.notHeld) { _ = try reader.read(after: Sequence(2), maximumBytes: 1) }
        let left = try reader.read(
            after: Sequence(store.log.first.value - 1), maximumBytes: 1 << 20)
        #expect(left.map(\.bytes) == written.suffix(left.count).map(\.bytes))
        // What the records say of the time before is compared with their own checksums only.
        let report = try StoreInspection(directory: fixture.path).verifyRecords { _ in true }
        #expect(report.problem == nil)
        #expect(report.records == 60 && report.beforeLog > 0)
    }
}
