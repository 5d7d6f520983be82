import SanadCore
import SanadLink
import SanadTestSupport
import Synchronization
import Testing

@testable import SanadNode

/// The client against a witness, and against one that answers late or not at all.
@Suite("Client of the witness")
struct WitnessClientTests {
    private func client(
        _ site: ArbiterSite, port: UInt16, _ outcomes: Outcomes,
        patience: Span = .seconds(50)
    ) throws -> WitnessClient {
        WitnessClient(
            host: "127.0.0.1", port: port, witness: ArbiterSite.hub,
            tls: try site.context("rabat"), patience: patience, silence: .seconds(60), log: quiet,
            deliver: outcomes.deliver)
    }

    @Test("Asks and is answered; comes back by itself after the witness was away")
    func answers() async throws {
        let fixture = try WitnessFixture()
        let outcomes = Outcomes()
        let client = try client(fixture.site, port: fixture.node.linkPort, outcomes)
        defer { client.stop() }
        let first = ArbiterSite.record(1, 1, ArbiterSite.rabat)
        let question = ArbiterSite.question(ArbiterSite.change(0, first))
        client.ask(question)
        let answer = try await outcomes.answer()
        #expect(answer.outcome == .changed)
        #expect(answer.echo == question.sent)
        #expect(answer.leaseLength == nil)
        for _ in 0..<20 {
            client.ask(ArbiterSite.question(ArbiterSite.renew(1)))
            #expect(try await outcomes.answer().outcome == .granted)
        }
    }

    @Test("Nobody there: each question fails, within its patience and the attempt to connect")
    func unreachable() async throws {
        let site = try ArbiterSite()
        let outcomes = Outcomes()
        let client = try client(
            site, port: freePort(), outcomes, patience: Limits.arbiterPatience)
        defer { client.stop() }
        let question = ArbiterSite.question(.read)
        client.ask(question)
        let failure = try await outcomes.failure()
        #expect(failure.sent == question.sent)
        #expect(failure.reason.contains("unreachable"))
        #expect(outcomes.delivered.since(question.sent) < .seconds(4))
    }

    @Test("No answer in time is a failure; the late answer is thrown away, and the next one counts")
    func late() async throws {
        let fake = try FakeWitness()
        let outcomes = Outcomes()
        // Long enough for this test to answer in time on a busy machine.
        let patience = Span.seconds(15)
        let client = try client(fake.site, port: fake.port, outcomes, patience: patience)
        defer { client.stop() }
        let slow = ArbiterSite.question(ArbiterSite.renew(1))
        client.ask(slow)
        let connection = try await fake.connection()
        #expect(try await connection.questions(1) == [slow])
        #expect(try await outcomes.failure().sent == slow.sent)
        #expect(SystemClock.instant.since(slow.sent) >= patience)
        let next = ArbiterSite.question(ArbiterSite.renew(1))
        client.ask(next)
        #expect(try await connection.questions(1) == [next])
        try connection.answer(slow)
        try connection.answer(next)
        #expect(try await outcomes.answer().echo == next.sent)
        #expect(outcomes.count == 0)
    }

    @Test("What waits is replaced by a newer question of its kind; other kinds keep their order")
    func replaced() async throws {
        let fake = try FakeWitness()
        let outcomes = Outcomes()
        let client = try client(fake.site, port: fake.port, outcomes)
        defer { client.stop() }
        let first = ArbiterSite.question(ArbiterSite.renew(1))
        client.ask(first)
        let connection = try await fake.connection()
        #expect(try await connection.questions(1) == [first])
        client.ask(ArbiterSite.question(ArbiterSite.renew(2)))
        let third = ArbiterSite.question(ArbiterSite.renew(3))
        client.ask(third)
        let release = ArbiterSite.question(.release(epoch: Epoch(1)))
        client.ask(release)
        #expect(try await connection.questions(1) == [release])
        try connection.answer(first)
        #expect(try await connection.questions(1) == [third])
        try connection.answer(release)
        try connection.answer(third)
        #expect(try await outcomes.answer().echo == first.sent)
        #expect(try await outcomes.answer().echo == release.sent)
        #expect(try await outcomes.answer().echo == third.sent)
    }

    @Test("A witness that goes away fails what is open, and is dialled again")
    func redials() async throws {
        let fake = try FakeWitness()
        let outcomes = Outcomes()
        let client = try client(fake.site, port: fake.port, outcomes)
        defer { client.stop() }
        client.ask(ArbiterSite.question(.read))
        let connection = try await fake.connection()
        _ = try await connection.questions(1)
        connection.connection.close()
        #expect(try await outcomes.failure().reason.contains("closed"))
        let again = try await fake.connection()
        let question = ArbiterSite.question(.read)
        client.ask(question)
        #expect(try await again.questions(1) == [question])
        try again.answer(question)
        #expect(try await outcomes.answer().echo == question.sent)
    }

    @Test("An answer to what was not asked ends the connection, and grants nothing")
    func notAsked() async throws {
        let fake = try FakeWitness()
        let outcomes = Outcomes()
        let client = try client(fake.site, port: fake.port, outcomes)
        defer { client.stop() }
        let question = ArbiterSite.question(ArbiterSite.renew(1))
        client.ask(question)
        let connection = try await fake.connection()
        _ = try await connection.questions(1)
        var other = question
        other.sent = question.sent + .milliseconds(1)
        try connection.answer(other)
        #expect(try await outcomes.failure().reason.contains("not asked"))
    }
}

/// A listener with the witness's certificate whose answers the test writes.
final class FakeWitness {
    let site: ArbiterSite
    private let accepted = Accepted()
    private let listener: LinkListener

    var port: UInt16 { listener.boundPort }

    init() throws {
        site = try ArbiterSite()
        let accepted = accepted
        listener = try LinkListener(
            host: "127.0.0.1", port: 0, context: site.context("hub"),
            peers: [ArbiterSite.rabat.node], accepted: { accepted.put($0) }, refused: { _ in })
    }

    deinit { listener.stop() }

    func connection() async throws -> FakeWitnessConnection {
        let accepted = accepted
        try await until("a connection") { accepted.count > 0 }
        return FakeWitnessConnection(try #require(accepted.take()))
    }

    private final class Accepted: Sendable {
        private let connections = Mutex<[LinkConnection]>([])
        var count: Int { connections.withLock { $0.count } }
        func put(_ connection: LinkConnection) { connections.withLock { $0.append(connection) } }
        func take() -> LinkConnection? {
            connections.withLock { $0.isEmpty ? nil : $0.removeFirst() }
        }
    }
}

/// The witness's end of a connection, by hand.
final class FakeWitnessConnection {
    let connection: LinkConnection
    private var pending: [ArbiterRequest] = []

    init(_ connection: LinkConnection) { self.connection = connection }

    /// The next questions.
    func questions(_ count: Int) async throws -> [ArbiterRequest] {
        try await until("a question") {
            try connection.receive { packet in
                if case .control(let bytes) = packet,
                    case .arbiterRequest(let request) = try Message(decoding: bytes)
                {
                    pending.append(request)
                }
            }
            return pending.count >= count
        }
        defer { pending.removeFirst(count) }
        return Array(pending.prefix(count))
    }

    func answer(_ request: ArbiterRequest) throws {
        let answer = ArbiterAnswer(
            echo: request.sent, outcome: .granted,
            view: ArbiterView(
                record: ArbiterSite.record(1, 1, ArbiterSite.rabat), committed: .zero,
                remaining: .zero))
        connection.enqueue(control: Message.arbiterAnswer(answer).encoded())
        _ = try connection.flush()
    }
}
