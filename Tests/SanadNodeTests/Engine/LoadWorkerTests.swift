import SanadCore
import SanadTestSupport
import Synchronization
import Testing

@testable import SanadNode
@testable import SanadStore

@Suite("The thread that loads a snapshot")
struct LoadWorkerTests {
    /// A primary with records, and a store that waits for them.
    private final class World {
        static let records = 300
        let directory: TemporaryDirectory
        let primary: Store
        /// Nil while it is closed: a table that is left holds the directory's lock.
        private var opened: Store?
        let mailbox = Mailbox(requestsMaximum: 1)
        private(set) var pages: [RecordPage] = []

        init() throws {
            directory = try TemporaryDirectory()
            primary = try Self.open(directory.path + "/primary")
            let frames = try Self.frames()
            let last = try #require(frames.last)
            try primary.log.append(frames)
            for frame in frames { #expect(primary.table.insert(frame)) }
            primary.table.requestFlush()
            try blockUntil("the primary has flushed") {
                primary.table.flushedPosition == last.position
            }
            opened = try Self.open(directory.path + "/standby")
            try standby.planReseed(keepOld: false, reason: "test", wallMilliseconds: 1)
            try reopen()
            try standby.beginLoad(
                base: last.position, offset: last.header.logEnd,
                history: try primary.nodeDatabase.history())
            pages = try read(after: nil)
        }

        deinit {
            primary.close()
            opened?.close()
        }

        var standby: Store { get throws { try #require(opened) } }

        /// The beginning of a reign, and some records.
        private static func frames() throws -> [Frame] {
            let start = FrameEncoder.epochStart(
                EpochStart(node: try #require(NodeName("rabat")), reason: "test"),
                after: .origin, epoch: Epoch(1), committed: .zero, logOffset: 0,
                wallMilliseconds: 1)
            var encoder = FrameEncoder(
                after: start.position, epoch: Epoch(1), committed: .zero,
                logOffset: start.header.logEnd, wallMilliseconds: 1)
            for number in 0..<records {
                var transaction = TransactionBytes()
                transaction.append(
                    .put, collection: "records", key: "key\(number)", value: "\(number)")
                _ = encoder.append(transaction)
            }
            return [start, encoder.finish()]
        }

        static func open(_ path: String) throws -> Store {
            try Store.open(
                directory: path, cluster: Identifier(high: 1, low: 2),
                node: try #require(NodeName("rabat")),
                makeStoreIdentifier: { Identifier(high: 3, low: 4) })
        }

        func reopen() throws {
            opened?.close()
            opened = nil
            opened = try Self.open(directory.path + "/standby")
        }

        /// All pages after a name.
        func read(after name: [UInt8]?) throws -> [RecordPage] {
            let reader = try primary.table.makeSnapshotReader()
            var pages = [try reader.page(after: name, maximumBytes: 1_000)]
            while let page = pages.last, !page.isLast {
                pages.append(try reader.page(after: page.lastName, maximumBytes: 1_000))
            }
            return pages
        }

        func withWorker(_ body: (LoadWorker) throws -> Void) throws {
            try body(try LoadWorker(table: standby.table, mailbox: mailbox))
        }

        /// Waits for so many answers.
        func answers(_ count: Int) throws -> [LoadAnswer] {
            var answers: [LoadAnswer] = []
            try blockUntil("\(count) pages are answered") {
                for case .pageLoaded(let answer) in mailbox.takeEvents() { answers.append(answer) }
                return answers.count >= count
            }
            try #require(answers.count == count)
            return answers
        }

        /// Loads the rest, and looks whether all records are there.
        func finish() throws {
            for page in try read(after: standby.loadProgress()?.cursor) {
                try standby.load(page, readIn: Epoch(1))
            }
            try standby.finishLoad()
            #expect(try standby.table.makeReader().count() == Self.records)
        }
    }

    private struct Unexpected: Error { var answer: LoadAnswer }

    @Test("a restart knows in which epoch the last page was read")
    func epochOfPages() throws {
        let world = try World()
        for page in world.pages { try world.standby.load(page, readIn: Epoch(3)) }
        try world.reopen()
        let recovered = try Engine.recover(
            world.standby, world.standby.log.makeReader(), cluster: Identifier(high: 1, low: 2))
        #expect(recovered.state.rowsEpoch == Epoch(3))
    }

    @Test("every page is answered in order, and what was loaded is kept when it stops")
    func inOrder() throws {
        let world = try World()
        let first = Array(world.pages.dropLast())
        try world.withWorker { worker in
            worker.start()
            for page in first { worker.load(page, readIn: Epoch(1)) }
            for (page, answer) in zip(first, try world.answers(first.count)) {
                guard case .loaded(let progress) = answer else {
                    Issue.record("\(answer)")
                    continue
                }
                #expect(progress.cursor == page.lastName)
            }
            worker.stop()
        }
        try world.reopen()
        #expect(try world.standby.loadProgress()?.cursor == first.last?.lastName)
        try world.finish()
    }

    @Test("stopped with pages under way, it drops them, and the load goes on behind what it kept")
    func stopped() throws {
        let world = try World()
        try world.withWorker { worker in
            for page in world.pages { worker.load(page, readIn: Epoch(1)) }
            worker.start()
            worker.stop()
        }
        var loaded = 0
        for case .pageLoaded(.loaded) in world.mailbox.takeEvents() { loaded += 1 }
        #expect(loaded <= world.pages.count)
        try world.reopen()
        let kept = loaded == 0 ? nil : world.pages[loaded - 1].lastName
        #expect(try world.standby.loadProgress()?.cursor == kept)
        try world.finish()
    }

    @Test("what nobody adds to becomes durable by itself")
    func idle() throws {
        let world = try World()
        try world.withWorker { worker in
            worker.start()
            worker.load(world.pages[0], readIn: Epoch(1))
            _ = try world.answers(1)
            let table = try world.standby.table
            try blockUntil("the page is durable") {
                !table.file.withLock { $0.isLoadOpen }
            }
            worker.stop()
        }
        try world.finish()
    }

    @Test("after a page that does not follow, none is loaded")
    func unusable() throws {
        let world = try World()
        try world.withWorker { worker in
            worker.start()
            for number in [0, 2, 1] { worker.load(world.pages[number], readIn: Epoch(1)) }
            let answers = try world.answers(2)
            guard case .unusable = answers[1] else { throw Unexpected(answer: answers[1]) }
            worker.stop()
        }
        #expect(world.mailbox.takeEvents().isEmpty)
        try world.reopen()
        #expect(try world.standby.loadProgress()?.cursor == world.pages[0].lastName)
        try world.finish()
    }

    @Test("after a damaged page the node starts anew")
    func damaged() throws {
        let page = try World().pages[0]
        let fixture = try EngineFixture()
        var bytes = page.bytes
        bytes[bytes.count - 1] ^= 1
        try fixture.engine.performRepair(
            .loadPage(bytes, readAt: page.position.sequence, epoch: Epoch(1)))
        #expect(fixture.engine.restartReason?.contains("damaged") == true)
    }
}
