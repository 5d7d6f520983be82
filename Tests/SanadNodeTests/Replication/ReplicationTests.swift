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

    @Test("sync: a standby that stops in order is let go, and is counted on again when it is back")
    func standbyStops() async throws {
        let pair = try Pair()
        let (rabat, marrakech) = try await pair.startBoth()
        await marrakech.stop()
        try await until("marrakech is let go") { rabat.gate.status.inSync == ["rabat"] }
        try await until("rabat is writable alone") { rabat.gate.isWritable }
        #expect(try await client.put(rabat.gate, "amina", "1").durability == .oneSite)
        let returned = try pair.start("marrakech")
        try await until("in sync again") { rabat.gate.status.inSync.count == 2 }
        #expect(try await client.put(rabat.gate, "amina", "2").durability == .bothSites)
        await rabat.stop()
        await returned.stop()
    }

    @Test("a switchover loses nothing, and the old primary follows; and back again")
    func switchover() async throws {
        let pair = try Pair()
        let (rabat, marrakech) = try await pair.startBoth()
        _ = try await client.put(rabat.gate, "amina", "1")
        let dry = await rabat.gate.operate(.switchover, dryRun: true)
        #expect(dry.done, "\(dry)")
        #expect(rabat.gate.isWritable)
        let there = await rabat.gate.operate(.switchover)
        #expect(there.done, "\(there)")
        try await until("marrakech is writable") { marrakech.gate.isWritable }
        #expect(try await client.put(marrakech.gate, "brahim", "2").durability == .bothSites)
        let wrong = await rabat.gate.operate(.switchover)
        #expect(!wrong.done)
        let back = await marrakech.gate.operate(.switchover)
        #expect(back.done, "\(back)")
        try await until("rabat is writable") { rabat.gate.isWritable }
        #expect(try await client.put(rabat.gate, "chadia", "3").durability == .bothSites)
        #expect(try rabat.gate.value("amina") == "1")
        #expect(try rabat.gate.value("brahim") == "2")
        await rabat.stop()
        await marrakech.stop()
    }

    @Test("async: the tail that a promotion cut off goes to quarantine, and the records are right")
    func rejoin() async throws {
        let pair = try Pair(mode: "async")
        let (rabat, marrakech) = try await pair.startBoth()
        _ = try await client.put(rabat.gate, "amina", "1")
        _ = try await client.put(rabat.gate, "brahim", "1")
        try await until("marrakech has it") { try marrakech.gate.value("brahim") == "1" }
        await marrakech.stop()
        _ = try await client.put(rabat.gate, "amina", "lost")
        _ = try await client.put(rabat.gate, "dounia", "lost")
        await rabat.stop()
        let promoted = try pair.start("marrakech")
        try await until("promoted") {
            await promoted.gate.promote(acceptLoss: true).done
        }
        try await until("marrakech is writable") { promoted.gate.isWritable }
        _ = try await client.put(promoted.gate, "brahim", "2")
        let returned = try pair.start("rabat")
        try await until("rabat follows and is whole") {
            let status = returned.gate.status
            return status.role == "standby" && status.consistent
                && status.logEnd == promoted.gate.status.logEnd
        }
        #expect(returned.gate.status.quarantineEntries == 1)
        try await until("rabat applied it") { try returned.gate.value("brahim") == "2" }
        #expect(try returned.gate.value("amina") == "1")
        #expect(try returned.gate.value("dounia") == nil)
        await returned.stop()
        await promoted.stop()
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
        let refused = await returned.gate.promote(acceptLoss: false)
        #expect(!refused.done)
        try await until("the grant has expired") {
            returned.gate.status.peerHeardNanoseconds.map {
                SystemClock.instant.since(Instant(nanoseconds: $0)) > .milliseconds(1_100)
            } ?? false
        }
        #expect(returned.gate.status.role == "standby")
        let promoted = await returned.gate.promote(acceptLoss: true)
        #expect(promoted.done, "\(promoted)")
        try await until("writable") { returned.gate.isWritable }
        #expect(try await client.put(returned.gate, "chadia", "3").durability == .oneSite)
        await returned.stop()
    }

    @Test("two that operators made primary find each other out, and one gives way")
    func conflict() async throws {
        let pair = try Pair()
        let (rabat, marrakech) = try await pair.startBoth()
        _ = try await client.put(rabat.gate, "amina", "1")
        try await until("marrakech has it") { try marrakech.gate.value("amina") == "1" }
        await marrakech.stop()
        await rabat.stop()

        let first = try pair.start("marrakech")
        #expect(await first.gate.operate(.runAlone).done)
        try await until("marrakech is writable") { first.gate.isWritable }
        _ = try await client.put(first.gate, "amina", "marrakech")
        await first.stop()

        let second = try pair.start("rabat")
        #expect(await second.gate.operate(.runAlone).done)
        try await until("rabat is writable") { second.gate.isWritable }
        _ = try await client.put(second.gate, "amina", "rabat")
        let met = try pair.start("marrakech")
        try await until("both stop") {
            second.gate.status.conflict != nil && met.gate.status.conflict != nil
                && !second.gate.isWritable && !met.gate.isWritable
        }
        let stake = await met.gate.operate(.rejoin, dryRun: true)
        #expect(
            stake.lines.contains { $0.contains("2 transactions after it: they go") }, "\(stake)")
        #expect(await met.gate.operate(.rejoin).done)
        try await until("rabat is primary again") { second.gate.isWritable }
        try await until("marrakech has rabat's records") {
            try met.gate.status.consistent && met.gate.value("amina") == "rabat"
        }
        try await until("its own tail is in quarantine") {
            met.gate.status.quarantineEntries == 1
        }
        try await until("in sync") { second.gate.status.inSync.count == 2 }
        await second.stop()
        await met.stop()
    }

    @Test("what a reseed puts at stake on a linked pair is what both have now")
    func stakeOfLinkedPair() async throws {
        let pair = try Pair()
        let (rabat, marrakech) = try await pair.startBoth()
        for key in ["amina", "karim", "salma"] {
            #expect(try await client.put(rabat.gate, key, "1").durability == .bothSites)
        }
        for (node, peer) in [(rabat, "marrakech"), (marrakech, "rabat")] {
            var lines: [String] = []
            // The primary's marks are as fresh as its last heartbeat.
            try await until("both know of both logs") {
                lines = await node.gate.operate(.reseed, dryRun: true).lines
                return lines.last == "\(peer) has 0 transactions after it: they stay"
            }
            #expect(lines.first == "both nodes have everything up to sequence 4")
            #expect(lines.contains { $0.hasPrefix("this node has 0 transactions after it") })
        }
        await marrakech.stop()
        await rabat.stop()
    }

    @Test("a repeated idempotency key gives the first answer and writes nothing")
    func idempotency() async throws {
        let pair = try Pair()
        let (rabat, marrakech) = try await pair.startBoth()
        let first = try await client.put(rabat.gate, "amina", "1", idempotencyKey: "request-7")
        #expect(first.sequence == 2)
        let second = try await client.put(rabat.gate, "amina", "1", idempotencyKey: "request-7")
        guard case .repeated(let epoch, let sequence, .bothSites) = second else {
            Issue.record("\(second)")
            return
        }
        #expect(epoch == Epoch(1) && sequence == Sequence(2))
        #expect(try rabat.gate.value("amina") == "1")
        // The key is as safe as the write: the other site knows it too.
        await rabat.stop()
        try await until("marrakech promotes itself") { marrakech.gate.isWritable }
        let third = try await client.put(marrakech.gate, "amina", "1", idempotencyKey: "request-7")
        if case .repeated = third {} else { Issue.record("\(third)") }
        #expect(try marrakech.gate.value("amina") == "1")
        await marrakech.stop()
    }

    @Test("an idempotency key of another write is refused, here and after a failover")
    func reusedKey() async throws {
        let pair = try Pair()
        let (rabat, marrakech) = try await pair.startBoth()
        let absent = Condition(
            collection: Array("pupils".utf8), key: Array("amina".utf8), expectation: .absent)
        func expectReused(_ gate: any NodeGate) async throws {
            let others = [
                try await client.put(
                    gate, "amina", "2", conditions: [absent], idempotencyKey: "request-7"),
                try await client.put(
                    gate, "karim", "1", conditions: [absent], idempotencyKey: "request-7"),
                try await client.put(gate, "amina", "1", idempotencyKey: "request-7"),
            ]
            for other in others {
                guard case .keyReused(Sequence(2)) = other else {
                    Issue.record("\(other)")
                    continue
                }
            }
            let same = try await client.put(
                gate, "amina", "1", conditions: [absent], idempotencyKey: "request-7")
            if case .repeated = same {} else { Issue.record("\(same)") }
            #expect(try gate.value("amina") == "1")
            #expect(try gate.value("karim") == nil)
        }
        let first = try await client.put(
            rabat.gate, "amina", "1", conditions: [absent], idempotencyKey: "request-7")
        #expect(first.sequence == 2)
        try await expectReused(rabat.gate)
        await rabat.stop()
        try await until("marrakech promotes itself") { marrakech.gate.isWritable }
        try await expectReused(marrakech.gate)
        await marrakech.stop()
    }

    @Test("a key that an earlier version remembered, without a fingerprint, still repeats")
    func keyWithoutFingerprint() async throws {
        let pair = try Pair()
        let (rabat, marrakech) = try await pair.startBoth()
        _ = try await client.put(rabat.gate, "request-7", "1", in: "~once")
        let repeated = try await client.put(rabat.gate, "amina", "2", idempotencyKey: "request-7")
        guard case .repeated(Epoch(1), Sequence(2), .bothSites) = repeated else {
            Issue.record("\(repeated)")
            return
        }
        #expect(try rabat.gate.value("amina") == nil)
        await rabat.stop()
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
        let refused = await returned.gate.promote(acceptLoss: false)
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
