import SanadCore
import Testing

@testable import SanadStore

@Suite("The N-th write fails", .serialized)
struct FaultTests {
    /// Opens a store, fills it, seals, cuts and flushes; the disk breaks somewhere on the way.
    ///
    /// - Returns: what was acknowledged before it broke.
    private func work(_ path: String, _ options: StoreOptions) -> Position {
        var acknowledged = Position.origin
        do {
            let store = try Fixture.open(path, options)
            defer { store.close() }
            acknowledged = store.log.end
            var maker = FrameMaker(store.log)
            let start = try maker.start(1)
            try store.log.append([start])
            acknowledged = store.log.end
            _ = store.table.insert(start)
            for number in 0..<12 {
                let frame = maker.frame((0..<3).map { ("k\(number + $0)", "value \(number)") })
                do throws(StoreError) {
                    try store.log.append([frame])
                } catch {
                    #expect(error.isFatal)
                    // A poisoned log stays so, even on a disk that works again.
                    FaultyFileSystem.disarm()
                    try expectFailure(.poisoned) { try store.log.append([frame]) }
                    throw error
                }
                acknowledged = store.log.end
                _ = store.table.insert(frame)
            }
            try store.log.seal()
        } catch {
            // The point of the exercise: what counts is what the next start finds.
        }
        return acknowledged
    }

    @Test("The next start finds everything acknowledged", arguments: [false, true])
    func everyWrite(_ tearing: Bool) throws {
        try #require(FaultyFileSystem.registered)
        var calls = 0
        var hits = 0
        while true {
            let fixture = try Fixture(inMemory: true)
            fixture.options.segmentBytesTarget = 1_200
            fixture.options.segmentCheckpointBytes = 12 << 10
            fixture.options.vfs = FaultyFileSystem.name
            FaultyFileSystem.arm(after: calls, tearing: tearing)
            let acknowledged = work(fixture.path, fixture.options)
            let failed = FaultyFileSystem.disarm()
            let store = try fixture.open()
            defer { store.close() }
            #expect(store.log.end.sequence >= acknowledged.sequence, "after \(calls) calls")
            #expect(
                try store.log.boundary(at: acknowledged.sequence) == acknowledged,
                "after \(calls) calls")
            let reader = store.log.makeReader()
            let report = try reader.verify()
            #expect(report.problems.isEmpty)
            try store.table.replay(reader)
            try store.table.flushAll()
            var maker = FrameMaker(store.log)
            try store.log.append([try maker.start(maker.end.epoch.next.value)])
            if failed == 0, acknowledged.sequence > Sequence(30) { break }
            hits += failed > 0 ? 1 : 0
            calls += 1
        }
        #expect(hits > 50, "the faults must have hit something")
    }

    @Test("A cut that a broken disk interrupts is finished at the next start")
    func everyWriteOfACut() throws {
        try #require(FaultyFileSystem.registered)
        var calls = 0
        while true {
            let fixture = try Fixture(inMemory: true)
            fixture.options.segmentBytesTarget = 600
            fixture.options.vfs = FaultyFileSystem.name
            var frames: [Frame] = []
            var isDone = false
            do {
                let store = try fixture.open()
                defer { store.close() }
                var maker = FrameMaker()
                frames = [try maker.start(1)]
                for number in 0..<10 { frames.append(maker.put("k\(number)", "v")) }
                try store.log.append(frames)
                FaultyFileSystem.arm(after: calls, tearing: true)
                defer { FaultyFileSystem.disarm() }
                let entry = try? store.log.cut(
                    after: frames[4].position, reason: "fork", wallMilliseconds: 3)
                isDone = entry != nil
            }
            let store = try fixture.open()
            defer { store.close() }
            let entries = try store.nodeDatabase.quarantine()
            if store.log.end == frames[4].position {
                // Carried out: everything beyond is in quarantine.
                let entry = try #require(entries.first)
                let kept = try store.log.quarantineReader(entry).read(
                    after: .zero, maximumBytes: 1 << 20)
                #expect(kept.map(\.bytes) == frames[5...].map(\.bytes))
            } else {
                // Not begun: nothing is gone.
                #expect(store.log.end == frames.last?.position)
                #expect(entries.isEmpty)
                #expect(!isDone)
            }
            #expect(try store.log.makeReader().verify().problems.isEmpty)
            if isDone { break }
            calls += 1
        }
        #expect(calls > 10)
    }
}
