import Foundation
import SanadCore
import Testing

@testable import SanadNode

/// What a question means at etcd, and the exact transaction that it becomes.
@Suite("Decisions of etcd's client")
struct EtcdStepTests {
    private let first = ArbiterSite.record(1, 1, ArbiterSite.rabat)
    private let takeOver = ArbiterSite.record(
        2, 2, ArbiterSite.marrakech, [ArbiterSite.marrakech])

    private func state(holder: String?, record: ClusterRecord? = nil) -> EtcdState {
        var state = EtcdState(cluster: ArbiterSite.cluster)
        state.record = record ?? first
        state.recordRevision = 5
        state.holder = holder.map { EtcdHolder(node: $0, epoch: 1, seconds: 2) }
        state.holderRevision = holder == nil ? 0 : 8
        state.committed = Sequence(40)
        return state
    }

    private func step(
        _ kind: ArbiterRequest.Kind, from store: StoreIdentity = ArbiterSite.rabat,
        _ state: EtcdState
    ) -> EtcdStep {
        EtcdStep(ArbiterSite.question(kind, from: store), state)
    }

    @Test("A read and questions that etcd's state answers")
    func answers() {
        #expect(step(.read, state(holder: "rabat")) == .answer(.seen))
        #expect(step(ArbiterSite.renew(2), state(holder: nil)) == .answer(.outdated))
        #expect(
            step(ArbiterSite.renew(1), from: ArbiterSite.marrakech, state(holder: nil))
                == .answer(.outdated))
        #expect(step(.release(epoch: Epoch(1)), state(holder: nil)) == .answer(.seen))
        #expect(step(.release(epoch: Epoch(2)), state(holder: "rabat")) == .answer(.seen))
        let change = ArbiterSite.change(1, takeOver)
        #expect(
            step(change, from: ArbiterSite.marrakech, state(holder: "rabat"))
                == .answer(.leaseHeld))
        #expect(
            step(ArbiterSite.change(0, takeOver), from: ArbiterSite.marrakech, state(holder: nil))
                == .answer(.outdated))
    }

    @Test("Another node's lease counts, whatever became of the record")
    func lostRecord() {
        let empty = ClusterRecord.initial(cluster: ArbiterSite.cluster)
        #expect(
            step(
                ArbiterSite.change(0, takeOver), from: ArbiterSite.marrakech,
                state(holder: "rabat", record: empty)) == .answer(.leaseHeld))
        #expect(
            step(
                ArbiterSite.change(0, takeOver), from: ArbiterSite.marrakech,
                state(holder: nil, record: empty))
                == .transact(
                    EtcdChange(
                        .hold(ArbiterSite.marrakech.node, Epoch(2)), record: takeOver,
                        committed: .zero, .changed)))
    }

    @Test("An own renewal, release, change, and a change that was made before")
    func changes() {
        let mine = state(holder: "rabat")
        let hold = EtcdChange.Lease.hold(ArbiterSite.rabat.node, Epoch(1))
        #expect(
            step(ArbiterSite.renew(1, committed: 41), mine)
                == .transact(EtcdChange(hold, committed: Sequence(41), .granted)))
        #expect(
            step(.release(epoch: Epoch(1)), mine)
                == .transact(EtcdChange(.giveUp, committed: .zero, .seen)))
        let degraded = ArbiterSite.record(2, 1, ArbiterSite.rabat, [ArbiterSite.rabat])
        #expect(
            step(ArbiterSite.change(1, degraded), mine)
                == .transact(EtcdChange(hold, record: degraded, committed: .zero, .changed)))
        #expect(
            step(ArbiterSite.change(0, first), mine)
                == .transact(EtcdChange(hold, committed: .zero, .changed)))
    }

    @Test("The transaction names both revisions, and never takes the mark back")
    func transaction() throws {
        let keys = EtcdKeys(prefix: "/p/")
        let change = EtcdChange(
            .hold(ArbiterSite.rabat.node, Epoch(1)), committed: Sequence(39), .granted)
        let transaction = try change.transaction(
            from: state(holder: "rabat"),
            lease: EtcdGrantedLease(identifier: "77", seconds: 2), keys: keys)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let text = String(decoding: try encoder.encode(transaction), as: UTF8.self)
        func base64(_ text: String) -> String { Data(text.utf8).base64EncodedString() }
        let holder = #"{"epoch":1,"node":"rabat","ttl_seconds":2}"#
        #expect(
            text == #"{"compare":["#
                + #"{"key":"\#(base64("/p/record"))","mod_revision":"5","result":"EQUAL","#
                + #""target":"MOD"},"#
                + #"{"key":"\#(base64("/p/holder"))","mod_revision":"8","result":"EQUAL","#
                + #""target":"MOD"}],"#
                + #""failure":[{"request_range":{"key":"\#(base64("/p/"))","#
                + #""range_end":"\#(base64("/p0"))"}}],"#
                + #""success":[{"request_put":{"key":"\#(base64("/p/holder"))","#
                + #""lease":"77","value":"\#(base64(holder))"}}]}"#)
    }

    @Test("The record in etcd is JSON that is read back the same, and damage is refused")
    func record() throws {
        let keys = EtcdKeys(prefix: "/p/")
        func state(_ value: Data, key: Data? = nil) throws(EtcdProblem) -> EtcdState {
            try EtcdState(
                EtcdRangeAnswer(kvs: [
                    EtcdKeyValue(key: key ?? keys.record, value: value, modRevision: "9")
                ]), keys: keys, cluster: ArbiterSite.cluster)
        }
        var record = first
        record.since.hash = ChainHash(word0: .max, word1: 0, word2: 0xAB, word3: 1 << 60)
        record.epoch = Epoch(.max)
        let value = try JSONEncoder().encode(EtcdRecord(record))
        let read = try state(value)
        #expect(read.record == record)
        #expect(read.recordRevision == 9)
        let text = String(decoding: value, as: UTF8.self)
        for (old, new) in [
            ("rabat", "Rabat"), ("\"version\":1", "\"version\":-1"),
            (record.since.hash.description, "00"), (ArbiterSite.cluster.description, "1"),
            ("{", ""),
        ] {
            #expect(throws: EtcdProblem.self) {
                try state(Data(text.replacing(old, with: new).utf8))
            }
        }
        #expect(throws: EtcdProblem.self) { try state(Data("x".utf8), key: keys.mark) }
        #expect(throws: EtcdProblem.self) { try state(Data("{}".utf8), key: keys.holder) }
    }

    @Test("The queue keeps one question of each kind, and the order of the rest")
    func queue() {
        var queue = ArbiterQueue(patience: .seconds(1))
        let start = Instant(nanoseconds: 1_000)
        let kinds: [ArbiterRequest.Kind] = [
            ArbiterSite.renew(1), .read, ArbiterSite.change(1, takeOver), .release(epoch: .zero),
            ArbiterSite.renew(2), .read,
        ]
        for (index, kind) in kinds.enumerated() {
            queue.add(ArbiterSite.question(kind), now: start + .milliseconds(UInt64(index)))
        }
        #expect(
            queue.waiting.map(\.request.kind) == [
                ArbiterSite.change(1, takeOver), .release(epoch: .zero), ArbiterSite.renew(2),
                .read,
            ])
        let late = queue.expired(at: start + .milliseconds(1_003))
        #expect(late.map(\.request.kindNumber) == [2, 3])
        #expect(queue.next { $0.kindNumber == 0 }?.request.kind == .read)
        #expect(queue.next()?.request.kind == ArbiterSite.renew(2))
        #expect(queue.next() == nil)
    }
}
