import Foundation
import SanadCore
import Testing

@testable import SanadNode

/// What the files of nodes with an arbiter, and of witnesses, must hold.
@Suite("Configuration of arbiters")
struct ArbiterConfigurationTests {
    static let witness = """
        cluster:
          id: 6f0b8a52-3d1e-4c57-9a40-5b2e7c91d8f3
        node:
          name: hub
          role: witness
        link:
          certificate: pki/hub.crt
          private_key: pki/hub.key
          authority: pki/ca.crt
        witness:
          members: [rabat, marrakech]
        """

    private func problems(_ text: String) -> [String] {
        do throws(ConfigurationError) {
            _ = try DaemonConfigurationReading.read(text, file: "test.yaml")
            return []
        } catch {
            return error.problems.map(\.description)
        }
    }

    private func arbiter(_ lines: String) throws -> NodeConfiguration.Arbiter {
        try NodeConfiguration.read(ConfigurationFixtures.minimal(and: lines), file: "test.yaml")
            .configuration.arbiter
    }

    @Test("The least witness has every default")
    func least() throws {
        let reading = try DaemonConfigurationReading.read(
            Self.witness, file: "test.yaml", directory: "/etc/sanad")
        guard case .witness(let configuration) = reading.configuration else {
            Issue.record("not a witness")
            return
        }
        #expect(configuration.name.text == "hub")
        #expect(configuration.members.map(\.text) == ["rabat", "marrakech"])
        #expect(configuration.grantWait == .milliseconds(3_030))
        #expect(configuration.directory == "/var/lib/sanad")
        #expect(configuration.link.listen.port == 7_400)
        #expect(configuration.link.certificate == "/etc/sanad/pki/hub.crt")
        #expect(reading.warnings.isEmpty)
    }

    @Test("The sample is right, and holds every key that a witness reads")
    func sample() throws {
        let path = ConfigurationFixtures.packageRoot
            .appendingPathComponent("deploy/witness.yaml").path
        let reading = try DaemonConfigurationReading.load(path)
        #expect(reading.warnings.isEmpty)
        let silent = reading.settings.filter { $0.line == nil }.map(\.name)
        #expect(silent == ["operations.tls.certificate", "operations.tls.private_key"])
    }

    @Test(
        "A witness's errors, each with its line",
        arguments: [
            (
                "members: [rabat, marrakech]", "members: [rabat]",
                "line 11: witness.members: has 1 elements; it takes 2"
            ),
            (
                "members: [rabat, marrakech]", "members: [rabat, rabat]",
                "line 11: witness.members: \"rabat\" is there twice"
            ),
            (
                "members: [rabat, marrakech]", "members: [rabat, hub]",
                "line 11: witness.members: \"hub\" is the witness itself; "
                    + "name the two data nodes"
            ),
            (
                "members: [rabat, marrakech]", "members: [rabat, Fes]",
                "line 11: witness.members: \"Fes\" is not a node name, for example rabat"
            ),
            (
                "role: witness", "role: hub",
                "line 5: node.role: \"hub\" is not one of: data, witness"
            ),
            (
                "role: witness", "role: witness\n  initial_role: primary",
                "line 6: node.initial_role: has no meaning with node.role: witness; take it out"
            ),
        ])
    func errors(old: String, new: String, problem: String) {
        #expect(problems(Self.witness.replacing(old, with: new)).contains(problem))
    }

    @Test("A witness without members is told what they are")
    func noMembers() {
        let text = Self.witness.replacing("witness:\n  members: [rabat, marrakech]", with: "")
        #expect(
            problems(text) == [
                "witness.members: is missing: the two data nodes, for example [rabat, fes]"
            ])
    }

    @Test("A data node is not read from a witness's file")
    func wrongRole() {
        #expect(
            ConfigurationFixtures.problems(Self.witness).contains(
                "line 5: node.role: is witness; a data node's file is wanted here"))
    }

    @Test("A data node with a witness, and with etcd")
    func arbiters() throws {
        let witness = try arbiter(
            "failover:\n  arbiter: witness\nwitness:\n  name: hub\n  address: hub.example.org:7400")
        #expect(
            witness
                == .witness(
                    .init(
                        name: ArbiterSite.hub,
                        address: Endpoint(host: "hub.example.org", port: 7_400))))
        let etcd = try arbiter(
            """
            failover:
              arbiter: etcd
            etcd:
              endpoints:
                - one.example.org:2379
                - "[::1]:2379"
              ca: ca.crt
              certificate: a.crt
              key: a.key
            """)
        guard case .etcd(let options) = etcd else {
            Issue.record("not etcd")
            return
        }
        #expect(options.endpoints.map(\.host) == ["one.example.org", "::1"])
        #expect(options.prefix == "/sanad/6f0b8a52-3d1e-4c57-9a40-5b2e7c91d8f3/")
        #expect(options.privateKey == "/a.key")
        #expect(try arbiter("failover:\n  arbiter: none") == .none)
    }

    @Test("What the chosen arbiter needs is asked for; a data node cannot be its own witness")
    func missing() {
        let text = ConfigurationFixtures.minimal(and: "failover:\n  arbiter: witness")
        #expect(
            problems(text) == [
                "line 13: witness.name: is missing: failover.arbiter is witness",
                "line 13: witness.address: is missing: failover.arbiter is witness",
            ])
        let own = ConfigurationFixtures.minimal(
            and: "failover:\n  arbiter: witness\nwitness:\n  name: marrakech\n  address: a:1")
        #expect(
            problems(own) == [
                "line 15: witness.name: \"marrakech\" is a data node; the witness is a third one"
            ])
    }

    @Test("With etcd a lease under 3 s is refused with the arithmetic")
    func etcdLease() {
        let etcd = "etcd:\n  endpoints: [a:1]\n  ca: a\n  certificate: b\n  key: c"
        let text = ConfigurationFixtures.minimal(
            and: "failover:\n  arbiter: etcd\n  lease: 2999ms\n" + etcd)
        #expect(
            problems(text) == [
                "line 14: failover.lease: 2999ms is too short for etcd: a lease of etcd has whole "
                    + "seconds, at least 2 s, and has to end 1s before the standby's own grant: "
                    + "2s + 1s = 3s"
            ])
        #expect(
            problems(
                ConfigurationFixtures.minimal(
                    and: "failover:\n  arbiter: etcd\n  lease: 3s\n" + etcd)
            ).isEmpty)
    }

    @Test(
        "The lease at etcd ends a second before the nodes' own, in whole seconds",
        arguments: [(3_000, 2), (3_999, 2), (4_000, 3), (10_500, 9), (60_000, 59)])
    func leaseSeconds(milliseconds: UInt64, seconds: UInt64) {
        let lease = EtcdLease(
            lease: .milliseconds(milliseconds), driftPartsPerMillion: 10_000)
        #expect(lease.seconds == seconds)
        let length = lease.length(grantedSeconds: seconds)
        #expect(length.withDrift(partsPerMillion: 10_000) <= .seconds(seconds))
        #expect(length + Span(nanoseconds: 2) > .seconds(seconds) / 101 * 100)
    }
}
