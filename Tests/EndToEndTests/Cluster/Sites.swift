import Foundation
import SanadCore
import SanadLink
import SanadNode
import SanadTestSupport
import Testing

@testable import sanad_bench

/// The third voice of a test's cluster.
enum ThirdVoice: Equatable {
    case none
    case witness
    case etcd(members: Int)
}

/// Two sites as real processes on loopback, with real certificates, stores and signals, and an
/// arbiter as a process as well. The link, and each site's way to a witness, go through a proxy that
/// cuts and delays.
final class Sites {
    let directory: String
    let cluster = Identifier.random()
    let rabat: Site
    let marrakech: Site
    /// Marrakech dials Rabat: `forward` is what Marrakech sends.
    let link: CutProxy
    let arbiter: ThirdVoice
    let witness: WitnessProcess?
    let etcd: EtcdMembers?

    /// - Parameters:
    ///   - replication: further lines of the section `replication` of both nodes.
    ///   - failover: further lines of the section `failover`.
    ///   - sections: further sections; `DIRECTORY` in them is the cluster's own directory.
    init(
        arbiter: ThirdVoice = .none, mode: String = "sync", lease: String = "2s",
        replication: String = "", failover: String = "", sections: String = ""
    ) throws {
        self.arbiter = arbiter
        directory =
            FileManager.default.temporaryDirectory
            .appendingPathComponent("sanad-e2e-\(UUID().uuidString)").path
        let ca = directory + "/ca"
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true)
        try CertificateAuthority.create(directory: ca, clusterName: "test", validityDays: 8)
        for name in ["rabat", "marrakech", "hub"] {
            try CertificateAuthority.issue(
                directory: ca, node: try #require(NodeName(name)), hosts: ["127.0.0.1"],
                outputDirectory: directory, validityDays: 8)
        }
        witness =
            arbiter == .witness
            ? try WitnessProcess(directory, cluster: cluster, lease: lease) : nil
        etcd = try Self.startEtcd(arbiter, directory)
        let witnessPort = witness?.link
        let place = directory
        let nodes = try ["rabat", "marrakech"].map { name in
            try Site(name, place, arbiter: witnessPort.map { try CutProxy(to: $0) })
        }
        (rabat, marrakech) = (nodes[0], nodes[1])
        link = try CutProxy(to: rabat.link)
        let layout = SiteConfiguration(
            cluster: cluster, mode: mode, lease: lease, arbiter: arbiter,
            etcdPorts: etcd?.ports ?? [], replication: replication, failover: failover,
            sections: sections.replacing("DIRECTORY", with: directory))
        try layout.write(rabat, peer: marrakech, peerLink: marrakech.link)
        try layout.write(marrakech, peer: rabat, peerLink: link.port)
    }

    deinit {
        for site in [rabat, marrakech] {
            site.kill(SIGCONT)
            site.kill(SIGKILL)
            site.arbiter?.stop()
        }
        link.stop()
        witness?.kill(SIGKILL)
        for index in etcd?.ports.indices ?? 0..<0 { etcd?.kill(index) }
        try? FileManager.default.removeItem(atPath: directory)
    }

    private static func startEtcd(
        _ arbiter: ThirdVoice, _ directory: String
    ) throws -> EtcdMembers? {
        guard case .etcd(let count) = arbiter else { return nil }
        return try EtcdMembers(
            count: count, directory: directory,
            credentials: EtcdMembers.Credentials(
                certificate: directory + "/hub.crt", key: directory + "/hub.key",
                authority: directory + "/ca/ca.crt"))
    }

    // MARK: The whole

    /// Starts the witness, if there is one, and both nodes; Rabat is primary then.
    func startBoth() async throws {
        try witness?.start()
        try rabat.start()
        try marrakech.start()
        try await untilWhole(primary: rabat)
    }

    /// Waits until one node takes writes, the other follows, both are in sync, and the arbiter is
    /// heard by both.
    func untilWhole(primary: Site? = nil) async throws {
        try await until("both sites are in sync, \(primary?.name ?? "either") is primary") {
            guard let leader = try self.leader, primary == nil || primary === leader,
                let ahead = try leader.status(), let behind = try other(leader).status()
            else { return false }
            // In async mode the record names the primary alone, unless a loss is allowed.
            let count = ahead.replicationMode == "sync" ? 2 : 1
            return ahead.inSync.count >= count && ahead.link.state == "streaming"
                && behind.role == "standby" && behind.consistent && behind.inSync.count >= count
                && ahead.arbiterReachable != false && behind.arbiterReachable != false
                && isKnownToWitness(ahead.recordVersion)
        }
    }

    /// The primary of a new cluster takes writes before its witness has heard of it. Whoever dies in
    /// that moment leaves a standby that waits for an operator.
    private func isKnownToWitness(_ version: UInt64) -> Bool {
        guard let witness else { return true }
        return (try? witness.status())?.recordVersion == version
    }

    /// Who takes writes now; nil for nobody.
    var leader: Site? {
        get throws {
            guard rabat.isPrimary else { return marrakech.isPrimary ? marrakech : nil }
            guard marrakech.isPrimary else { return rabat }
            // The role may have gone over between the two questions; never back in a moment.
            try #require(!rabat.isPrimary, "two nodes take writes")
            return marrakech
        }
    }

    func other(_ site: Site) -> Site { site === rabat ? marrakech : rabat }

    /// Nothing that Rabat sends, or is sent, arrives at another daemon; clients do reach it.
    func isolateRabat() {
        link.cut(.forward, .backward)
        rabat.arbiter?.cut(.forward, .backward)
    }

    func heal() {
        link.heal()
        rabat.arbiter?.heal()
        marrakech.arbiter?.heal()
    }

    /// Both logs end alike, and there is nothing between the two nodes that is not settled.
    func untilEqual() async throws {
        try await until("both logs end alike") {
            guard let rabat = try rabat.status(), let marrakech = try marrakech.status() else {
                return false
            }
            return rabat.logEnd == marrakech.logEnd && rabat.applied == marrakech.applied
        }
    }
}

extension CutProxy {
    /// A proxy on a free port.
    convenience init(to port: UInt16) throws {
        try self.init(port: try freePort(), target: Endpoint(port: port))
    }
}

extension Identifier {
    static func random() -> Identifier {
        var generator = SystemRandomNumberGenerator()
        return random(using: &generator)
    }
}
