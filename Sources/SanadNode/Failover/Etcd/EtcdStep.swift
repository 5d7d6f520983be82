import Foundation
import SanadCore

/// What a question means at etcd, decided from what was read. Pure: no clock, no network.
enum EtcdStep: Equatable, Sendable {
    /// Nothing has to change.
    case answer(ArbiterAnswer.Outcome)
    /// One transaction, on the condition that record and holder are as they were read.
    case transact(EtcdChange)

    init(_ request: ArbiterRequest, _ state: EtcdState) {
        let node = request.identity.node
        let present = state.record
        let isMine = state.holder?.node == node.text
        let isFree = state.holder == nil || isMine
        switch request.kind {
        case .read: self = .answer(.seen)
        case .renew(let epoch, let committed):
            guard present.primary == node, present.epoch == epoch else {
                self = .answer(.outdated)
                return
            }
            self =
                isFree
                ? .transact(EtcdChange(.hold(node, epoch), committed: committed, .granted))
                : .answer(.leaseHeld)
        case .release(let epoch):
            guard isMine, state.holder?.epoch == epoch.value else {
                self = .answer(.seen)
                return
            }
            self = .transact(EtcdChange(.giveUp, committed: .zero, .seen))
        case .change(let expected, let new, let committed):
            guard new.primary == node else {
                self = .answer(.refused("\(node) may only make itself primary"))
                return
            }
            switch ArbiterRule.judge(
                expected: expected, new: new, present: present, isLeaseFree: isFree)
            {
            case .outdated: self = .answer(.outdated)
            case .leaseHeld: self = .answer(.leaseHeld)
            // A holder without its record: an operator deleted that key. Its lease counts all the
            // same.
            case .accept where !isFree, .repeated where !isFree: self = .answer(.leaseHeld)
            case .accept:
                self = .transact(
                    EtcdChange(.hold(node, new.epoch), record: new, committed: committed, .changed))
            case .repeated:
                self = .transact(
                    EtcdChange(.hold(node, new.epoch), committed: committed, .changed))
            }
        }
    }
}

/// A change of the three keys that is made whole or not at all.
struct EtcdChange: Equatable, Sendable {
    enum Lease: Equatable, Sendable {
        /// Put `holder` with a lease that was granted for this.
        case hold(NodeName, Epoch)
        /// Delete `holder`.
        case giveUp
    }

    var lease: Lease
    /// Nil: the record stays.
    var record: ClusterRecord?
    var committed: Sequence
    /// What the asker is told once it is made.
    var outcome: ArbiterAnswer.Outcome

    init(
        _ lease: Lease, record: ClusterRecord? = nil, committed: Sequence,
        _ outcome: ArbiterAnswer.Outcome
    ) {
        self.lease = lease
        self.record = record
        self.committed = committed
        self.outcome = outcome
    }

    /// The state that it leaves, at etcd's revision `revision`.
    func applied(to state: EtcdState, revision: UInt64, ttl: UInt64) -> EtcdState {
        var state = state
        state.committed = ArbiterRule.mark(
            committed, of: record ?? state.record, present: state.committed, of: state.record)
        if let record {
            state.record = record
            state.recordRevision = revision
        }
        switch lease {
        case .hold(let node, let epoch):
            state.holder = EtcdHolder(node: node.text, epoch: epoch.value, seconds: ttl)
            state.holderRevision = revision
        case .giveUp:
            state.holder = nil
            state.holderRevision = 0
        }
        return state
    }

    /// - Parameter lease: the lease to hold by, nil for none.
    func transaction(
        from state: EtcdState, lease granted: EtcdGrantedLease?, keys: EtcdKeys
    ) throws -> EtcdTransaction {
        let next = applied(to: state, revision: 0, ttl: granted?.seconds ?? 0)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        var success: [EtcdTransaction.Operation] = []
        func put(_ key: Data, _ value: Data, _ lease: String? = nil) {
            success.append(.init(put: .init(key: key, value: value, lease: lease)))
        }
        if let record { put(keys.record, try encoder.encode(EtcdRecord(record))) }
        if let holder = next.holder {
            put(keys.holder, try encoder.encode(holder), granted?.identifier)
        } else {
            success.append(.init(delete: .init(key: keys.holder)))
        }
        if next.committed != state.committed {
            put(keys.mark, Data(String(next.committed.value).utf8))
        }
        return EtcdTransaction(
            compare: [
                .init(key: keys.record, modRevision: String(state.recordRevision)),
                .init(key: keys.holder, modRevision: String(state.holderRevision)),
            ], success: success, failure: [.init(range: keys.range)])
    }
}

/// A lease that etcd granted, not yet attached to anything or attached to `holder`.
struct EtcdGrantedLease: Equatable, Sendable {
    var identifier: String
    var seconds: UInt64
}
