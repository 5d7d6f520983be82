import Foundation
import Glibc
import SanadCore
import SanadTestSupport
import Testing

@testable import SanadNode

/// Members of a real etcd cluster on loopback, with TLS and client certificates.
final class RealEtcd {
    /// Debian's package `etcd-server`.
    static let program = "/usr/bin/etcd"
    static let isInstalled = access(program, X_OK) == 0
    static let whyNot: Comment = "etcd is not installed: apt-get install etcd-server"

    let site: ArbiterSite
    let endpoints: [Endpoint]
    private let peerPorts: [UInt16]
    private var processes: [ChildProcess?] = []

    /// Starts the members and waits until they answer.
    init(members: Int = 1) async throws {
        site = try ArbiterSite()
        peerPorts = try (0..<members).map { _ in try freePort() }
        endpoints = try (0..<members).map { _ in
            Endpoint(host: "127.0.0.1", port: Int(try freePort()))
        }
        for index in 0..<members { processes.append(try start(index)) }
        let gateway = try EtcdGateway(options())
        try await until("etcd") {
            let answer: EtcdRangeAnswer? = try? await gateway.call(
                "/v3/kv/range", EtcdKeys(prefix: "/").range,
                deadline: SystemClock.instant + .seconds(1))
            return answer != nil
        }
        await gateway.shutdown()
    }

    private func start(_ index: Int) throws -> ChildProcess {
        let pki = site.directory + "/pki"
        let peers = peerPorts.enumerated().map { "m\($0)=http://127.0.0.1:\($1)" }
        let arguments = [
            "--name", "m\(index)", "--data-dir", "\(site.directory)/etcd\(index)",
            "--listen-client-urls", "https://\(endpoints[index])",
            "--advertise-client-urls", "https://\(endpoints[index])",
            "--listen-peer-urls", "http://127.0.0.1:\(peerPorts[index])",
            "--initial-advertise-peer-urls", "http://127.0.0.1:\(peerPorts[index])",
            "--initial-cluster", peers.joined(separator: ","),
            "--cert-file", pki + "/etcd.crt", "--key-file", pki + "/etcd.key",
            "--trusted-ca-file", pki + "/ca.crt", "--client-cert-auth",
        ]
        return try ChildProcess(
            Self.program, arguments, output: "\(site.directory)/etcd\(index).log")
    }

    func signal(_ index: Int, _ number: Int32) { processes[index]?.kill(number) }

    /// Ends a member for good.
    func kill(_ index: Int) { processes[index] = nil }

    func isRunning(_ index: Int) -> Bool { processes[index]?.isRunning == true }

    func options(
        node: String = "rabat", authority: String = "pki",
        patience: Span = .seconds(40)
    ) -> EtcdOptions {
        EtcdOptions(
            cluster: ArbiterSite.cluster, endpoints: endpoints,
            authority: site.directory + "/pki/ca.crt",
            certificate: "\(site.directory)/\(authority)/\(node).crt",
            privateKey: "\(site.directory)/\(authority)/\(node).key", prefix: "/sanad/test/",
            lease: EtcdLease(lease: .seconds(3), driftPartsPerMillion: 10_000),
            patience: patience)
    }

    /// - Parameter patience: longer than in life, where a busy test machine is not to be the reason.
    func node(_ store: StoreIdentity, patience: Span = .seconds(40)) throws -> EtcdNode {
        try EtcdNode(store, options(node: store.node.text, patience: patience))
    }

    /// Which member leads, asked through the endpoint that is known to live.
    func leader() async throws -> Int {
        struct Status: Decodable {
            struct Header: Decodable {
                var member: String
                enum CodingKeys: String, CodingKey { case member = "member_id" }
            }
            var header: Header
            var leader: String?
        }
        struct Nothing: Encodable {}
        for (index, endpoint) in endpoints.enumerated() where isRunning(index) {
            var one = options()
            one.endpoints = [endpoint]
            let gateway = try EtcdGateway(one)
            defer { Task { await gateway.shutdown() } }
            let status: Status = try await gateway.call(
                "/v3/maintenance/status", Nothing(), deadline: SystemClock.instant + .seconds(5))
            if status.leader == status.header.member { return index }
        }
        throw CancellationError()
    }
}

/// One data node's client of etcd.
final class EtcdNode {
    let store: StoreIdentity
    let client: EtcdClient
    let outcomes = Outcomes()

    init(_ store: StoreIdentity, _ options: EtcdOptions) throws {
        self.store = store
        client = try EtcdClient(options, log: quiet, deliver: outcomes.deliver)
    }

    deinit { client.stop() }

    func outcome(
        _ kind: ArbiterRequest.Kind
    ) async throws -> Result<ArbiterAnswer, ArbiterFailure> {
        client.ask(ArbiterSite.question(kind, from: store))
        return try await outcomes.take()
    }

    func ask(_ kind: ArbiterRequest.Kind) async throws -> ArbiterAnswer {
        try await outcome(kind).get()
    }
}
