import Foundation
import Logging
import SanadCore
import SanadLink
import SanadStore
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

    init(mode: String = "sync", lease: String = "1s") throws {
        var generator = SystemRandomNumberGenerator()
        cluster = .random(using: &generator)
        self.mode = mode
        self.lease = lease
        directory =
            FileManager.default.temporaryDirectory
            .appendingPathComponent("sanad-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true)
        linkPort = try freePort()
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
            """
        return try NodeConfiguration.read(text, file: name).configuration
    }

    func start(_ name: String, mode: String? = nil) throws -> TestNode {
        var log = Logger(label: name)
        log.logLevel = .error
        return try TestNode(RunningNode(configuration(name, mode: mode), log: log))
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

    func stop(isolation: isolated (any Actor)? = #isolation) async {
        await node?.stop()
        node = nil
    }
}

func freePort() throws -> UInt16 {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let port = withUnsafeMutablePointer(to: &address) { address in
        address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
            bind(descriptor, address, length) == 0
                && getsockname(descriptor, address, &length) == 0
        }
    }
    try #require(port)
    return UInt16(bigEndian: address.sin_port)
}

struct Deadline: Error, CustomStringConvertible {
    var description: String
}

/// Waits for a condition; the deadline is generous, since only a failure takes all of it.
func until(
    _ what: String, seconds: Double = 30, _ condition: () async throws -> Bool
) async throws {
    let end = SystemClock.instant + Span(nanoseconds: UInt64(seconds * 1e9))
    while try await !condition() {
        guard SystemClock.instant < end else { throw Deadline(description: "never: \(what)") }
        try await Task.sleep(for: .milliseconds(2))
    }
}

/// Submits writes and waits for their outcomes.
final class Client: Sendable {
    func put(
        _ gate: any NodeGate, _ key: String, _ value: String, conditions: [Condition] = [],
        idempotencyKey: String? = nil
    ) async throws -> WriteOutcome {
        let box = WriteOutbox(wake: {})
        var transaction = TransactionBytes()
        transaction.append(.put, collection: "pupils", key: key, value: value)
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
