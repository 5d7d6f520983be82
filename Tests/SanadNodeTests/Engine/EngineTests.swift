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

    @Test("after a pause, a repeated write is not answered from the records of a lease that is over")
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
}
