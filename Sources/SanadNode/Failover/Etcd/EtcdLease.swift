import SanadCore

/// The arithmetic of leases at etcd, which have whole seconds.
///
/// etcd looks for expired leases every 500 ms and removes them through consensus. Its lease is a
/// second shorter than the nodes' own, so that as a rule it has gone by the time at which the
/// standby's grant ends, and a failover waits for the grant alone.
struct EtcdLease: Sendable, Equatable {
    /// What etcd's expiry may need beyond the lease: its check every 500 ms, and consensus.
    static let margin = Span.seconds(1)
    /// etcd's own minimum with its default election timeout: 15 ticks of 100 ms, rounded up.
    static let secondsMinimum: UInt64 = 2
    static let leaseMinimum = margin + .seconds(secondsMinimum)
    /// Time between two checks of etcd for expired leases.
    static let checkInterval = Span.milliseconds(500)

    /// What is asked for.
    let seconds: UInt64
    let driftPartsPerMillion: UInt64

    /// - Parameter lease: the nodes' lease, at least `leaseMinimum`.
    init(lease: Span, driftPartsPerMillion: UInt64) {
        let whole = max(lease.nanoseconds, Self.leaseMinimum.nanoseconds) - Self.margin.nanoseconds
        seconds = whole / 1_000_000_000
        self.driftPartsPerMillion = driftPartsPerMillion
    }

    /// How long the primary may count on a lease of so many seconds, from the sending of the
    /// request for it: etcd's clock may be faster than the primary's by the drift.
    func length(grantedSeconds: UInt64) -> Span {
        Span.seconds(grantedSeconds).withoutDrift(partsPerMillion: driftPartsPerMillion)
    }
}
