import SanadCore
import SanadStore
import SanadTestSupport
import Testing

@testable import SanadNode

@Suite("The engine, round by round", .timeLimit(.minutes(1)))
struct EngineTests {
    private func put(_ fixture: EngineFixture, _ box: WriteOutbox) throws {
        var transaction = TransactionBytes()
        transaction.append(.put, collection: "pupils", key: "amina", value: "1")
        try fixture.mailbox.submit(
            WriteRequest(
                transaction: transaction, conditions: [], idempotencyKey: "request-7",
                outbox: box, ticket: 1))
    }

    @Test("after a pause that outlived the lease, a repeated write is not answered")
    func repeatAfterPause() async throws {
        let fixture = try EngineFixture()
        let engine = fixture.engine
        try await until("the node is primary") {
            fixture.round()
            return engine.replica.isWritable(at: SystemClock.instant)
        }
        let box = WriteOutbox(wake: {})
        try put(fixture, box)
        var first: WriteOutcome?
        try await until("the write is answered") {
            fixture.round()
            first = box.drain().first?.outcome
            return first != nil
        }
        #expect(first?.sequence != nil)

        fixture.round()
        try await until("the lease has run out, and the engine has not looked at the clock") {
            !engine.replica.isWritable(at: SystemClock.instant)
        }
        #expect(engine.replica.isWritable(at: engine.now.instant))
        try put(fixture, box)
        engine.admitWrites()
        let second = try #require(box.drain().first?.outcome)
        guard case .notPrimary = second else {
            Issue.record("answered with \(second)")
            return
        }
    }

    @Test("a fork behind what may be cut off is for an operator: the node stays, and says so")
    func appliedBeyondFork() async throws {
        let fixture = try EngineFixture()
        let engine = fixture.engine
        try await until("the node is primary") {
            fixture.round()
            return engine.replica.isWritable(at: SystemClock.instant)
        }
        // Records that were loaded from a snapshot hold more than the common history.
        let begin = try #require(try fixture.store.log.boundary(at: .zero))
        try fixture.store.planReseed(keepOld: false, reason: "test", wallMilliseconds: 1)
        engine.effects = [.cutLog(after: begin)]
        engine.perform()
        #expect(engine.fatalProblem == nil)
        engine.feed(.tick)
        #expect(engine.replica.storeProblem?.contains("reseed") == true)
        #expect(!engine.replica.isWritable(at: SystemClock.instant))
    }
}
