import Foundation
import Logging
import NIOCore
import SanadCore
import SanadStore
import SanadTestSupport
import Testing

@testable import SanadNode

@Suite("A flipped bit in old log", .timeLimit(.minutes(2)))
struct DamageTests {
    let client = Client()

    /// Writes a record whose log is in a sealed segment of each node, and gives the segment's name.
    private func fill(_ pair: Pair, _ nodes: [TestNode]) async throws -> String {
        _ = try await client.put(nodes[0].gate, "amina", #"{"word":"fragile"}"#)
        for node in nodes {
            try await until("all have it") { node.gate.status.applied >= 2 }
            #expect(await node.gate.control(.sealSegment).done)
        }
        // The next write begins a new segment, and the one before it is sealed.
        _ = try await client.put(nodes[0].gate, "brahim", "1")
        // A start verifies the two last frames.
        let outcome = try await client.put(nodes[0].gate, "brahim", "2")
        let sequence = try #require(outcome.sequence)
        for node in nodes {
            // A start reads the log that the record table lacks: it is to lack nothing.
            try await until("the records are on the disk") {
                node.gate.table.requestFlush()
                return node.gate.table.durablePosition.sequence.value >= sequence
            }
        }
        return "00000000000000000001.segment"
    }

    private func waitUntilNamed(_ file: String, _ node: TestNode) async throws {
        try await until("the damage is known") { node.gate.status.storeProblem != nil }
        #expect(node.gate.status.storeProblem?.contains(file) == true)
        let answer = await node.gate.promote(acceptLoss: true)
        #expect(!answer.done)
        #expect(answer.message.contains(file), "\(answer.message)")
    }

    @Test("that a reader meets bars the node from promotion, and is said in its status")
    func metByReader() async throws {
        let pair = try Pair(lease: "30s")
        let (rabat, marrakech) = try await pair.startBoth()
        let file = try await fill(pair, [rabat, marrakech])
        let log = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let server = try await RecordsServer.start(
            gate: marrakech.gate, options: RecordsServerOptions(host: "127.0.0.1", port: 0),
            logger: log)
        let http = try RawClient(port: server.port)
        #expect(try http.request("GET", "/v1/changes").status == 200)
        try flipBit(at: "fragile", in: "\(pair.directory)/marrakech/segments/\(file)")
        #expect(try RawClient(port: server.port).request("GET", "/v1/changes").status == 500)
        try await waitUntilNamed(file, marrakech)
        await server.shutdown(deadline: .now())
        await rabat.stop()
        await marrakech.stop()
    }

    @Test("that nobody reads is found by the scrubber after the start")
    func foundByScrubber() async throws {
        let pair = try Pair(lease: "30s")
        let (rabat, marrakech) = try await pair.startBoth()
        let file = try await fill(pair, [rabat, marrakech])
        await marrakech.stop()
        try flipBit(at: "fragile", in: "\(pair.directory)/marrakech/segments/\(file)")
        let returned = try pair.start("marrakech")
        try await waitUntilNamed(file, returned)
        await rabat.stop()
        await returned.stop()
    }
}
