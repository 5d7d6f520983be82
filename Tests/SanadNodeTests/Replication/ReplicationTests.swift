import Foundation
import SanadCore
import SanadStore
import SanadTestSupport
import Testing

@testable import SanadNode

@Suite("Two nodes over loopback TLS", .timeLimit(.minutes(2)))
struct ReplicationTests {
    let client = Client()

    @Test("sync: a write is acknowledged when both sites have it, and both can read it")
    func syncWrite() async throws {
        let pair = try Pair()
        let (rabat, marrakech) = try await pair.startBoth()
        let outcome = try await client.put(rabat.gate, "amina", #"{"class":1}"#)
        #expect(outcome.durability == .bothSites)
        #expect(outcome.sequence == 2)
        #expect(try rabat.gate.value("amina") == #"{"class":1}"#)
        try await until("marrakech applied it") {
            try marrakech.gate.value("amina") == #"{"class":1}"#
        }
        try await until("the positions are equal") {
            marrakech.gate.status.logEnd == rabat.gate.status.logEnd
        }
        await rabat.stop()
        await marrakech.stop()
    }

    @Test("a write at the standby is refused, and the refusal names the primary")
    func writeAtStandby() async throws {
        let pair = try Pair()
        let (rabat, marrakech) = try await pair.startBoth()
        do {
            _ = try await client.put(marrakech.gate, "amina", "1")
            Issue.record("the standby took a write")
        } catch let refusal as SubmitRefusal {
            if case .notPrimary(let hint, _) = refusal {
                #expect(hint.node?.text == "rabat")
                #expect(hint.url == "http://rabat.example:7401")
            } else {
                Issue.record("refused with \(refusal)")
            }
        }
        await rabat.stop()
        await marrakech.stop()
    }

    @Test("sync: without its standby the primary stops acknowledging before the standby takes over")
    func cutOff() async throws {
        let pair = try Pair()
        let (rabat, marrakech) = try await pair.startBoth()
        #expect(try await client.put(rabat.gate, "amina", "1").durability == .bothSites)
        await rabat.stop()
        try await until("marrakech promotes itself") { marrakech.gate.isWritable }
        #expect(marrakech.gate.status.epoch == 2)
        #expect(try marrakech.gate.value("amina") == "1")
        let alone = try await client.put(marrakech.gate, "brahim", "2")
        #expect(alone.durability == .oneSite)

        let returned = try pair.start("rabat")
        try await until("rabat follows") {
            returned.gate.status.role == "standby"
                && returned.gate.status.logEnd == marrakech.gate.status.logEnd
        }
        try await until("in sync again") {
            marrakech.gate.status.inSync == ["marrakech", "rabat"]
        }
        let both = try await client.put(marrakech.gate, "chadia", "3")
        #expect(both.durability == .bothSites)
        try await until("rabat applied it") { try returned.gate.value("chadia") == "3" }
        await returned.stop()
        await marrakech.stop()
    }

    @Test("sync: the primary loses its lease when the standby is gone, and takes no write")
    func standbyLost() async throws {
        let pair = try Pair()
        let (rabat, marrakech) = try await pair.startBoth()
        await marrakech.stop()
        try await until("rabat is fenced") { !rabat.gate.isWritable }
        await #expect(throws: SubmitRefusal.self) {
            try await client.put(rabat.gate, "amina", "1")
        }
        #expect(rabat.gate.status.role == "primary")
        let returned = try pair.start("marrakech")
        try await until("rabat is writable again") { rabat.gate.isWritable }
        #expect(try await client.put(rabat.gate, "amina", "1").durability == .bothSites)
        await rabat.stop()
        await returned.stop()
    }

    @Test("a restarted primary takes the role only with its peer's word, in a new epoch")
    func restartRule() async throws {
        let pair = try Pair(lease: "30s")
        let (rabat, marrakech) = try await pair.startBoth()
        _ = try await client.put(rabat.gate, "amina", "1")
        await rabat.stop()
        await marrakech.stop()
        let alone = try pair.start("rabat")
        try await until("rabat looks for its peer") {
            alone.gate.status.link.lastError != nil || alone.gate.status.role == "unconfirmed"
        }
        #expect(!alone.gate.isWritable)
        #expect(try alone.gate.value("amina") == "1")
        let peer = try pair.start("marrakech")
        try await until("rabat is primary again") { alone.gate.isWritable }
        #expect(alone.gate.status.epoch == 2)
        await alone.stop()
        await peer.stop()
    }

    @Test("async: the primary acknowledges alone, and the standby is not promoted by itself")
    func asyncMode() async throws {
        let pair = try Pair(mode: "async")
        let (rabat, marrakech) = try await pair.startBoth()
        #expect(try await client.put(rabat.gate, "amina", "1").durability != nil)
        await marrakech.stop()
        let alone = try await client.put(rabat.gate, "brahim", "2")
        #expect(alone.durability == .oneSite)
        let returned = try pair.start("marrakech")
        try await until("marrakech caught up") {
            try returned.gate.value("brahim") == "2"
        }
        await rabat.stop()
        try await until("link is down") { !returned.gate.status.link.connected }
        let refused = await returned.gate.control(
            .promote(acceptLoss: false, reason: "test", dryRun: false))
        #expect(!refused.done)
        try await until("the grant has expired") {
            returned.gate.status.peerHeardNanoseconds.map {
                SystemClock.instant.since(Instant(nanoseconds: $0)) > .milliseconds(1_100)
            } ?? false
        }
        #expect(returned.gate.status.role == "standby")
        let promoted = await returned.gate.control(
            .promote(acceptLoss: true, reason: "test", dryRun: false))
        #expect(promoted.done, "\(promoted)")
        try await until("writable") { returned.gate.isWritable }
        #expect(try await client.put(returned.gate, "chadia", "3").durability == .oneSite)
        await returned.stop()
    }

    @Test("a repeated idempotency key gives the first answer and writes nothing")
    func idempotency() async throws {
        let pair = try Pair()
        let (rabat, marrakech) = try await pair.startBoth()
        let first = try await client.put(rabat.gate, "amina", "1", idempotencyKey: "request-7")
        #expect(first.sequence == 2)
        let second = try await client.put(rabat.gate, "amina", "2", idempotencyKey: "request-7")
        guard case .repeated(let epoch, let sequence, .bothSites) = second else {
            Issue.record("\(second)")
            return
        }
        #expect(epoch == Epoch(1) && sequence == Sequence(2))
        #expect(try rabat.gate.value("amina") == "1")
        // The key is as safe as the write: the other site knows it too.
        await rabat.stop()
        try await until("marrakech promotes itself") { marrakech.gate.isWritable }
        let third = try await client.put(marrakech.gate, "amina", "3", idempotencyKey: "request-7")
        if case .repeated = third {} else { Issue.record("\(third)") }
        #expect(try marrakech.gate.value("amina") == "1")
        await marrakech.stop()
    }

    @Test("a restarted primary alone is not promoted without the operator's consent to a loss")
    func promotionOfFormerPrimary() async throws {
        let pair = try Pair()
        let (rabat, marrakech) = try await pair.startBoth()
        await rabat.stop()
        try await until("marrakech promotes itself") { marrakech.gate.isWritable }
        _ = try await client.put(marrakech.gate, "amina", "1")
        await marrakech.stop()
        let returned = try pair.start("rabat")
        let started = SystemClock.instant
        try await until("every grant has expired") {
            SystemClock.instant.since(started) > .milliseconds(1_200)
        }
        let refused = await returned.gate.control(
            .promote(acceptLoss: false, reason: "test", dryRun: false))
        #expect(!refused.done)
        #expect(refused.lines.contains { $0.contains("may have taken over") }, "\(refused)")
        await returned.stop()
    }

    @Test("conditions see writes that are in the log and not yet applied")
    func conditions() async throws {
        let pair = try Pair()
        let (rabat, marrakech) = try await pair.startBoth()
        let absent = Condition(
            collection: Array("pupils".utf8), key: Array("amina".utf8), expectation: .absent)
        let first = try await client.put(rabat.gate, "amina", "1", conditions: [absent])
        #expect(first.sequence == 2)
        let second = try await client.put(rabat.gate, "amina", "2", conditions: [absent])
        guard case .conditionFailed(0, let current) = second else {
            Issue.record("\(second)")
            return
        }
        #expect(current == Sequence(2))
        let match = Condition(
            collection: Array("pupils".utf8), key: Array("amina".utf8),
            expectation: .sequence(Sequence(2)))
        #expect(try await client.put(rabat.gate, "amina", "3", conditions: [match]).sequence == 3)
        await rabat.stop()
        await marrakech.stop()
    }
}
