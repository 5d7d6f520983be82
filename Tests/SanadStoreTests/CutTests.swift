import SanadCore
import Testing

@testable import SanadStore

@Suite("Cut and quarantine")
struct CutTests {
    let fixture: Fixture

    init() throws {
        fixture = try Fixture()
        fixture.options.segmentBytesTarget = 1_000
    }

    /// Twenty frames of epoch 1 and ten of epoch 2.
    private func fill(_ store: Store) throws -> [Frame] {
        var maker = FrameMaker(store.log)
        var frames = [try maker.start(1)]
        for number in 0..<19 { frames.append(maker.put("a\(number)", "1")) }
        frames.append(try maker.start(2))
        for number in 0..<9 { frames.append(maker.put("b\(number)", "2")) }
        try store.log.append(frames)
        let node = try #require(Fixture.node)
        for index in [0, 20] {
            let start = frames[index].position
            try store.nodeDatabase.append(
                EpochEntry(
                    epoch: start.epoch, node: node,
                    begins: index == 0 ? .origin : frames[index - 1].position, start: start,
                    wallMilliseconds: 1, reason: "test"))
        }
        return frames
    }

    private func check(_ store: Store, _ frames: [Frame], kept: Int) throws {
        let position = kept == 0 ? .origin : frames[kept - 1].position
        #expect(store.log.end == position)
        #expect(store.log.endOffset == (kept == 0 ? 0 : frames[kept - 1].header.logEnd))
        #expect(try store.nodeDatabase.cutPlan() == nil)
        let entries = try store.nodeDatabase.quarantine()
        #expect(entries.count == 1)
        let entry = try #require(entries.first)
        #expect(entry.first == frames[kept].header.first)
        #expect(entry.last == frames.last?.header.last)
        #expect(entry.transactionCount == UInt64(frames.count - kept))
        let cut = try store.log.quarantineReader(entry).read(
            after: .zero, maximumBytes: 1 << 20)
        #expect(cut.map(\.bytes) == frames[kept...].map(\.bytes))
        #expect(entry.bytes == cut.reduce(0) { $0 + UInt64($1.bytes.count) })
        let left = try store.log.makeReader().read(after: .zero, maximumBytes: 1 << 20)
        #expect(left.map(\.bytes) == frames[..<kept].map(\.bytes))
        let epochs = try store.nodeDatabase.history().map(\.epoch.value)
        #expect(epochs == (kept == 0 ? [] : kept <= 20 ? [1] : [1, 2]))
        // The log goes on from the fork in another history.
        var maker = FrameMaker(store.log)
        try store.log.append([try maker.start(9), maker.put("c", "3")])
        #expect(try store.log.makeReader().verify().verified == maker.end)
    }

    @Test("Frames beyond the fork move to quarantine", arguments: [0, 1, 7, 20, 21, 29])
    func cut(_ kept: Int) throws {
        let store = try fixture.open()
        let frames = try fill(store)
        let reader = store.log.makeReader()
        _ = try reader.read(after: .zero, maximumBytes: 1)
        let fork = kept == 0 ? Position.origin : frames[kept - 1].position
        let entry = try store.log.cut(after: fork, reason: "fork", wallMilliseconds: 77)
        #expect(entry == (try store.nodeDatabase.quarantine().first))
        try check(store, frames, kept: kept)
        #expect(try reader.verify().verified == store.log.end)
    }

    @Test("A plan is carried out at the next start", arguments: 0..<4)
    func resume(_ step: Int) throws {
        let frames: [Frame]
        let kept = 7
        do {
            let store = try fixture.open()
            frames = try fill(store)
            let plan = CutPlan(
                position: frames[kept - 1].position, logOffset: frames[kept - 1].header.logEnd,
                wallMilliseconds: 5, file: "test.quarantine", reason: "fork")
            if step < 3 {
                try store.nodeDatabase.begin(plan)
            }
            let directory = fixture.path + "/quarantine"
            if step == 1 {
                // The crash came while the quarantine file was written.
                let partial = try SQLiteConnection(
                    path: directory + "/test.quarantine.part", access: .create)
                try partial.execute("CREATE TABLE frames (first INTEGER PRIMARY KEY)")
            }
            if step == 2 {
                // The crash came after the newest segments had gone.
                try store.log.carryOut(plan)
                try store.nodeDatabase.write { () throws(StoreError) in
                    try store.nodeDatabase.connection.execute("DELETE FROM quarantine")
                }
                try store.nodeDatabase.begin(plan)
            }
            if step == 3 {
                try store.nodeDatabase.begin(plan)
                try store.log.carryOut(plan)
            }
        }
        try check(try fixture.open(), frames, kept: kept)
    }

    @Test("What the record table has applied is not cut")
    func appliedBeyondFork() throws {
        let store = try fixture.open()
        let frames = try fill(store)
        for frame in frames[..<10] { _ = store.table.insert(frame) }
        let error = try expectFailure(.appliedBeyondFork) {
            _ = try store.log.cut(
                after: frames[5].position, reason: "fork", wallMilliseconds: 1)
        }
        #expect(!error.isFatal)
        #expect(store.log.end == frames.last?.position)
        _ = try store.log.cut(after: frames[9].position, reason: "fork", wallMilliseconds: 1)
        #expect(store.log.end == frames[9].position)
    }

    @Test("A position of another history is not a place to cut")
    func foreignPosition() throws {
        let store = try fixture.open()
        let frames = try fill(store)
        var position = frames[5].position
        position.hash.word0 ^= 1
        try expectFailure(.notABoundary) {
            _ = try store.log.cut(after: position, reason: "fork", wallMilliseconds: 1)
        }
        let last = try #require(frames.last)
        #expect(
            try store.log.cut(after: last.position, reason: "fork", wallMilliseconds: 1) == nil)
    }

    @Test("A discarded quarantine file leaves list and disk")
    func discard() throws {
        let store = try fixture.open()
        let frames = try fill(store)
        let entry = try #require(
            try store.log.cut(after: frames[3].position, reason: "fork", wallMilliseconds: 1))
        try store.log.discardQuarantine(entry)
        #expect(try store.nodeDatabase.quarantine().isEmpty)
        #expect(try Files.names(in: fixture.path + "/quarantine").isEmpty)
    }
}
