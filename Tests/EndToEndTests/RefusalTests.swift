import Foundation
import SanadCore
import SanadLink
import SanadNode
import SanadTestSupport
import Testing

extension EndToEnd {
    @Suite("What does not fit is refused, and says why", .serialized, .timeLimit(.minutes(3)))
    struct RefusalTests {
        @Test("a second daemon on the same store")
        func secondDaemon() async throws {
            let sites = try Sites()
            try await sites.startBoth()
            let output = sites.directory + "/second.log"
            let second = try ChildProcess(
                Site.binary("sanadd").path, ["--config", sites.rabat.configurationPath],
                output: output)
            #expect(second.wait() == 1)
            let text = try String(contentsOfFile: output, encoding: .utf8)
            #expect(text.contains("lock"), "\(text)")
            #expect(sites.rabat.put("still", "1")?.status == 200)
        }

        @Test("a configuration with errors: all of them, and exit 78")
        func configuration() throws {
            let sites = try Sites()
            try sites.rabat.reconfigure("mode: sync", "mode: both")
            try sites.rabat.reconfigure("heartbeat: 100ms", "heartbeet: 100ms")
            #expect(try sites.rabat.start().wait() == 78)
            #expect(sites.rabat.log.contains("replication.mode"))
            #expect(sites.rabat.log.contains("heartbeet"))
        }

        @Test("a peer of another cluster is refused on both sides")
        func otherCluster() async throws {
            let sites = try Sites()
            try sites.marrakech.reconfigure("id: \(sites.cluster)", "id: \(Identifier.random())")
            try sites.rabat.start()
            try sites.marrakech.start()
            for site in [sites.rabat, sites.marrakech] {
                try await until("\(site.name) says so") {
                    site.log.contains("set the same cluster.id")
                }
            }
            #expect(!sites.rabat.isPrimary)
        }

        @Test("a peer with a certificate of another authority is refused on both sides")
        func otherAuthority() async throws {
            let sites = try Sites()
            try CertificateAuthority.create(
                directory: sites.directory + "/other", clusterName: "other", validityDays: 1)
            for suffix in ["crt", "key"] {
                try FileManager.default.removeItem(atPath: "\(sites.directory)/marrakech.\(suffix)")
            }
            try CertificateAuthority.issue(
                directory: sites.directory + "/other", node: try #require(NodeName("marrakech")),
                outputDirectory: sites.directory, validityDays: 1)
            // To itself its certificate looks right: only then does it start.
            try sites.marrakech.reconfigure("/ca/ca.crt", "/other/ca.crt")
            try sites.rabat.start()
            try sites.marrakech.start()
            for site in [sites.rabat, sites.marrakech] {
                try await until("\(site.name) logs the refusal") { site.log.contains("no link") }
            }
            try await until("it is counted") {
                (try sites.rabat.status()?.link.refusalsTotal ?? 0) > 0
            }
            #expect(!sites.rabat.isPrimary)
        }

        @Test("garbage on every port changes nothing")
        func garbage() async throws {
            let sites = try Sites()
            try await sites.startBoth()
            let before = try sites.rabat.status()?.link.refusalsTotal ?? 0
            func garbage(_ port: UInt16) -> Http.Answer? {
                Http.ask("\u{0}\u{1}GARBAGE", port: port, "/\r\n\r\n\u{7F}", seconds: 2)
            }
            #expect(garbage(sites.rabat.link) == nil)
            #expect(garbage(sites.rabat.records)?.status == 400)
            #expect(garbage(sites.rabat.operations)?.status == 400)
            try await until("the stranger is counted") {
                (try sites.rabat.status()?.link.refusalsTotal ?? 0) == before + 1
            }
            try await until("and logged") { sites.rabat.log.contains("a connection was refused") }
            #expect(try sites.rabat.status()?.link.connected == true)
            #expect(sites.rabat.put("after", "1")?.body.contains("both-sites") == true)
        }
    }
}
