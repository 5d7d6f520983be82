import Foundation
import Glibc
import SanadCore
import SanadLink
import SanadNode
import SanadTestSupport
import Testing

extension EndToEnd {
    /// `sanadd` in the role `witness`, as a process.
    @Suite("The witness as a process", .timeLimit(.minutes(2)))
    struct WitnessProcessTests {
        @Test("starts, is ready, is the only one on its store, survives kill -9, stops as told")
        func life() async throws {
            let witness = try witness(members: "[rabat, marrakech]")
            defer { remove(witness) }
            try witness.start()
            try await ready(witness)
            let second = try ChildProcess(
                Site.binary("sanadd").path, ["--config", witness.directory + "/hub.yaml"],
                output: witness.directory + "/second.log")
            #expect(second.wait() == 1)
            let log = try String(
                contentsOfFile: witness.directory + "/second.log", encoding: .utf8)
            #expect(log.contains("has this store open"), "\(log)")
            witness.kill(SIGKILL)
            #expect(witness.process?.wait() == -SIGKILL)
            try witness.start()
            try await ready(witness)
            #expect(try witness.status()?.role == "witness")
            #expect(Http.ask("GET", port: witness.operations, "/metrics")?.status == 200)
            witness.kill(SIGHUP)
            witness.kill(SIGTERM)
            #expect(witness.process?.wait() == 0)
        }

        @Test("a configuration with errors: exit 78")
        func configuration() throws {
            let witness = try witness(members: "[rabat]")
            defer { remove(witness) }
            #expect(try witness.start().wait() == 78)
            let log = try String(contentsOfFile: witness.directory + "/hub.log", encoding: .utf8)
            #expect(log.contains("witness.members: has 1 elements; it takes 2"))
        }

        private func witness(members: String) throws -> WitnessProcess {
            let directory = FileManager.default.temporaryDirectory
                .appendingPathComponent("sanad-witness-\(UUID().uuidString)").path
            try FileManager.default.createDirectory(
                atPath: directory, withIntermediateDirectories: true)
            try CertificateAuthority.create(
                directory: directory + "/ca", clusterName: "test", validityDays: 8)
            try CertificateAuthority.issue(
                directory: directory + "/ca", node: try #require(NodeName("hub")),
                outputDirectory: directory, validityDays: 8)
            return try WitnessProcess(
                directory, cluster: .random(), lease: "3s", members: members)
        }

        private func remove(_ witness: WitnessProcess) {
            witness.kill(SIGKILL)
            try? FileManager.default.removeItem(atPath: witness.directory)
        }

        private func ready(_ witness: WitnessProcess) async throws {
            try await until("the witness is up") {
                Http.ask("GET", port: witness.operations, "/readyz")?.status == 200
                    && Http.ask("GET", port: witness.operations, "/livez")?.status == 200
            }
        }
    }
}
