import Foundation
import Glibc
import SanadCore
import SanadLink
import SanadTestSupport
import Testing

/// `sanadd` in the role `witness`, as a process.
@Suite("The witness as a process", .timeLimit(.minutes(2)))
struct WitnessProcessTests {
    @Test("starts, is ready, is the only one on its store, survives kill -9, stops as told")
    func life() async throws {
        let directory = try directory()
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let operations = try freePort()
        try configure(directory, operations: operations, members: "[rabat, marrakech]")
        var witness = try start(directory, "first")
        try await ready(operations)
        let second = try start(directory, "second")
        #expect(second.wait() == 1)
        let log = try String(contentsOfFile: directory + "/second.log", encoding: .utf8)
        #expect(log.contains("has this store open"), "\(log)")
        witness.kill(SIGKILL)
        #expect(witness.wait() == -SIGKILL)
        witness = try start(directory, "third")
        try await ready(operations)
        let status = Http.ask("GET", port: operations, "/status")
        #expect(status?.body.contains("\"role\":\"witness\"") == true)
        #expect(Http.ask("GET", port: operations, "/metrics")?.status == 200)
        witness.kill(SIGHUP)
        witness.kill(SIGTERM)
        #expect(witness.wait() == 0)
    }

    @Test("a configuration with errors: exit 78")
    func configuration() throws {
        let directory = try directory()
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try configure(directory, operations: try freePort(), members: "[rabat]")
        let witness = try start(directory, "wrong")
        #expect(witness.wait() == 78)
        let log = try String(contentsOfFile: directory + "/wrong.log", encoding: .utf8)
        #expect(log.contains("witness.members: has 1 elements; it takes 2"))
    }

    private func directory() throws -> String {
        let directory = FileManager.default.temporaryDirectory
            .appendingPathComponent("sanad-witness-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true)
        return directory
    }

    private func configure(_ directory: String, operations: UInt16, members: String) throws {
        try CertificateAuthority.create(
            directory: directory + "/ca", clusterName: "test", validityDays: 1)
        try CertificateAuthority.issue(
            directory: directory + "/ca", node: try #require(NodeName("hub")),
            outputDirectory: directory, validityDays: 1)
        let text = """
            cluster:
              id: 6f0b8a52-3d1e-4c57-9a40-5b2e7c91d8f3
            node:
              name: hub
              role: witness
            store:
              directory: \(directory)/store
            link:
              listen: 127.0.0.1:\(try freePort())
              certificate: \(directory)/hub.crt
              private_key: \(directory)/hub.key
              authority: \(directory)/ca/ca.crt
            witness:
              members: \(members)
            operations:
              listen: 127.0.0.1:\(operations)
            """
        try text.write(toFile: directory + "/hub.yaml", atomically: true, encoding: .utf8)
    }

    private func start(_ directory: String, _ name: String) throws -> ChildProcess {
        try ChildProcess(
            Site.binary("sanadd").path, ["--config", directory + "/hub.yaml"],
            output: "\(directory)/\(name).log")
    }

    /// The test's certificate holds for a day, which the check of its end is right to mention.
    private func ready(_ port: UInt16) async throws {
        try await until("the witness is up") {
            Http.ask("GET", port: port, "/readyz?verbose")?.body.contains("[+]store ok") == true
                && Http.ask("GET", port: port, "/livez")?.status == 200
        }
    }
}
