import Foundation
import Logging
import SanadCore
import SanadLink
import SanadStore
import Synchronization
import Testing

@testable import SanadNode

/// An engine without a thread of its own, primary by the word of an arbiter inside the test; the
/// test takes its rounds one by one, and says what it takes for now.
final class EngineFixture {
    static let lease = Span.milliseconds(300)

    let directory: TemporaryDirectory
    let mailbox = Mailbox(requestsMaximum: 16)
    let store: Store
    let engine: Engine
    private let asked = Mailed()
    private var arbiter: Witness

    /// What the engine has asked the arbiter.
    private final class Mailed: Sendable {
        private let requests = Mutex<[ArbiterRequest]>([])
        func add(_ request: ArbiterRequest) { requests.withLock { $0.append(request) } }
        func take() -> [ArbiterRequest] {
            requests.withLock { requests in
                defer { requests = [] }
                return requests
            }
        }
    }

    init() throws {
        directory = try TemporaryDirectory()
        let cluster = Identifier(high: 1, low: 2)
        let node = try #require(NodeName("rabat"))
        try CertificateAuthority.create(
            directory: directory.path + "/ca", clusterName: "test", validityDays: 1)
        try CertificateAuthority.issue(
            directory: directory.path + "/ca", node: node, outputDirectory: directory.path,
            validityDays: 1)
        store = try Store.open(
            directory: directory.path + "/store", cluster: cluster, node: node,
            makeStoreIdentifier: { Identifier(high: 3, low: 4) })
        let record = ClusterRecord(
            cluster: cluster, version: 1, epoch: Epoch(1), primary: node,
            inSync: [store.identity], since: .origin)
        try store.nodeDatabase.save(record)
        arbiter = Witness(
            durable: .init(record: record, committed: .zero), members: [node],
            now: SystemClock.instant, wait: .zero)
        let board = StatusBoard()
        let gate = EngineGate(
            table: store.table, mailbox: mailbox, board: board, log: store.log.makeReader(),
            storeDirectory: directory.path,
            tls: try TLSContext(
                certificateFile: directory.path + "/rabat.crt",
                privateKeyFile: directory.path + "/rabat.key",
                authorityFile: directory.path + "/ca/ca.crt"))
        var helpers = EngineHelpers()
        let asked = asked
        helpers.askArbiter = { asked.add($0) }
        engine = try Engine(
            options: EngineOptions(
                replica: ReplicaOptions(
                    cluster: cluster, identity: store.identity,
                    peer: try #require(NodeName("marrakech")), mode: .sync, hasArbiter: true,
                    isInitialPrimary: true,
                    timing: Timing(
                        heartbeat: .milliseconds(50), lease: Self.lease,
                        grantWait: .milliseconds(303))), softwareVersion: "test"),
            store: store, mailbox: mailbox, board: board, gate: gate,
            log: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, helpers: helpers,
            onLinkClosed: {})
    }

    deinit { store.close() }

    /// One round at the present moment, the arbiter's answers included.
    func round() {
        engine.now = SystemClock.now
        engine.admitWrites()
        engine.feed(.tick)
        engine.finishRound()
        for request in asked.take() {
            let answer = arbiter.answer(
                request, from: request.identity.node, now: SystemClock.instant)
            engine.feed(.arbiter(answer.answer))
        }
        engine.finishRound()
    }
}
