public import SanadCore
import Synchronization

/// What must hold of one record for a transaction to be applied.
public struct Condition: Sendable {
    public enum Expectation: Sendable, Equatable {
        /// `If-None-Match: *`
        case absent
        /// `If-Match: *`
        case present
        /// `If-Match: "<sequence>"`
        case sequence(Sequence)
    }

    public var collection: [UInt8]
    public var key: [UInt8]
    public var expectation: Expectation

    public init(collection: [UInt8], key: [UInt8], expectation: Expectation) {
        self.collection = collection
        self.key = key
        self.expectation = expectation
    }
}

/// A transaction on its way from an edge to the commit thread.
public struct WriteRequest: Sendable {
    public var transaction: TransactionBytes
    public var conditions: [Condition]
    /// The client's `Idempotency-Key`, 1 to 128 bytes, or nil.
    public var idempotencyKey: String?
    /// What the key stands for; nil without a key.
    public var fingerprint: WriteFingerprint?
    /// Where the outcome goes.
    public var outbox: WriteOutbox
    /// Names the request to its outbox.
    public var ticket: UInt64

    public init(
        transaction: TransactionBytes, conditions: [Condition] = [], idempotencyKey: String? = nil,
        outbox: WriteOutbox, ticket: UInt64
    ) {
        self.transaction = transaction
        self.conditions = conditions
        self.idempotencyKey = idempotencyKey
        fingerprint = idempotencyKey.map { _ in
            WriteFingerprint(transaction, conditions: conditions)
        }
        self.outbox = outbox
        self.ticket = ticket
    }
}

/// Where an acknowledged transaction is durable.
public enum Durability: String, Sendable, Codable {
    case bothSites = "both-sites"
    case oneSite = "one-site"
}

/// Whom to ask instead of this node.
public struct PrimaryHint: Sendable, Equatable {
    public var epoch: Epoch
    /// Nil when no primary is known.
    public var node: NodeName?
    /// The records API of that node, as the configuration gives it, for example
    /// `https://marrakech.example:7401`.
    public var url: String?

    public init(epoch: Epoch, node: NodeName?, url: String?) {
        self.epoch = epoch
        self.node = node
        self.url = url
    }
}

/// What became of a write.
public enum WriteOutcome: Sendable {
    /// Acknowledged.
    case committed(epoch: Epoch, sequence: Sequence, durability: Durability)
    /// Condition `index` (from 0) does not hold; `current` is the record's sequence, nil when it is
    /// absent. Nothing was written.
    case conditionFailed(index: Int, current: Sequence?)
    /// This node is not the primary, or has no lease now. Nothing was written.
    case notPrimary(PrimaryHint, reason: String)
    /// The node lost the primary role, or ran out of time, after the write entered the log: it may
    /// or may not survive. Retry with the same `Idempotency-Key`.
    case unknown(PrimaryHint, reason: String)
    /// The same idempotency key was used for an earlier transaction, which got this sequence.
    case repeated(epoch: Epoch, sequence: Sequence, durability: Durability)
    /// The same idempotency key was used for another transaction, which got this sequence. Nothing
    /// was written.
    case keyReused(sequence: Sequence)
    /// The disk refused. The node stops being primary.
    case failed(reason: String)
}

/// Outcomes on their way back to one event loop.
///
/// The commit thread delivers a whole batch and wakes the loop once.
public final class WriteOutbox: Sendable {
    public struct Delivery: Sendable {
        public var ticket: UInt64
        public var outcome: WriteOutcome
        /// The end of the lease under which the outcome is an acknowledgement: who finds it later,
        /// after a pause, does not pass it on.
        public var validUntil = Instant.never

        public init(ticket: UInt64, outcome: WriteOutcome, validUntil: Instant = .never) {
            self.ticket = ticket
            self.outcome = outcome
            self.validUntil = validUntil
        }
    }

    private let deliveries = Mutex<[Delivery]>([])
    private let wake: @Sendable () -> Void

    /// - Parameter wake: called without a lock when the first delivery of a round arrives; it
    ///   schedules one `drain` on the owner's loop.
    public init(wake: @escaping @Sendable () -> Void) { self.wake = wake }

    public func deliver(_ batch: [Delivery]) {
        let wasEmpty = deliveries.withLock { deliveries in
            let wasEmpty = deliveries.isEmpty
            deliveries.append(contentsOf: batch)
            return wasEmpty
        }
        if wasEmpty, !batch.isEmpty { wake() }
    }

    public func drain() -> [Delivery] {
        deliveries.withLock { deliveries in
            var drained: [Delivery] = []
            swap(&drained, &deliveries)
            return drained
        }
    }
}

/// Why a request did not enter the commit queue.
public enum SubmitRefusal: Error, Sendable, Equatable {
    /// Too many requests or bytes wait: 503 and `Retry-After`.
    case queueFull
    /// The node is stopping.
    case stopping
    /// Known without asking the commit thread.
    case notPrimary(PrimaryHint, reason: String)
}
