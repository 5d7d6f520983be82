import Foundation
import Logging
import SanadCore
import SanadLink
import SanadStore
import SanadTestSupport
import Synchronization
import Testing

@testable import SanadNode

/// Two nodes of one cluster in one process, over real TLS on loopback, with stores in a temporary
/// directory that goes away with the pair.
final class Pair: Sendable {
    static let names = ["rabat", "marrakech"]

    let directory: String
    let cluster: Identifier
    /// Rabat listens here; marrakech, whose name comes first, dials.
    let linkPort: UInt16
    let otherPort: UInt16
    let mode: String
    let lease: String
    /// Further sections of both configurations.
    let settings: String

    init(
        mode: String = "sync", lease: String = "1s", settings: String = "",
        linkPort: UInt16? = nil
    ) throws {
        var generator = SystemRandomNumberGenerator()
        cluster = .random(using: &generator)
        self.mode = mode
        self.lease = lease
        self.settings = settings
        directory =
            FileManager.default.temporaryDirectory
            .appendingPathComponent("sanad-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true)
        self.linkPort = try linkPort ?? freePort()
        otherPort = try freePort()
        try CertificateAuthority.create(
            directory: directory + "/ca", clusterName: "test", validityDays: 1)
        for name in Self.names {
            try CertificateAuthority.issue(
                directory: directory + "/ca", node: #require(NodeName(name)),
                outputDirectory: directory, validityDays: 1)
        }
    }

    deinit { try? FileManager.default.removeItem(atPath: directory) }

    func configuration(_ name: String, mode: String? = nil) throws -> NodeConfiguration {
        let isRabat = name == "rabat"
        let text = """
            cluster:
              id: \(cluster)
            node:
              name: \(name)
              initial_role: \(isRabat ? "primary" : "standby")
            store:
              directory: \(directory)/\(name)
            peer:
              name: \(isRabat ? "marrakech" : "rabat")
              host: 127.0.0.1
              port: \(isRabat ? otherPort : linkPort)
              records_url: http://\(isRabat ? "marrakech" : "rabat").example:7401
            link:
              listen: 127.0.0.1:\(isRabat ? linkPort : otherPort)
              certificate: \(directory)/\(name).crt
              private_key: \(directory)/\(name).key
              authority: \(directory)/ca/ca.crt
            replication:
              mode: \(mode ?? self.mode)
            failover:
              heartbeat: 100ms
              lease: \(lease)
            control:
              socket: \(directory)/\(name).sock
            \(settings)
            """
        return try NodeConfiguration.read(text, file: name).configuration
    }

    /// A connection to rabat with a node's own certificate, beside the one that stands.
    func connect(_ name: String) throws -> LinkConnection {
        let context = try TLSContext(
            certificateFile: "\(directory)/\(name).crt", privateKeyFile: "\(directory)/\(name).key",
            authorityFile: "\(directory)/ca/ca.crt")
        return try LinkConnection.connect(
            host: "127.0.0.1", port: linkPort, context: context,
            peer: #require(NodeName("rabat")), timeout: Limits.handshakeTimeout)
    }

    func start(_ name: String, mode: String? = nil) throws -> TestNode {
        var log = Logger(label: name)
        log.logLevel = .error
        let node = try RunningNode(configuration(name, mode: mode), log: log)
        node.start()
        return TestNode(node)
    }

    /// Both nodes, with rabat writable and marrakech following.
    func startBoth() async throws -> (rabat: TestNode, marrakech: TestNode) {
        let rabat = try start("rabat")
        let marrakech = try start("marrakech")
        try await until("rabat is writable") { rabat.gate.isWritable }
        try await until("marrakech streams") { marrakech.gate.status.link.state == "streaming" }
        return (rabat, marrakech)
    }
}

/// A node that lets go of its store when it is stopped, so that the same test can open it again.
final class TestNode {
    private var node: RunningNode?

    init(_ node: RunningNode) { self.node = node }

    var gate: any NodeGate {
        guard let node else { preconditionFailure("the test uses a node that it has stopped") }
        return node.gate
    }

    func ending(isolation: isolated (any Actor)? = #isolation) async -> NodeEnding? {
        await node?.untilFinished()
    }

    func stop(isolation: isolated (any Actor)? = #isolation) async {
        await node?.stop()
        node = nil
    }
}

/// Submits writes and waits for their outcomes.
final class Client: Sendable {
    func put(
        _ gate: any NodeGate, _ key: String, _ value: String, in collection: String = "pupils",
        conditions: [Condition] = [], idempotencyKey: String? = nil
    ) async throws -> WriteOutcome {
        let box = WriteOutbox(wake: {})
        var transaction = TransactionBytes()
        transaction.append(.put, collection: collection, key: key, value: value)
        try gate.submit(
            WriteRequest(
                transaction: transaction, conditions: conditions,
                idempotencyKey: idempotencyKey, outbox: box, ticket: 1))
        var outcome: WriteOutcome?
        try await until("outcome of \(key)") {
            outcome = box.drain().first?.outcome
            return outcome != nil
        }
        return try #require(outcome)
    }
}

extension NodeGate {
    func operate(
        _ action: OperatorRequest.Action, dryRun: Bool = false
    ) async -> ControlAnswer {
        await control(
            .carryOut(
                OperatorRequest(action: action, reason: "test", actor: "test", dryRun: dryRun)))
    }

    func promote(acceptLoss: Bool) async -> ControlAnswer {
        await operate(.promote(acceptLoss: acceptLoss))
    }

    func value(_ key: String) throws -> String? {
        let found = try table.makeReader().get(
            collection: Array("pupils".utf8), key: Array(key.utf8))
        return found.map { String(decoding: $0.value, as: UTF8.self) }
    }
}

extension WriteOutcome {
    var sequence: UInt64? {
        if case .committed(_, let sequence, _) = self { sequence.value } else { nil }
    }

    var durability: Durability? {
        if case .committed(_, _, let durability) = self { durability } else { nil }
    }
}
