import SanadCore
import SanadTestSupport
import Synchronization
import Testing

@testable import SanadStore

@Suite("The scrubber", .timeLimit(.minutes(2)))
struct ScrubberTests {
    let fixture: Fixture

    init() throws { fixture = try Fixture() }

    /// What a scrubber has told.
    private final class Findings: Sendable {
        private let errors = Mutex<[StoreError]>([])
        var all: [StoreError] { errors.withLock { $0 } }
        func add(_ error: StoreError) { errors.withLock { $0.append(error) } }
    }

    private func fill(_ store: Store) throws {
        var maker = FrameMaker(store.log)
        if store.log.end == .origin { try store.log.append([try maker.start(1)]) }
        for number in 0..<20 {
            try store.log.append([maker.put("k\(number)", "value-\(number)-x")])
        }
        try store.log.seal()
        try blockUntil("the sealing") { try store.log.segments().dropLast().allSatisfy(\.isSealed) }
    }

    private func open() throws -> Store {
        fixture.options.segmentBytesTarget = 1_000
        return try fixture.open()
    }

    private func damage(_ marker: String, _ store: Store, at sequence: UInt64) throws -> String {
        let segment = try #require(
            try store.log.segments().first {
                $0.first <= Sequence(sequence) && $0.last >= Sequence(sequence)
            })
        try flipBit(at: marker, in: "\(fixture.path)/segments/\(segment.file)")
        return segment.file
    }

    private func pace(interval: Span = .milliseconds(1)) -> LogScrubber.Pace {
        var pace = LogScrubber.Pace()
        pace.bytesPerSecond = 1 << 30
        pace.interval = interval
        return pace
    }

    @Test("A sound log is read again and again, across all sealed segments")
    func sound() throws {
        let store = try open()
        try fill(store)
        let findings = Findings()
        let scrubber = LogScrubber(log: store.log, pace: pace())
        try scrubber.start { findings.add($0) }
        try blockUntil("a pass") { scrubber.progress.lastPassUnixSeconds != nil }
        let once = scrubber.progress.bytes
        #expect(once > 1_000)
        try blockUntil("another") { scrubber.progress.bytes >= 2 * once }
        // The log grows, is cut and is trimmed while it is read.
        try fill(store)
        let fork = try #require(try store.log.boundary(at: Sequence(30)))
        _ = try store.log.cut(after: fork, reason: "test", wallMilliseconds: 1)
        try fill(store)
        try store.table.replay(store.log.makeReader())
        try store.table.flushAll()
        _ = try store.log.removeSegments(
            before: Sequence(10), durable: store.table.flushedPosition)
        let before = scrubber.progress.bytes
        try blockUntil("a pass over the new log") { scrubber.progress.bytes > before + 5_000 }
        scrubber.stop()
        #expect(findings.all.isEmpty, "\(findings.all)")
        store.close()
    }

    @Test("A bit that flips while the node runs is found by the next pass, and named, once")
    func damage() throws {
        let store = try open()
        try fill(store)
        let findings = Findings()
        let scrubber = LogScrubber(log: store.log, pace: pace())
        try scrubber.start { findings.add($0) }
        try blockUntil("a pass") { scrubber.progress.lastPassUnixSeconds != nil }
        let file = try damage("value-3-x", store, at: 5)
        try blockUntil("the damage") { !findings.all.isEmpty }
        scrubber.stop()
        #expect(findings.all.count == 1)
        #expect(findings.all.first?.code == .corrupt)
        #expect(findings.all.first?.path.hasSuffix(file) == true)
        store.close()
    }

    @Test("It stops at once, in the middle of a pass and between two")
    func stops() throws {
        let store = try open()
        try fill(store)
        var slow = pace(interval: .seconds(3_600))
        slow.bytesPerSecond = 1
        for pace in [slow, pace(interval: .seconds(3_600))] {
            let scrubber = LogScrubber(log: store.log, pace: pace)
            try scrubber.start { _ in }
            try blockUntil("it has begun") { scrubber.progress.bytes > 0 }
            scrubber.stop()
        }
        store.close()
    }
}
