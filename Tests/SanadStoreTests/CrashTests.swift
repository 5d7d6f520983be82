import Glibc
import SanadCore
import Testing

@testable import SanadStore

@Suite("kill -9")
struct CrashTests {
    /// Small files and short waits, so that each round crosses many boundaries.
    static var options: StoreOptions {
        var options = StoreOptions()
        options.segmentBytesTarget = 48 << 10
        options.segmentCheckpointBytes = 24 << 10
        // Both page sizes, and changes from one to the other.
        options.segmentLargeAppendBytes = 6 << 10
        options.segmentSmallAppendBytes = 3 << 10
        options.memtableBytes = 256 << 10
        options.flushIdle = .milliseconds(2)
        return options
    }

    @Test("Everything acknowledged survives 25 kills at random moments", .timeLimit(.minutes(3)))
    func rounds() async throws {
        let fixture = try Fixture()
        let (path, acknowledged) = (fixture.path, fixture.directory + "/acknowledged")
        for round: UInt64 in 1...25 {
            await #expect(processExitsWith: .signal(SIGKILL)) {
                [
                    path = path as String, acknowledged = acknowledged as String,
                    round = round as UInt64
                ] in
                try CrashWriter.run(path, acknowledged, seed: round)
            }
            try verify(path, acknowledged)
        }
        // Rounds that wrote nothing would show nothing.
        #expect(try CrashWriter.lastAcknowledged(acknowledged) > Sequence(50))
    }

    private func verify(_ path: String, _ acknowledged: String) throws {
        let store = try Fixture.open(path, Self.options)
        defer { store.close() }
        let told = try CrashWriter.lastAcknowledged(acknowledged)
        #expect(store.log.end.sequence >= told)
        #expect(store.table.applied <= store.log.end.sequence)
        let reader = store.log.makeReader()
        let report = try reader.verify()
        #expect(report.problems.isEmpty)
        #expect(report.verified == store.log.end)
        try store.table.replay(reader)
        var model: [String: String] = [:]
        var next = Sequence.zero
        while case let frames = try reader.read(after: next, maximumBytes: 1 << 20),
            let last = frames.last
        {
            for frame in frames {
                frame.forEachMutation { _, mutation in
                    let key = String(decoding: mutation.key, as: UTF8.self)
                    model[key] =
                        mutation.operation == .put
                        ? String(decoding: mutation.value, as: UTF8.self) : nil
                }
            }
            next = last.header.last
        }
        let expected = model.map { "\($0.key)=\($0.value)" }.sorted()
        #expect(try store.table.makeReader().dump().sorted() == expected)
    }
}

/// The child's side: writes until it is killed, and tells what it was promised.
enum CrashWriter {
    static func run(_ path: String, _ acknowledged: String, seed: UInt64) throws {
        var generator = SeededGenerator(state: seed)
        let microseconds = UInt32.random(in: 500...60_000, using: &generator)
        let store = try Fixture.open(path, CrashTests.options)
        let descriptor = Glibc.open(acknowledged, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        try #require(descriptor >= 0)
        try store.table.replay(store.log.makeReader())
        _ = try WorkerThread(niceness: 0) {
            usleep(microseconds)
            kill(getpid(), SIGKILL)
        }
        var maker = FrameMaker(store.log)
        try append([try maker.start(maker.end.epoch.next.value)], store, descriptor)
        while true {
            var frames: [Frame] = []
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                let count = Int.random(in: 1...8, using: &generator)
                frames.append(
                    maker.frame(
                        (0..<count).map { _ in
                            let key = "k\(generator.next() % 200)"
                            let size = Int(generator.next() % 900)
                            let isDeletion = generator.next() % 6 == 0
                            return (
                                key, isDeletion ? nil : String(repeating: "v", count: size)
                            )
                        }))
            }
            try append(frames, store, descriptor)
            if generator.next() % 50 == 0 { try store.log.seal() }
        }
    }

    private static func append(_ frames: [Frame], _ store: Store, _ descriptor: Int32) throws {
        try store.log.append(frames)
        var end = store.log.end.sequence.value
        // The page cache outlives the process, so the promise needs no sync of its own.
        try #require(write(descriptor, &end, 8) == 8)
        for frame in frames {
            while !store.table.insert(frame) { usleep(100) }
        }
    }

    static func lastAcknowledged(_ path: String) throws -> Sequence {
        let descriptor = Glibc.open(path, O_RDONLY)
        guard descriptor >= 0 else { return .zero }
        defer { Glibc.close(descriptor) }
        let whole = Files.size(path) / 8
        guard whole > 0 else { return .zero }
        var value: UInt64 = 0
        try #require(pread(descriptor, &value, 8, off_t((whole - 1) * 8)) == 8)
        return Sequence(value)
    }
}
