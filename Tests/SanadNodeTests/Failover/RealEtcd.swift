import Foundation
import Glibc
import SanadCore
import SanadTestSupport
import Testing

@testable import SanadNode

/// A real etcd cluster and the certificates of those who ask it.
final class RealEtcd {
    let site: ArbiterSite
    let endpoints: [Endpoint]
    private let members: EtcdMembers

    /// Starts the members and waits until they answer.
    init(members count: Int = 1) async throws {
        site = try ArbiterSite()
        let pki = site.directory + "/pki"
        members = try EtcdMembers(
            count: count, directory: site.directory,
            credentials: EtcdMembers.Credentials(
                certificate: pki + "/etcd.crt", key: pki + "/etcd.key",
                authority: pki + "/ca.crt"))
        endpoints = members.ports.map { Endpoint(host: "127.0.0.1", port: Int($0)) }
        let gateway = try EtcdGateway(options())
        try await until("etcd") {
            let answer: EtcdRangeAnswer? = try? await gateway.call(
                "/v3/kv/range", EtcdKeys(prefix: "/").range,
                deadline: SystemClock.instant + .seconds(1))
            return answer != nil
        }
        await gateway.shutdown()
    }

    func signal(_ index: Int, _ number: Int32) { members.signal(index, number) }

    /// Ends a member for good.
    func kill(_ index: Int) { members.kill(index) }

    func isRunning(_ index: Int) -> Bool { members.isRunning(index) }

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
        while true {
            switch try await outcome(kind) {
            case .success(let answer): return answer
            // On a machine that stood still the lease ended between its grant and its use: etcd has
            // changed nothing, and a node asks again as well.
            case .failure(let failure) where failure.reason.contains("lease not found"): continue
            case .failure(let failure): throw failure
            }
        }
    }
}
