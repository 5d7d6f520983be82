/// A node's question to the arbiter.
///
/// Byte table: `docs/formats/wire.md`. A question may be asked again, arrive twice or arrive late:
/// the answer is then the same or a refusal, and never grants more than the asker counts.
public struct ArbiterRequest: Hashable, Sendable {
    public enum Kind: Hashable, Sendable {
        /// What does the record say?
        case read
        /// The primary of `epoch` asks for a lease, and tells how far it has committed.
        case renew(epoch: Epoch, committed: Sequence)
        /// Compare-and-set: `record` in place of the version `expected`; `ArbiterRule` says when
        /// it is accepted, and what the committed mark is then.
        case change(expected: UInt64, record: ClusterRecord, committed: Sequence)
        /// The primary of `epoch` gives its lease up.
        case release(epoch: Epoch)
    }

    public var cluster: Identifier
    public var identity: StoreIdentity
    /// The asker's own clock when it sent this; comes back in the answer and names the question.
    public var sent: Instant
    /// How long the arbiter has to wait, from its answer, before it lets another node take over.
    public var wait: Span
    public var kind: Kind

    public init(
        cluster: Identifier, identity: StoreIdentity, sent: Instant, wait: Span, kind: Kind
    ) {
        self.cluster = cluster
        self.identity = identity
        self.sent = sent
        self.wait = wait
        self.kind = kind
    }
}

/// What the arbiter holds, at the moment of an answer.
public struct ArbiterView: Hashable, Sendable {
    public var record: ClusterRecord
    /// The highest position that a primary told with a renewal: who ends before it lacks something.
    public var committed: Sequence
    /// Until the present primary's lease has certainly ended; zero when it holds none.
    public var remaining: Span

    public init(record: ClusterRecord, committed: Sequence, remaining: Span) {
        self.record = record
        self.committed = committed
        self.remaining = remaining
    }
}

public struct ArbiterAnswer: Hashable, Sendable {
    public enum Outcome: Hashable, Sendable {
        /// The answer to `read` and `release`.
        case seen
        /// The asker has a lease; it counts from `echo`.
        case granted
        /// The record is now the proposed one, and its primary has a lease from `echo`.
        case changed
        /// The record moved on, or names somebody else: it will never be changed as asked.
        case outdated
        /// Another node's lease has not ended; it may be asked again when it has.
        case leaseHeld
        /// The arbiter serves another cluster, or does not know the asker.
        case refused(String)
    }

    /// `ArbiterRequest.sent`, as it came.
    public var echo: Instant
    public var outcome: Outcome
    public var view: ArbiterView
    /// How long a granted lease lasts, for an arbiter that gives less than was asked for; nil: as
    /// long as the asker's configuration says. A witness always grants that, so it is not on the
    /// wire.
    public var leaseLength: Span?

    public init(
        echo: Instant, outcome: Outcome, view: ArbiterView, leaseLength: Span? = nil
    ) {
        self.echo = echo
        self.outcome = outcome
        self.view = view
        self.leaseLength = leaseLength
    }
}

/// The rule of compare-and-set that every arbiter keeps, whatever it stores the record in.
public enum ArbiterRule {
    public enum Verdict: Hashable, Sendable {
        case accept
        /// The change was made before: the question was asked twice.
        case repeated
        case outdated
        case leaseHeld
    }

    /// - Parameter isLeaseFree: the lease of the present record's primary has ended.
    public static func judge(
        expected: UInt64, new: ClusterRecord, present: ClusterRecord, isLeaseFree: Bool
    ) -> Verdict {
        if new == present { return .repeated }
        guard present.version == expected, new.version > expected, new.epoch >= present.epoch,
            new.cluster == present.cluster
        else { return .outdated }
        // Another primary is another reign: a question of before the arbiter lost its store can meet
        // the version that it names once more.
        guard new.primary == present.primary || new.epoch > present.epoch else { return .outdated }
        let keepsPrimary = present.primary == nil || new.primary == present.primary
        return keepsPrimary || isLeaseFree ? .accept : .leaseHeld
    }

    /// The committed mark after an accepted change: within a reign it only grows; who begins one
    /// says what there is.
    public static func mark(
        _ told: Sequence, of new: ClusterRecord, present: Sequence, of before: ClusterRecord
    ) -> Sequence {
        new.epoch > before.epoch ? told : max(present, told)
    }
}
