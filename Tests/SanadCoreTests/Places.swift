import Testing

@testable import SanadCore

/// The cluster that the tests of failover and replication speak of: two sites and their stores.
enum Places {
    static let cluster = Identifier(high: 7, low: 7)
    static let rabat = identity("rabat", 1)
    static let marrakech = identity("marrakech", 2)
    /// As the configuration's defaults have it: 3 s, and 1 % for the clocks.
    static let timing = Timing(
        heartbeat: .milliseconds(500), lease: .seconds(3), grantWait: .milliseconds(3_030))

    static func name(_ text: String) -> NodeName {
        guard let name = NodeName(text) else { preconditionFailure("not a name: \(text)") }
        return name
    }

    static func identity(_ text: String, _ store: UInt64) -> StoreIdentity {
        StoreIdentity(node: name(text), store: Identifier(high: 1, low: store))
    }

    static func record(
        _ version: UInt64, epoch: UInt64, _ primary: StoreIdentity,
        inSync: [StoreIdentity] = [rabat, marrakech]
    ) -> ClusterRecord {
        ClusterRecord(
            cluster: cluster, version: version, epoch: Epoch(epoch), primary: primary.node,
            inSync: inSync, since: .origin)
    }
}

extension Instant {
    /// So many milliseconds on a clock that began at zero.
    static func at(_ milliseconds: UInt64) -> Instant { .zero + .milliseconds(milliseconds) }
}
