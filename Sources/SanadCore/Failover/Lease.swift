/// The primary's right to acknowledge, for a bounded time on its own monotonic clock.
///
/// Each granter has its own expiry, and the latest one counts; with the arbiter `none` the standby
/// is the only granter. Source of the rule "count from the sending, grant from the answer":
/// C. Gray, D. Cheriton, "Leases", SOSP 1989.
public struct Lease: Hashable, Sendable {
    /// When the right given by the standby ends; `.zero` when there is none.
    public private(set) var standbyExpiry = Instant.zero
    /// When the right given by an arbiter ends; `.zero` when there is none.
    public private(set) var arbiterExpiry = Instant.zero

    public init() {}

    public var expires: Instant { max(standbyExpiry, arbiterExpiry) }

    public func holds(at now: Instant) -> Bool { now < expires }

    /// The standby granted a request that was sent at `sent`.
    public mutating func standbyGranted(sent: Instant, length: Span) {
        standbyExpiry = max(standbyExpiry, sent + length)
    }

    /// The arbiter granted a request that was sent at `sent`.
    public mutating func arbiterGranted(sent: Instant, length: Span) {
        arbiterExpiry = max(arbiterExpiry, sent + length)
    }
}

/// The granter's side: until when this node has promised not to take the primary role.
public struct Grant: Hashable, Sendable {
    public private(set) var expires: Instant

    /// A granter that has just started does not know its last grant any more, and waits a whole one
    /// out.
    public init(startedAt now: Instant, wait: Span) { expires = now + wait }

    public mutating func give(at now: Instant, wait: Span) { expires = max(expires, now + wait) }

    /// The primary gave up its role in words of its own: nothing is left to wait for.
    public mutating func release() { expires = .zero }

    public func hasExpired(at now: Instant) -> Bool { now >= expires }
}
