import Foundation
import SanadCore
import SanadLink
import SanadNode
import SanadTestSupport
import Testing

@Suite("What does not fit is refused, and says why", .serialized, .timeLimit(.minutes(3)))
struct RefusalTests {
    @Test("a second daemon on the same store")
    func secondDaemon() async throws {
        let sites = try Sites()
        try await sites.startBoth()
        let second = Process()
        second.executableURL = Site.binary("sanadd")
        second.arguments = ["--config", sites.rabat.configurationPath]
        let output = Pipe()
        second.standardError = output
        try second.run()
        second.waitUntilExit()
        #expect(second.terminationStatus == 1)
        let text = String(
            decoding: try #require(try output.fileHandleForReading.readToEnd()), as: UTF8.self)
        #expect(text.contains("lock"), "\(text)")
        #expect(sites.rabat.put("still", "1")?.status == 200)
    }

    @Test("a configuration with errors: all of them, and exit 78")
    func configuration() throws {
        let sites = try Sites()
        let text = try String(contentsOfFile: sites.rabat.configurationPath, encoding: .utf8)
            .replacing("mode: sync", with: "mode: both")
            .replacing("heartbeat: 100ms", with: "heartbeet: 100ms")
        try text.write(
            toFile: sites.rabat.configurationPath, atomically: true, encoding: .utf8)
        try sites.rabat.start().waitUntilExit()
        #expect(sites.rabat.process?.terminationStatus == 78)
        #expect(sites.rabat.log.contains("replication.mode"))
        #expect(sites.rabat.log.contains("heartbeet"))
    }

    @Test("a peer of another cluster is refused on both sides")
    func otherCluster() async throws {
        let sites = try Sites()
        var generator = SystemRandomNumberGenerator()
        try sites.marrakech.configure(
            peer: sites.rabat, cluster: .random(using: &generator), mode: "sync", lease: "1s")
        try sites.rabat.start()
        try sites.marrakech.start()
        for site in [sites.rabat, sites.marrakech] {
            try await until("\(site.name) says so") { site.log.contains("set the same cluster.id") }
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
        try sites.rabat.start()
        try sites.marrakech.start()
        for site in [sites.rabat, sites.marrakech] {
            try await until("\(site.name) logs the refusal") { site.log.contains("no link") }
        }
        try await until("it is counted") { (try sites.rabat.status()?.link.refusalsTotal ?? 0) > 0 }
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
