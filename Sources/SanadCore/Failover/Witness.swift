/// The witness's decisions: the record, and one lease on it.
///
/// It is pure, like `Replica`: the caller makes `durable` durable before it sends the answer.
public struct Witness: Sendable {
    /// What survives a restart.
    public struct Durable: Hashable, Sendable {
        public var record: ClusterRecord
        public var committed: Sequence

        public init(record: ClusterRecord, committed: Sequence) {
            self.record = record
            self.committed = committed
        }
    }

    public private(set) var durable: Durable
    /// Until then nobody but the present primary may take the role.
    public private(set) var leaseEnds: Instant
    /// The nodes that may ask; a certificate names the asker.
    public let members: Set<NodeName>

    /// - Parameter wait: the longest lease that may have been granted before a restart, with the
    ///   drift: a witness that has started does not know its last grant any more.
    public init(durable: Durable, members: Set<NodeName>, now: Instant, wait: Span) {
        self.durable = durable
        self.members = members
        leaseEnds = now + wait
    }

    /// Answers one question.
    ///
    /// - Parameter sender: the node that the connection's certificate names.
    /// - Returns: the answer, and whether `durable` changed and must be saved before it is sent.
    public mutating func answer(
        _ request: ArbiterRequest, from sender: NodeName, now: Instant
    ) -> (answer: ArbiterAnswer, save: Bool) {
        let before = durable
        let outcome =
            objection(to: request, from: sender).map { .refused($0) }
            ?? decide(request, now: now)
        let view = ArbiterView(
            record: durable.record, committed: durable.committed,
            remaining: leaseEnds.since(now))
        let answer = ArbiterAnswer(echo: request.sent, outcome: outcome, view: view)
        return (answer, durable != before)
    }

    private func objection(to request: ArbiterRequest, from sender: NodeName) -> String? {
        if request.cluster != durable.record.cluster {
            return "this witness serves cluster \(durable.record.cluster)"
        }
        if sender != request.identity.node || !members.contains(sender) {
            return "\(sender) is not one of this witness's nodes, or speaks for another"
        }
        if case .change(_, let new, _) = request.kind, new.primary != sender {
            return "\(sender) may only make itself primary"
        }
        return nil
    }

    private mutating func decide(
        _ request: ArbiterRequest, now: Instant
    ) -> ArbiterAnswer.Outcome {
        let record = durable.record
        switch request.kind {
        case .read: return .seen
        case .renew(let epoch, let committed):
            guard record.primary == request.identity.node, record.epoch == epoch else {
                return .outdated
            }
            durable.committed = max(durable.committed, committed)
            leaseEnds = max(leaseEnds, now + request.wait)
            return .granted
        case .release(let epoch):
            if record.primary == request.identity.node, record.epoch == epoch { leaseEnds = now }
            return .seen
        case .change(let expected, let new, let committed):
            let verdict = ArbiterRule.judge(
                expected: expected, new: new, present: record, isLeaseFree: now >= leaseEnds)
            switch verdict {
            case .outdated: return .outdated
            case .leaseHeld: return .leaseHeld
            case .accept:
                durable.committed = ArbiterRule.mark(
                    committed, of: new, present: durable.committed, of: record)
                durable.record = new
            case .repeated: break
            }
            guard new.primary == request.identity.node else { return .changed }
            leaseEnds = max(leaseEnds, now + request.wait)
            return .changed
        }
    }
}
