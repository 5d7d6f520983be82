import Foundation
import Glibc
import SanadCore
import SanadTestSupport
import Testing

@testable import SanadNode

/// The client against a real etcd: leases and transactions as etcd means them.
@Suite(
    "Client of etcd", .enabled(if: EtcdMembers.isInstalled, "\(EtcdMembers.whyNot)"), .serialized)
struct EtcdClientTests {
    private let first = ArbiterSite.record(1, 1, ArbiterSite.rabat)
    private let takeOver = ArbiterSite.record(
        2, 2, ArbiterSite.marrakech, [ArbiterSite.marrakech])

    @Test("First record, renewals, and another primary only after etcd's lease has ended")
    func lease() async throws {
        let etcd = try await RealEtcd()
        let rabat = try etcd.node(ArbiterSite.rabat)
        let marrakech = try etcd.node(ArbiterSite.marrakech)
        let empty = try await rabat.ask(.read)
        #expect(empty.outcome == .seen)
        #expect(empty.view.record == .initial(cluster: ArbiterSite.cluster))
        #expect(empty.view.remaining == .zero)
        let changed = try await rabat.ask(ArbiterSite.change(0, first, committed: 3))
        #expect(changed.outcome == .changed)
        let lease = EtcdLease(lease: .seconds(3), driftPartsPerMillion: 10_000)
        #expect(changed.leaseLength == lease.length(grantedSeconds: 2))
        for mark: UInt64 in [4, 9, 5] {
            let renewed = try await rabat.ask(ArbiterSite.renew(1, committed: mark))
            #expect(renewed.outcome == .granted)
        }
        let sent = SystemClock.instant
        #expect(try await rabat.ask(ArbiterSite.renew(1)).outcome == .granted)
        let held = try await marrakech.ask(ArbiterSite.change(1, takeOver))
        #expect(held.outcome == .leaseHeld)
        #expect(held.view.record == first)
        #expect(held.view.committed == Sequence(9))
        #expect(held.view.remaining > .seconds(2))
        var answer = held
        try await until("the end of the lease") {
            answer = try await marrakech.ask(ArbiterSite.change(1, takeOver, committed: 8))
            return answer.outcome != .leaseHeld
        }
        #expect(answer.outcome == .changed)
        // Who begins a reign says what there is: a loss that was accepted is not looked for again.
        #expect(answer.view.committed == Sequence(8))
        let waited = SystemClock.instant.since(sent)
        #expect(waited >= .seconds(2), "the lease that was renewed last counts")
        #expect(try await rabat.ask(ArbiterSite.renew(1)).outcome == .outdated)
    }

    @Test("A released lease is free at once; a release of another reign is nothing")
    func release() async throws {
        let etcd = try await RealEtcd()
        let rabat = try etcd.node(ArbiterSite.rabat)
        let marrakech = try etcd.node(ArbiterSite.marrakech)
        #expect(try await rabat.ask(ArbiterSite.change(0, first)).outcome == .changed)
        #expect(try await rabat.ask(.release(epoch: Epoch(7))).view.remaining > .zero)
        #expect(
            try await marrakech.ask(.release(epoch: Epoch(1))).view.remaining > .zero)
        #expect(
            try await marrakech.ask(ArbiterSite.change(1, takeOver)).outcome == .leaseHeld)
        #expect(try await rabat.ask(.release(epoch: Epoch(1))).view.remaining == .zero)
        #expect(try await marrakech.ask(ArbiterSite.change(1, takeOver)).outcome == .changed)
    }

    @Test("Questions asked twice, of an old version, or for another node")
    func duplicates() async throws {
        let etcd = try await RealEtcd()
        let rabat = try etcd.node(ArbiterSite.rabat)
        let marrakech = try etcd.node(ArbiterSite.marrakech)
        #expect(try await rabat.ask(ArbiterSite.change(0, first)).outcome == .changed)
        #expect(try await rabat.ask(ArbiterSite.change(0, first)).outcome == .changed)
        let degraded = ArbiterSite.record(2, 1, ArbiterSite.rabat, [ArbiterSite.rabat])
        #expect(try await rabat.ask(ArbiterSite.change(1, degraded)).outcome == .changed)
        #expect(try await rabat.ask(ArbiterSite.change(0, first)).outcome == .outdated)
        #expect(try await rabat.ask(ArbiterSite.renew(9)).outcome == .outdated)
        // A node whose memory of the keys is old finds out how they are.
        #expect(try await marrakech.ask(.read).view.record == degraded)
        let joined = ArbiterSite.record(3, 1, ArbiterSite.rabat)
        #expect(try await rabat.ask(ArbiterSite.change(2, joined)).outcome == .changed)
        let late = ArbiterSite.record(3, 2, ArbiterSite.marrakech)
        #expect(try await marrakech.ask(ArbiterSite.change(2, late)).outcome == .outdated)
        guard
            case .refused = try await marrakech.ask(ArbiterSite.change(3, joined)).outcome
        else {
            Issue.record("a node made another one primary")
            return
        }
    }

    @Test("A renewal that reaches etcd late cannot put an older lease in a newer one's place")
    func lateRenewal() async throws {
        let etcd = try await RealEtcd()
        let options = etcd.options()
        let keys = EtcdKeys(prefix: options.prefix)
        let rabat = try etcd.node(ArbiterSite.rabat)
        #expect(try await rabat.ask(ArbiterSite.change(0, first)).outcome == .changed)
        let gateway = try EtcdGateway(options)
        let soon = SystemClock.instant + .seconds(10)
        let range: EtcdRangeAnswer = try await gateway.call(
            "/v3/kv/range", keys.range, deadline: soon)
        let seen = try EtcdState(range, keys: keys, cluster: ArbiterSite.cluster)
        let grant: EtcdGrantAnswer = try await gateway.call(
            "/v3/lease/grant", EtcdGrantRequest(seconds: "2"), deadline: soon)
        let change = EtcdChange(
            .hold(ArbiterSite.rabat.node, Epoch(1)), committed: .zero, .granted)
        let transaction = try change.transaction(
            from: seen, lease: EtcdGrantedLease(identifier: grant.identifier, seconds: 2),
            keys: keys)
        // A newer renewal is faster.
        #expect(try await rabat.ask(ArbiterSite.renew(1)).outcome == .granted)
        let answer: EtcdTransactionAnswer = try await gateway.call(
            "/v3/kv/txn", transaction, deadline: soon)
        #expect(answer.succeeded != true)
        await gateway.shutdown()
    }

    @Test("A lease that etcd does not know is an error, which etcd survives")
    func unknownLease() async throws {
        let etcd = try await RealEtcd()
        let options = etcd.options()
        let gateway = try EtcdGateway(options)
        let change = EtcdChange(
            .hold(ArbiterSite.rabat.node, Epoch(1)), record: first, committed: .zero, .changed)
        let transaction = try change.transaction(
            from: EtcdState(cluster: ArbiterSite.cluster),
            lease: EtcdGrantedLease(identifier: "12345", seconds: 2),
            keys: EtcdKeys(prefix: options.prefix))
        await #expect(throws: EtcdProblem.self) {
            let _: EtcdTransactionAnswer = try await gateway.call(
                "/v3/kv/txn", transaction, deadline: SystemClock.instant + .seconds(5))
        }
        await gateway.shutdown()
        #expect(etcd.isRunning(0))
        let rabat = try etcd.node(ArbiterSite.rabat)
        #expect(try await rabat.ask(.read).view.record.version == 0)
    }

    @Test("Without a certificate that etcd trusts, and with a key that is not ours")
    func refused() async throws {
        let etcd = try await RealEtcd()
        let stranger = try EtcdNode(
            ArbiterSite.rabat, etcd.options(authority: "others", patience: .seconds(2)))
        guard case .failure = try await stranger.outcome(.read) else {
            Issue.record("a stranger was answered")
            return
        }
        let gateway = try EtcdGateway(etcd.options())
        let foreign = EtcdTransaction(
            compare: [],
            success: [
                .init(
                    put: .init(
                        key: Data("/sanad/test/record".utf8), value: Data("{}".utf8)))
            ], failure: [])
        let _: EtcdTransactionAnswer = try await gateway.call(
            "/v3/kv/txn", foreign, deadline: SystemClock.instant + .seconds(5))
        await gateway.shutdown()
        let rabat = try etcd.node(ArbiterSite.rabat)
        guard case .refused(let reason) = try await rabat.ask(.read).outcome else {
            Issue.record("a foreign value was taken for a record")
            return
        }
        #expect(reason.contains("/sanad/test/record"))
    }

    @Test("Three members: the first is silent, another is dead, and the leader changes")
    func endpoints() async throws {
        let etcd = try await RealEtcd(members: 3)
        let rabat = try etcd.node(ArbiterSite.rabat, patience: Limits.arbiterPatience)
        let marrakech = try etcd.node(ArbiterSite.marrakech)
        try await until("the first record") {
            (try? await rabat.ask(ArbiterSite.change(0, first)))?.outcome == .changed
        }
        // Stopped, not dead: its kernel still takes connections.
        etcd.signal(0, SIGSTOP)
        try await until("a renewal") {
            guard case .success(let answer) = try await rabat.outcome(ArbiterSite.renew(1)) else {
                return false
            }
            return answer.outcome == .granted
        }
        etcd.signal(0, SIGCONT)
        let leader = try await etcd.leader()
        etcd.kill(leader)
        let killed = SystemClock.instant
        var granted = Instant.zero
        try await until("a renewal through a new leader") {
            guard case .success(let answer) = try await rabat.outcome(ArbiterSite.renew(1)) else {
                return false
            }
            granted = SystemClock.instant
            return answer.outcome == .granted
        }
        #expect(granted.since(killed) < .seconds(15))
        #expect(
            try await marrakech.ask(ArbiterSite.change(1, takeOver)).outcome == .leaseHeld)
    }

    @Test("No etcd at all: each question fails in time, and the client lives on")
    func unreachable() async throws {
        let etcd = try await RealEtcd()
        let rabat = try etcd.node(ArbiterSite.rabat, patience: Limits.arbiterPatience)
        try await until("the first record") {
            (try? await rabat.ask(ArbiterSite.change(0, first)))?.outcome == .changed
        }
        etcd.signal(0, SIGSTOP)
        let began = SystemClock.instant
        let silent = try await rabat.outcome(ArbiterSite.renew(1))
        #expect(throws: ArbiterFailure.self) { try silent.get() }
        #expect(rabat.outcomes.delivered.since(began) < .seconds(4))
        etcd.signal(0, SIGCONT)
        try await until("an answer") { (try? await rabat.ask(.read)) != nil }
        etcd.kill(0)
        let dead = try await rabat.outcome(.read)
        #expect(throws: ArbiterFailure.self) { try dead.get() }
    }
}
