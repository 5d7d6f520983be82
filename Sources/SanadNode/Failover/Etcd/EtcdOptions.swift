import SanadCore

/// What a client of etcd is told once.
struct EtcdOptions: Sendable {
    var cluster: Identifier
    var endpoints: [Endpoint]
    var authority: String
    var certificate: String
    var privateKey: String
    /// Ends with a slash.
    var prefix: String
    var lease: EtcdLease
    /// How long a question may take.
    var patience = Limits.arbiterPatience
}

extension EtcdOptions {
    init(
        _ etcd: NodeConfiguration.Etcd, _ failover: NodeConfiguration.Failover,
        cluster: Identifier
    ) {
        self.init(
            cluster: cluster, endpoints: etcd.endpoints, authority: etcd.authority,
            certificate: etcd.certificate, privateKey: etcd.privateKey, prefix: etcd.prefix,
            lease: EtcdLease(
                lease: failover.lease, driftPartsPerMillion: failover.driftPartsPerMillion))
    }
}
