import Foundation
import SanadCore
import SanadStore
import Testing

@testable import SanadNode

@Suite("Configuration")
struct ConfigurationTests {
    @Test(
        "Clients are told an address of this node that they can use, or none",
        arguments: [
            ("0.0.0.0:7401", nil), ("'[::]:7401'", nil),
            ("10.1.0.5:7401", "http://10.1.0.5:7401"),
            ("'[2001:db8::5]:7401'", "http://[2001:db8::5]:7401"),
        ] as [(String, String?)])
    func ownRecordsURL(listen: String, url: String?) throws {
        let configuration = try NodeConfiguration.read(
            ConfigurationFixtures.minimal(and: "records:\n  listen: \(listen)"), file: "test.yaml"
        ).configuration
        let identity = StoreIdentity(
            node: configuration.node.name, store: Identifier(high: 1, low: 2))
        #expect(configuration.engineOptions(identity: identity).recordsURL == url)
    }

    @Test("The least configuration has every default")
    func defaults() throws {
        let reading = try NodeConfiguration.read(
            ConfigurationFixtures.minimal, file: "test.yaml", directory: "/etc/sanad")
        let configuration = reading.configuration
        #expect(reading.warnings.isEmpty)
        #expect(configuration.node.initialRole == .standby)
        #expect(configuration.store.directory == "/var/lib/sanad")
        #expect(configuration.store.memtableBytes == 64 << 20)
        #expect(configuration.store.segmentBytes == Limits.segmentBytesTarget)
        #expect(configuration.peer.address == Endpoint(host: "marrakech.example.org", port: 7400))
        #expect(configuration.link.listen == Endpoint(host: "0.0.0.0", port: 7400))
        #expect(configuration.link.certificate == "/etc/sanad/pki/rabat.crt")
        #expect(configuration.link.windowBytes == Limits.windowBytesDefault)
        #expect(configuration.replication.mode == .sync)
        #expect(configuration.failover.heartbeat == .milliseconds(500))
        #expect(configuration.failover.lease == .seconds(3))
        #expect(configuration.failover.grantWait == .milliseconds(3_030))
        #expect(configuration.replication.onStandbyLoss == .degrade)
        #expect(configuration.failover.maxLoss == 0)
        #expect(configuration.failover.degradeAfter == nil)
        #expect(configuration.retention.minimumAge == .seconds(86_400))
        #expect(configuration.retention.maximumBytes == 64 << 30)
        #expect(configuration.retention.freeBytes == 2 << 30)
        #expect(configuration.hooks == .init(timeout: .seconds(5)))
        #expect(configuration.records.tls == nil)
        #expect(configuration.records.queueRequests == Limits.commitQueueRequestsDefault)
        #expect(configuration.control.socketPath == "/run/sanad/sanadd.sock")
        #expect(configuration.log.level == .info)
    }

    @Test("Every default of the table is inside its own range")
    func tableIsSound() throws {
        for key in ConfigurationKey.all {
            guard case .value(let text) = key.fallback else { continue }
            _ = try key.read(text, directory: "/etc/sanad")
        }
        let names = ConfigurationKey.all.map(\.name)
        #expect(Set(names).count == names.count)
    }

    @Test(
        "The samples are right, and hold every key that has a value",
        arguments: ["rabat.yaml", "marrakech.yaml"])
    func samples(file: String) throws {
        let path = ConfigurationFixtures.packageRoot.appendingPathComponent("deploy/\(file)").path
        let reading = try NodeConfiguration.load(path)
        #expect(reading.warnings.isEmpty)
        let silent = reading.settings.filter { $0.line == nil }.map(\.name)
        // Shown as comments: two sites alone have no arbiter, programs of the operator's own, and an
        // operations API on loopback is plain.
        #expect(
            silent == [
                "witness.name", "witness.address", "etcd.endpoints", "etcd.ca",
                "etcd.certificate", "etcd.key", "etcd.prefix", "hooks.veto_command",
                "hooks.event_command", "operations.tls.certificate",
                "operations.tls.private_key",
            ])
    }

    @Test("The samples are a pair")
    func samplesArePair() throws {
        let directory = ConfigurationFixtures.packageRoot.appendingPathComponent("deploy")
        let rabat = try NodeConfiguration.load(directory.appendingPathComponent("rabat.yaml").path)
            .configuration
        let marrakech = try NodeConfiguration.load(
            directory.appendingPathComponent("marrakech.yaml").path
        ).configuration
        #expect(rabat.cluster == marrakech.cluster)
        #expect(rabat.failover == marrakech.failover)
        #expect(rabat.replication == marrakech.replication)
        #expect(rabat.peer.name == marrakech.node.name)
        #expect(marrakech.peer.name == rabat.node.name)
        #expect(rabat.node.initialRole == .primary)
        #expect(marrakech.node.initialRole == .standby)
    }

    @Test("The reference holds the table of the code")
    func reference() throws {
        let path = ConfigurationFixtures.packageRoot
            .appendingPathComponent("docs/formats/configuration.md").path
        let text = try String(contentsOfFile: path, encoding: .utf8)
        #expect(
            text.contains(ConfigurationReference.markdown),
            "run: sanadctl config keys --markdown, and put its output into the reference")
    }

    @Test("The engine is told what the file says")
    func engineOptions() throws {
        let identity = StoreIdentity(
            node: try #require(NodeName("rabat")), store: Identifier(high: 1, low: 2))
        let configuration = try NodeConfiguration.read(
            ConfigurationFixtures.minimal(
                and: """
                    replication:
                      mode: async
                      on_standby_loss: block
                    failover:
                      mode: observe
                      max_loss: 7
                      degrade_after: 2s
                    retention:
                      minimum_age: 1h
                      maximum_bytes: 1GiB
                      free_bytes: 64MiB
                    hooks:
                      veto_command: /bin/true
                    """), file: "test.yaml"
        ).configuration
        let options = configuration.engineOptions(identity: identity)
        #expect(options.replica.mode == .async)
        #expect(options.replica.onStandbyLoss == .block)
        #expect(options.replica.failoverMode == .observe)
        #expect(options.replica.maxLoss == 7)
        #expect(options.replica.timing.degradeAfter == .seconds(2))
        #expect(options.replica.hasVeto)
        #expect(
            options.retention
                == RetentionPolicy(
                    minimumAge: .seconds(3_600), maximumBytes: 1 << 30, freeBytesFloor: 64 << 20))
    }

    @Test("A missing file, and one that is not UTF-8, are errors like others")
    func files() throws {
        #expect(throws: ConfigurationError.self) {
            try NodeConfiguration.load("/nonexistent/sanad.yaml")
        }
        let directory = #expect(throws: ConfigurationError.self) {
            try NodeConfiguration.load(FileManager.default.temporaryDirectory.path)
        }
        #expect(directory?.problems.map(\.message) == ["the file cannot be read: Is a directory"])
        let path = FileManager.default.temporaryDirectory
            .appendingPathComponent("sanad-\(UUID().uuidString).yaml")
        try Data([0x6E, 0xFF, 0xFE]).write(to: path)
        defer { try? FileManager.default.removeItem(at: path) }
        #expect(throws: ConfigurationError.self) { try NodeConfiguration.load(path.path) }
    }

    @Test("Settings say where each value comes from")
    func settings() throws {
        let reading = try NodeConfiguration.read(
            ConfigurationFixtures.minimal(and: "log:\n  level: debug"), file: "test.yaml")
        let level = reading.settings.first { $0.name == "log.level" }
        let format = reading.settings.first { $0.name == "log.format" }
        #expect(level == .init(name: "log.level", text: "debug", line: 13))
        #expect(format == .init(name: "log.format", text: "text", line: nil))
        #expect(reading.settings.count == ConfigurationKey.all.count - 1)
    }
}
