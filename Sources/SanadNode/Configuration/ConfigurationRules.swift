import SanadCore

/// What must hold between keys. Each rule looks only at values that could be read, so that it runs
/// beside the errors of single values.
struct ConfigurationRules {
    private let values: ConfigurationValues
    private(set) var problems: [ConfigurationProblem] = []
    private(set) var warnings: [ConfigurationProblem] = []

    init(_ values: ConfigurationValues) {
        self.values = values
        if values.role == .witness {
            checkWitness()
        } else {
            checkArbiter()
        }
        checkTiming()
        checkDegrading()
        checkLoss()
        checkRetention()
        checkNames()
        checkAddresses()
        checkPair("records.tls.certificate", "records.tls.private_key")
        checkPair("operations.tls.certificate", "operations.tls.private_key")
        warnOfPlainListeners()
        warnOfAsynchronousFailover()
    }

    /// The heartbeats that must fit into one lease: two may be lost without a fence.
    static let heartbeatsPerLease: UInt64 = 4

    private mutating func checkTiming() {
        guard let heartbeat = values.span("failover.heartbeat"),
            let lease = values.span("failover.lease")
        else { return }
        let least = heartbeat * Self.heartbeatsPerLease
        guard lease < least else { return }
        fail(
            "failover.lease",
            "\(Units.text(lease)) is shorter than \(Self.heartbeatsPerLease) heartbeats: "
                + "\(Self.heartbeatsPerLease) × \(Units.text(heartbeat)) = \(Units.text(least)); "
                + "make the lease at least \(Units.text(least)), or the heartbeat at most "
                + Units.text(lease / Self.heartbeatsPerLease),
            or: "failover.heartbeat")
    }

    /// The heartbeats that a standby may miss before the primary goes on alone: a single lost
    /// packet is no loss of the standby.
    static let heartbeatsBeforeDegrading: UInt64 = 2

    private mutating func checkDegrading() {
        guard let heartbeat = values.span("failover.heartbeat"),
            let after = values.span("failover.degrade_after")
        else { return }
        let least = heartbeat * Self.heartbeatsBeforeDegrading
        guard after < least else { return }
        fail(
            "failover.degrade_after",
            "\(Units.text(after)) is shorter than \(Self.heartbeatsBeforeDegrading) heartbeats: "
                + "\(Self.heartbeatsBeforeDegrading) × \(Units.text(heartbeat)) = "
                + Units.text(least))
    }

    private mutating func checkLoss() {
        guard let loss = values.number("failover.max_loss"), loss > 0,
            values.text("replication.mode") == "sync"
        else { return }
        fail(
            "failover.max_loss",
            "\(loss) has no meaning with replication.mode: sync, which loses nothing; "
                + "set it to 0, or replication.mode: async")
    }

    /// The file being written and the one before it are never removed.
    static let segmentsRetained: UInt64 = 4

    private mutating func checkRetention() {
        guard let maximum = values.number("retention.maximum_bytes"),
            let segment = values.number("store.segment_size")
        else { return }
        let least = segment * Self.segmentsRetained
        guard maximum < least else { return }
        fail(
            "retention.maximum_bytes",
            "\(Units.text(bytes: maximum)) is less than \(Self.segmentsRetained) files of the log: "
                + "\(Self.segmentsRetained) × \(Units.text(bytes: segment)) = "
                + Units.text(bytes: least), or: "store.segment_size")
    }

    private mutating func checkWitness() {
        guard let members = values.nodeNames("witness.members") else {
            if values.line("witness.members") == nil {
                fail("witness.members", "is missing: the two data nodes, for example [rabat, fes]")
            }
            return
        }
        if let own = values.nodeName("node.name"), members.contains(own) {
            fail("witness.members", "\"\(own)\" is the witness itself; name the two data nodes")
        }
    }

    private static let arbiterKeys = [
        "witness": ["witness.name", "witness.address"],
        "etcd": ["etcd.endpoints", "etcd.ca", "etcd.certificate", "etcd.key"],
    ]

    private mutating func checkArbiter() {
        guard let arbiter = values.text("failover.arbiter") else { return }
        for key in Self.arbiterKeys[arbiter] ?? [] where values.isAbsent(key) {
            fail(key, "is missing: failover.arbiter is \(arbiter)", or: "failover.arbiter")
        }
        for (other, keys) in Self.arbiterKeys.sorted(by: { $0.key < $1.key })
        where other != arbiter {
            for key in keys where values.line(key) != nil {
                fail(key, "has no meaning with failover.arbiter: \(arbiter); take it out")
            }
        }
        if arbiter == "witness", let name = values.nodeName("witness.name"),
            name == values.nodeName("node.name") || name == values.nodeName("peer.name")
        {
            fail("witness.name", "\"\(name)\" is a data node; the witness is a third one")
        }
        if arbiter == "etcd" { checkEtcdLease() }
    }

    private mutating func checkEtcdLease() {
        guard let lease = values.span("failover.lease"), lease < EtcdLease.leaseMinimum else {
            return
        }
        fail(
            "failover.lease",
            "\(Units.text(lease)) is too short for etcd: a lease of etcd has whole seconds, at "
                + "least \(EtcdLease.secondsMinimum) s, and has to end \(Units.text(EtcdLease.margin)) "
                + "before the standby's own grant: \(EtcdLease.secondsMinimum)s + "
                + "\(Units.text(EtcdLease.margin)) = \(Units.text(EtcdLease.leaseMinimum))",
            or: "failover.arbiter")
    }

    private mutating func checkNames() {
        guard let own = values.nodeName("node.name"), own == values.nodeName("peer.name") else {
            return
        }
        fail("peer.name", "\"\(own)\" is this node's own name; name the other node")
    }

    private mutating func checkAddresses() {
        let listeners = ["link.listen", "records.listen", "operations.listen"]
        for (index, name) in listeners.enumerated() {
            guard let address = values.endpoint(name) else { continue }
            for earlier in listeners[..<index] {
                guard let other = values.endpoint(earlier), address.overlaps(other) else {
                    continue
                }
                fail(name, "\(address) is taken by \(earlier) (\(other))", or: earlier)
            }
        }
        guard let host = values.text("peer.host"), let port = values.integer("peer.port"),
            let link = values.endpoint("link.listen")
        else { return }
        let peer = Endpoint(host: host, port: port)
        if peer.isWildcard {
            fail("peer.host", "\(host) is no host's address; write the other node's")
        } else if peer == link || (peer.isLoopback && peer.overlaps(link)) {
            fail("peer.host", "\(peer) is this node's own link; write the other node's")
        }
    }

    private mutating func checkPair(_ certificate: String, _ privateKey: String) {
        switch (values.text(certificate), values.text(privateKey)) {
        case (.some, nil) where values.line(privateKey) == nil:
            fail(privateKey, "is missing: \(certificate) is set", or: certificate)
        case (nil, .some) where values.line(certificate) == nil:
            fail(certificate, "is missing: \(privateKey) is set", or: privateKey)
        default: break
        }
    }

    private mutating func warnOfPlainListeners() {
        for section in ["records", "operations"] {
            guard let listen = values.endpoint("\(section).listen"), !listen.isLoopback,
                values.line("\(section).tls.certificate") == nil
            else { continue }
            let content =
                section == "records" ? "records cross the network unencrypted" : "anybody can read"
            warnings.append(
                ConfigurationProblem(
                    line: values.line("\(section).listen"), key: "\(section).listen",
                    message: "\(listen) is plain HTTP on the network: \(content); set "
                        + "\(section).tls.certificate and private_key, or listen on 127.0.0.1"))
        }
    }

    private mutating func warnOfAsynchronousFailover() {
        guard values.text("replication.mode") == "async",
            values.text("failover.mode") != "manual", values.number("failover.max_loss") == 0
        else { return }
        warnings.append(
            ConfigurationProblem(
                line: values.line("replication.mode"), key: "replication.mode",
                message: "in async mode the standby may lack acknowledged writes, so it never "
                    + "promotes itself; set failover.max_loss to what may be lost, or "
                    + "failover.mode: manual and fail over with sanadctl promote"))
    }

    /// - Parameter or: the key whose line is told when the first one is a default.
    private mutating func fail(_ key: String, _ message: String, or other: String? = nil) {
        let line = values.line(key) ?? other.flatMap { values.line($0) }
        problems.append(ConfigurationProblem(line: line, key: key, message: message))
    }
}
