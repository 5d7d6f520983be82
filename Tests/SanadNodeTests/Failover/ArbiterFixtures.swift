import Foundation
import Glibc
import Logging
import SanadCore
import SanadLink
import SanadTestSupport
import Synchronization
import Testing

@testable import SanadNode

/// A directory with the cluster's authority and the certificates of everybody, gone with its owner.
final class ArbiterSite {
    static let cluster = Identifier(high: 0x1111_2222_3333_4444, low: 0x5555_6666_7777_8888)
    static let rabat = identity("rabat", 1)
    static let marrakech = identity("marrakech", 2)
    static let hub = name("hub")

    let directory: String

    static func name(_ text: String) -> NodeName {
        guard let name = NodeName(text) else { preconditionFailure("not a name: \(text)") }
        return name
    }

    static func identity(_ text: String, _ number: UInt64) -> StoreIdentity {
        StoreIdentity(node: name(text), store: Identifier(high: 0xABCD, low: number))
    }

    init() throws {
        var template = Array("/tmp/sanad-arbiter-XXXXXX".utf8CString)
        directory = String(cString: try #require(mkdtemp(&template)))
        for (authority, nodes) in [
            ("pki", ["rabat", "marrakech", "hub", "fes", "etcd"]), ("others", ["rabat"]),
        ] {
            try CertificateAuthority.create(
                directory: "\(directory)/\(authority)", clusterName: authority, validityDays: 2)
            for node in nodes {
                try CertificateAuthority.issue(
                    directory: "\(directory)/\(authority)", node: Self.name(node),
                    hosts: ["127.0.0.1", "localhost"],
                    outputDirectory: "\(directory)/\(authority)", validityDays: 1)
            }
        }
    }

    deinit { try? FileManager.default.removeItem(atPath: directory) }

    func context(_ node: String, authority: String = "pki") throws -> TLSContext {
        try TLSContext(
            certificateFile: "\(directory)/\(authority)/\(node).crt",
            privateKeyFile: "\(directory)/\(authority)/\(node).key",
            authorityFile: "\(directory)/pki/ca.crt")
    }

    static func record(
        _ version: UInt64, _ epoch: UInt64, _ primary: StoreIdentity,
        _ inSync: [StoreIdentity] = [rabat, marrakech]
    ) -> ClusterRecord {
        ClusterRecord(
            cluster: cluster, version: version, epoch: Epoch(epoch), primary: primary.node,
            inSync: inSync,
            since: Position(
                epoch: Epoch(epoch), sequence: Sequence(7),
                hash: ChainHash(word0: 1, word1: .max, word2: 3, word3: 4)))
    }

    /// A question that is sent now.
    static func question(
        _ kind: ArbiterRequest.Kind, from store: StoreIdentity = rabat,
        wait: Span = .milliseconds(200), cluster: Identifier = cluster
    ) -> ArbiterRequest {
        ArbiterRequest(
            cluster: cluster, identity: store, sent: SystemClock.instant, wait: wait, kind: kind)
    }

    static func change(
        _ expected: UInt64, _ record: ClusterRecord, committed: UInt64 = 0
    ) -> ArbiterRequest.Kind {
        .change(expected: expected, record: record, committed: Sequence(committed))
    }

    static func renew(_ epoch: UInt64, committed: UInt64 = 0) -> ArbiterRequest.Kind {
        .renew(epoch: Epoch(epoch), committed: Sequence(committed))
    }
}

/// The log of what is tested here: nobody reads it.
let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

/// What a client delivered; taking waits with a deadline.
final class Outcomes: Sendable {
    private let results = Mutex<[Result<ArbiterAnswer, ArbiterFailure>]>([])
    private let lastDelivery = Mutex(Instant.zero)

    var deliver: ArbiterDelivery {
        { result in
            self.lastDelivery.withLock { $0 = SystemClock.instant }
            self.results.withLock { $0.append(result) }
        }
    }

    /// When the last outcome came, however late the test looks at it.
    var delivered: Instant { lastDelivery.withLock { $0 } }

    var count: Int { results.withLock { $0.count } }

    func take() async throws -> Result<ArbiterAnswer, ArbiterFailure> {
        try await until("an outcome") { self.count > 0 }
        return results.withLock { $0.removeFirst() }
    }

    func answer() async throws -> ArbiterAnswer { try await take().get() }

    func failure() async throws -> ArbiterFailure {
        switch try await take() {
        case .failure(let failure): return failure
        case .success(let answer):
            Issue.record("an answer where a failure was expected: \(answer.outcome)")
            throw CancellationError()
        }
    }
}
