import SanadCore
import Testing

@testable import SanadStore

@Suite("Runs and their merge")
struct RunMergeTests {
    /// A generation of the given puts (value) and deletions (nil), all of one frame.
    private func generation(
        _ changes: [(key: String, value: String?)], after position: inout Position,
        offset: inout UInt64
    ) -> Generation {
        var encoder = FrameEncoder(
            after: position, epoch: Epoch(1), committed: position.sequence, logOffset: offset,
            wallMilliseconds: 0)
        for change in changes {
            var transaction = TransactionBytes()
            transaction.append(
                change.value == nil ? .delete : .put, collection: "c", key: change.key,
                value: change.value ?? "")
            _ = encoder.append(transaction)
        }
        let frame = encoder.finish()
        let generation = Generation(after: position)
        generation.append(frame)
        position = frame.position
        offset = frame.header.logEnd
        return generation
    }

    private func open(
        _ path: String, _ options: StoreOptions = StoreOptions()
    ) throws -> RecordFile {
        try RecordFile(path: path, cluster: Identifier(high: 1, low: 1), options: options)
    }

    private func live(_ path: String) throws -> [String: String] {
        let core = try RecordReaderCore(path: path, options: StoreOptions())
        let connection = try SQLiteConnection(path: path, access: .readOnly, vfs: nil)
        let names = try connection.prepare(RunTables.range)
        names.bind(1, copyingText: StoredName.everything.lower)
        names.bind(2, copyingText: StoredName.everything.upper)
        var found: [String: String] = [:]
        while try names.step() {
            let name = names.bytes(0)
            let value = try core.get(name).map { String(decoding: $0.value, as: UTF8.self) }
            found[String(decoding: name.dropFirst(2), as: UTF8.self)] = value
        }
        #expect(try snapshot(path) == found, "a peer gets the same")
        return found
    }

    /// What a peer gets that takes everything, in pages of some rows.
    private func snapshot(_ path: String) throws -> [String: String] {
        let reader = try SnapshotReader(path: path, options: StoreOptions())
        var found: [String: String] = [:]
        var page = try reader.page(after: nil, maximumBytes: 2_000)
        while true {
            try page.forEachRow { row in
                let key = String(decoding: row.name.dropFirst(2), as: UTF8.self)
                #expect(found[key] == nil, "each name once")
                found[key] = row.value.map { String(decoding: $0, as: UTF8.self) }
            }
            guard !page.isLast else { return found }
            page = try reader.page(after: page.lastName, maximumBytes: 2_000)
        }
    }

    @Test("many runs of overwrites and deletions read as their last state, before and after")
    func merge() throws {
        let fixture = try Fixture()
        let path = fixture.directory + "/records.db"
        let file = try open(path)
        var position = Position.origin
        var offset: UInt64 = 0
        var expected: [String: String] = [:]
        var random = SystemRandomNumberGenerator()
        // More rows than go straight into the merged table, so that each generation is a run.
        for round in 0..<5 {
            var changes: [(key: String, value: String?)] = []
            for number in 0..<12_000 {
                let key = "k\(Int.random(in: 0..<15_000, using: &random))"
                let value = number % 7 == 0 ? nil : "\"\(round)-\(number)\""
                changes.append((key, value))
                expected[key] = value
            }
            // Distinct names decide, so a last batch makes sure of enough of them.
            for number in 0..<12_000 {
                let key = "r\(number)"
                changes.append((key, "\(round)"))
                expected[key] = "\(round)"
            }
            try file.apply(generation(changes, after: &position, offset: &offset))
        }
        #expect(file.hasUnmerged)
        #expect(try live(path) == expected)
        var pieces = 0
        while try !file.mergePiece() {
            pieces += 1
            if pieces == 1 { #expect(try live(path) == expected, "in the middle of a merge") }
        }
        #expect(pieces > 0)
        #expect(!file.hasUnmerged)
        #expect(try live(path) == expected)
        // A run over merged rows: what it changes, deletes and adds, before, among and behind them.
        let last: [(key: String, value: String?)] = [
            ("a", "1"), ("r0", "2"), ("r1", nil), ("r11999", "3"), ("r9", nil), ("z", "4"),
        ]
        for change in last { expected[change.key] = change.value }
        try file.apply(generation(last, after: &position, offset: &offset), isAwaited: true)
        #expect(file.hasUnmerged)
        #expect(try live(path) == expected)
    }

    @Test("a merge that a crash cut short is done again by the next process")
    func resume() throws {
        let fixture = try Fixture()
        let path = fixture.directory + "/records.db"
        var position = Position.origin
        var offset: UInt64 = 0
        var expected: [String: String] = [:]
        do {
            let file = try open(path)
            for round in 0..<3 {
                let changes = (0..<30_000).map { number in
                    (key: "k\(number)", value: number % (round + 2) == 0 ? nil : "\(round)")
                }
                for change in changes { expected[change.key] = change.value }
                try file.apply(generation(changes, after: &position, offset: &offset))
            }
            #expect(try !file.mergePiece())
        }
        let file = try open(path)
        #expect(file.hasUnmerged)
        #expect(try live(path) == expected)
        while try !file.mergePiece() {}
        #expect(try live(path) == expected)
        #expect(file.position == position)
    }

    /// Rows of a peer as it answers for some names; nil: it has no such record.
    private func page(
        _ rows: [(key: String, sequence: UInt64, value: String?)], at position: Position
    ) throws -> RecordPage {
        var builder = RecordPageBuilder(.names, after: [], capacity: 4_096)
        for row in rows.sorted(by: { $0.key < $1.key }) {
            Array("c\t\(row.key)".utf8).withUnsafeBytes { name in
                Array((row.value ?? "").utf8).withUnsafeBytes { value in
                    builder.append(
                        name: name, sequence: row.sequence,
                        checksum: row.value == nil
                            ? 0 : RowChecksum.of(name, row.sequence, value),
                        value: row.value == nil ? nil : value)
                }
            }
        }
        return try RecordPage(decoding: builder.finish(position: position, isLast: false))
    }

    @Test("fetched rows hide what has higher sequences, before, during and after their merge")
    func repaired() throws {
        let fixture = try Fixture()
        let path = fixture.directory + "/records.db"
        var options = StoreOptions()
        options.mergeRowsMaximum = 2
        var position = Position.origin
        var offset: UInt64 = 0
        var expected = ["old": "1", "kept": "1", "back": "3", "new": "4", "later": "6"]
        do {
            let file = try open(path, options)
            var early = position
            try file.apply(
                generation(
                    [("old", "1"), ("kept", "1"), ("later", "1")], after: &position,
                    offset: &offset))
            early = position
            // What is cut off afterwards, in the merged table: changed, added and deleted.
            try file.apply(
                generation(
                    [("old", "2"), ("gone", "2"), ("later", "2"), ("back", nil)],
                    after: &position, offset: &offset))
            let beyond = position
            try file.setPosition(early)
            try file.replace(
                try page(
                    [
                        ("old", 1, "1"), ("gone", 0, nil), ("later", 1, "1"), ("back", 1, "3"),
                        ("new", 1, "4"), ("never", 0, nil),
                    ], at: beyond))
            #expect(file.hasUnmerged)
            #expect(try connectionRows(path, "records") == 4, "the merged table is not touched")
            // A flush goes on behind it, and is not lost to the rows that are hidden.
            try file.apply(generation([("later", "6")], after: &early, offset: &offset))
            #expect(try live(path) == expected)
            #expect(try !file.mergePiece())
            #expect(try live(path) == expected)
        }
        let file = try open(path, options)
        #expect(file.hasUnmerged, "a crash in the middle of the merge")
        #expect(try live(path) == expected)
        while try !file.mergePiece() {}
        #expect(try live(path) == expected)
        #expect(try connectionRows(path, "records") == 5)
        expected["old"] = "9"
        position = file.position
        try file.apply(generation([("old", "9")], after: &position, offset: &offset))
        #expect(!file.hasUnmerged)
        #expect(try live(path) == expected)
    }

    @Test("a loaded row that is newer than the log that follows it stays what it is")
    func olderRun() throws {
        let fixture = try Fixture()
        let path = fixture.directory + "/records.db"
        let file = try open(path)
        let base = Position(epoch: Epoch(1), sequence: Sequence(3), hash: Position.origin.hash)
        var readAt = Position(epoch: Epoch(1), sequence: Sequence(10), hash: base.hash)
        var offset: UInt64 = 0
        let rows: [(key: String, value: String?)] = [("changed", "2"), ("deleted", "2")]
        try file.apply(generation(rows, after: &readAt, offset: &offset))
        #expect(!file.hasUnmerged)
        try file.setPosition(base)
        var position = base
        // Up to where the rows were read, and beyond: before that, a peer gets no page.
        let log: [(key: String, value: String?)] =
            [("changed", "1"), ("deleted", nil)] + (0..<8).map { ("other", "\($0)") }
        try file.apply(generation(log, after: &position, offset: &offset), isAwaited: true)
        #expect(file.hasUnmerged)
        #expect(try live(path) == ["changed": "2", "deleted": "2", "other": "7"])
    }

    private func connectionRows(_ path: String, _ table: String) throws -> UInt64? {
        try SQLiteConnection(path: path, access: .readOnly, vfs: nil)
            .integer("SELECT count(*) FROM \(table)")
    }

    @Test("ranges are merged from sorted tables, not sorted anew")
    func plan() throws {
        let fixture = try Fixture()
        let path = fixture.directory + "/records.db"
        _ = try open(path)
        let connection = try SQLiteConnection(path: path, access: .readOnly, vfs: nil)
        for query in [
            RunTables.range, RunTables.merged(with: RunTables.waiting),
            RunTables.waiting(in: RunTables.waiting),
        ] {
            let plan = try connection.prepare("EXPLAIN QUERY PLAN " + query)
            while try plan.step() {
                // Nor is a list made of the rows that hide others.
                for words in ["TEMP B-TREE", "SUBQUERY"] {
                    #expect(!plan.text(3).contains(words), "\(plan.text(3))")
                }
            }
        }
    }
}
