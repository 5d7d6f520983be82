import SanadCore
import SanadTestSupport
import Testing

@testable import SanadStore

/// Two stores whose histories part at a fork: the primary's goes on, the other's has a tail that
/// its record table has applied in part.
final class Rejoin {
    static let common = 40
    static let keys = 60

    let primaryFixture: Fixture
    let fixture: Fixture
    let primary: Store
    var standby: Store
    var generator: SeededGenerator
    var frames: [Frame] = []
    private var maker = FrameMaker()
    private(set) var fork = Position.origin

    /// - Parameter seed: decides about keys, deletions, flushes and merges.
    init(seed: UInt64) throws {
        primaryFixture = try Fixture(inMemory: true)
        fixture = try Fixture(inMemory: true)
        generator = SeededGenerator(state: seed)
        for fixture in [primaryFixture, fixture] {
            fixture.options.segmentBytesTarget = 2_000
            // Small enough that generations become runs, and merges stop in the middle.
            fixture.options.directRowsMaximum = seed % 3 == 0 ? 1_000 : 6
            fixture.options.mergeRowsMaximum = 9
        }
        // Some with a flush thread that is always in the way.
        if seed % 5 == 4 { fixture.options.flushIdle = .zero }
        primary = try primaryFixture.open()
        standby = try fixture.open()
    }

    deinit {
        primary.close()
        standby.close()
    }

    /// Makes the common history, the standby's tail, and the primary's beginning of a new reign.
    func part(tail: Int = 30) throws {
        try goOn([try maker.start(1)])
        for _ in 0..<Self.common {
            try goOn([randomFrame()])
            try standby.follow(frames)
            if chance(8) { try flush(standby) }
            if chance(8) { mergePiece(standby) }
        }
        fork = maker.end
        var other = maker
        for _ in 0..<tail {
            let frame = randomFrame(&other)
            try standby.log.append([frame])
            _ = standby.table.insert(frame)
            if chance(6) { try flush(standby) }
            if chance(6) { mergePiece(standby) }
        }
        try goOn([try maker.start(2)])
        for _ in 0..<10 { try goOn([randomFrame()]) }
    }

    /// A standby that has applied its tail, and given it up; the primary's rows can be fetched.
    static func afterCut(seed: UInt64) throws -> Rejoin {
        let world = try Rejoin(seed: seed)
        try world.part()
        try world.flush(world.standby)
        try world.cut()
        try world.flush(world.primary)
        return world
    }

    @discardableResult
    func cut() throws -> QuarantineEntry? {
        try standby.log.cut(after: fork, reason: "fork", wallMilliseconds: 1, repairsTable: true)
    }

    func chance(_ one: UInt64) -> Bool { generator.next() % one == 0 }

    /// A few more transactions at the primary.
    func write() throws { try goOn([randomFrame()]) }

    private func goOn(_ new: [Frame]) throws {
        try primary.log.append(new)
        for frame in new { _ = primary.table.insert(frame) }
        frames += new
        if chance(7) { try flush(primary) }
        if chance(7) { mergePiece(primary) }
    }

    private func randomFrame() -> Frame { randomFrame(&maker) }

    private func randomFrame(_ maker: inout FrameMaker) -> Frame {
        let count = Int.random(in: 1...4, using: &generator)
        return maker.frame(
            (0..<count).map { _ in
                let key = "k\(generator.next() % UInt64(Self.keys))"
                let isDeletion = generator.next() % 3 == 0
                return (key, isDeletion ? nil : "v\(generator.next() % 100_000)")
            })
    }

    func flush(_ store: Store) throws { try store.table.flushAll() }

    func mergePiece(_ store: Store) {
        #expect(store.table.mergePiece())
    }

    /// What the primary's history says at a sequence.
    func expected(at sequence: Sequence) -> [String] {
        var model: [String: String] = [:]
        for frame in frames {
            frame.forEachMutation { at, mutation in
                guard at <= sequence else { return }
                model[String(decoding: mutation.key, as: UTF8.self)] =
                    mutation.operation == .put
                    ? String(decoding: mutation.value, as: UTF8.self) : nil
            }
        }
        return model.map { "\($0.key)=\($0.value)" }.sorted()
    }

    /// Fetches some names; flushes the primary when its rows are too old.
    func fetch(limit: Int) throws {
        let names = try standby.nodeDatabase.repairNames(limit: limit)
        let reader = try primary.table.makeSnapshotReader()
        let sent = try reader.rows(names: names)
        do {
            try standby.repair(with: try RecordPage(decoding: sent.bytes))
        } catch let error as StoreError {
            try #require(error.code == .staleRows)
            try flush(primary)
            try standby.repair(with: try reader.rows(names: names))
        }
    }
}

extension Store {
    /// Appends and inserts the next frames of a primary, as far as they are new.
    func follow(_ frames: [Frame], limit: Int = .max) throws {
        let new = frames.filter { $0.header.first > log.end.sequence }.prefix(limit)
        try log.append(Array(new))
        // The table may stand before the log's end, after a cut.
        for frame in frames where frame.header.last <= log.end.sequence {
            try blockUntil("room") { table.insert(frame) }
        }
    }

    func dump() throws -> [String] { try table.makeReader().dump().sorted() }
}
