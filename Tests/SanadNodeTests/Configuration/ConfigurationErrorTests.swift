import SanadCore
import Testing

@testable import SanadNode

/// What bad input gets: a clear error with its line, and all of them at once.
@Suite("Configuration errors")
struct ConfigurationErrorTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var lines: String
        /// Line 12 is the first one after the least configuration.
        var problem: String
        var testDescription: String { lines }
    }

    static let single: [Case] = [
        .init(
            lines: "failover:\n  lease: 3",
            problem: "line 13: failover.lease: \"3\" is not a duration: a whole number with a unit "
                + "(ms, s, min, h), for example 500ms"),
        .init(
            lines: "failover:\n  lease: 90s",
            problem: "line 13: failover.lease: 90s is outside 50ms to 1min"),
        .init(
            lines: "failover:\n  drift: 1",
            problem: "line 13: failover.drift: \"1\" is not a percentage with its sign, "
                + "for example 1 % or 0.5 %"),
        .init(
            lines: "store:\n  memtable: 64MB0",
            problem: "line 13: store.memtable: \"64MB0\" is not a size: a whole number with a unit "
                + "(B, KiB, MiB, GiB), for example 64MiB"),
        .init(
            lines: "store:\n  memtable: 1MiB",
            problem: "line 13: store.memtable: 1MiB is outside 4MiB to 1GiB"),
        .init(
            lines: "store:\n  directory: ~/sanad",
            problem: "line 13: store.directory: \"~/sanad\": the daemon has no home directory; "
                + "write the whole path"),
        .init(
            lines: "failover:\n  arbiter: consul",
            problem: "line 13: failover.arbiter: \"consul\" is not one of: none, witness, etcd"),
        .init(
            lines: "witness:\n  members: [rabat, fes]",
            problem: "line 13: witness.members: has no meaning with node.role: data; take it out"),
        .init(
            lines: "etcd:\n  endpoints: a:1",
            problem: "line 13: etcd.endpoints: has no meaning with failover.arbiter: none; "
                + "take it out"),
        .init(
            lines: "log:\n  level: [info]",
            problem: "line 13: log.level: must be one value"),
        .init(
            lines: "replication:\n  on_standby_loss: wait",
            problem: "line 13: replication.on_standby_loss: \"wait\" is not one of: "
                + "degrade, block"),
        .init(
            lines: "failover:\n  mode: auto",
            problem: "line 13: failover.mode: \"auto\" is not one of: "
                + "automatic, observe, manual"),
        .init(
            lines: "failover:\n  max_loss: 5",
            problem: "line 13: failover.max_loss: 5 has no meaning with replication.mode: sync, "
                + "which loses nothing; set it to 0, or replication.mode: async"),
        .init(
            lines: "failover:\n  max_loss: 1000001",
            problem: "line 13: failover.max_loss: 1000001 is outside 0 to 1000000"),
        .init(
            lines: "failover:\n  degrade_after: 999ms",
            problem: "line 13: failover.degrade_after: 999ms is shorter than 2 heartbeats: "
                + "2 × 500ms = 1s"),
        .init(
            lines: "failover:\n  degrade_after: 2h",
            problem: "line 13: failover.degrade_after: 2h is outside 20ms to 1h"),
        .init(
            lines: "retention:\n  maximum_bytes: 128MiB",
            problem: "line 13: retention.maximum_bytes: 128MiB is less than 4 files of the log: "
                + "4 × 64MiB = 256MiB"),
        .init(
            lines: "hooks:\n  veto_command: veto.sh",
            problem: "line 13: hooks.veto_command: \"veto.sh\" is not the absolute path of a "
                + "program, without arguments; put them in a script"),
        .init(
            lines: "hooks:\n  timeout: 61s",
            problem: "line 13: hooks.timeout: 61s is outside 1s to 1min"),
        .init(
            lines: "log:\n  level: loud",
            problem: "line 13: log.level: \"loud\" is not one of: "
                + "trace, debug, info, notice, warning, error, critical"),
        .init(
            lines: "records:\n  listen: 7401",
            problem: "line 13: records.listen: \"7401\" is not host:port, "
                + "for example 0.0.0.0:7400 or [::1]:7400"),
        .init(
            lines: "records:\n  listen: 127.0.0.1:70000",
            problem: "line 13: records.listen: \"127.0.0.1:70000\" is not host:port, "
                + "for example 0.0.0.0:7400 or [::1]:7400"),
        .init(
            lines: "records:\n  queue: 1",
            problem: "line 13: records.queue: 1 is outside 16 to 65536"),
        .init(
            lines: "records:\n  queue: [1]",
            problem: "line 13: records.queue: must be one value"),
        .init(
            lines: "records:\n  queue:",
            problem: "line 13: records.queue: has no value; write one, or take the line out"),
        .init(
            lines: "records: plain",
            problem: "line 12: records: must be a section with keys under it"),
        .init(
            lines: "records:\n  tls:\n    certificate: a.crt",
            problem: "line 14: records.tls.private_key: is missing: "
                + "records.tls.certificate is set"),
        .init(
            lines: "operations:\n  listen: 127.0.0.1:7401",
            problem: "line 13: operations.listen: 127.0.0.1:7401 is taken by records.listen "
                + "(127.0.0.1:7401)"),
        .init(
            lines: "control:\n  socket: /" + String(repeating: "s", count: 107),
            problem: "line 13: control.socket: \"/" + String(repeating: "s", count: 107)
                + "\" has 108 bytes; a socket's path has at most 107"),
        .init(
            lines: "1: 2",
            problem: "line 12: 1: unknown key"),
    ]

    @Test("Each error, with its line", arguments: single)
    func one(_ example: Case) {
        let text = ConfigurationFixtures.minimal(and: example.lines)
        #expect(ConfigurationFixtures.problems(text) == [example.problem])
    }

    @Test(
        "A lease shorter than four heartbeats is refused with the arithmetic",
        arguments: [
            (
                "failover:\n  heartbeat: 1s",
                "line 13: failover.lease: 3s is shorter than "
                    + "4 heartbeats: 4 × 1s = 4s; make the lease at least 4s, "
                    + "or the heartbeat at most 750ms"
            ),
            (
                "failover:\n  lease: 1999ms",
                "line 13: failover.lease: 1999ms is shorter than "
                    + "4 heartbeats: 4 × 500ms = 2s; make the lease at least 2s, "
                    + "or the heartbeat at most 499.75ms"
            ),
        ])
    func timing(lines: String, problem: String) {
        let text = ConfigurationFixtures.minimal(and: lines)
        #expect(ConfigurationFixtures.problems(text) == [problem])
    }

    @Test("A lease of exactly four heartbeats is taken")
    func timingBoundary() throws {
        let lines = "failover:\n  heartbeat: 50ms\n  lease: 200ms\n  drift: 0.5 %"
        let configuration = try NodeConfiguration.read(
            ConfigurationFixtures.minimal(and: lines), file: "test.yaml"
        ).configuration
        #expect(configuration.failover.grantWait == .milliseconds(201))
    }

    @Test("The granter's wait is rounded up, never down")
    func grantWaitRounding() {
        let failover = NodeConfiguration.Failover(
            mode: .manual, heartbeat: .milliseconds(1), lease: Span(nanoseconds: 1_000_001),
            driftPartsPerMillion: 10_000)
        #expect(failover.grantWait == Span(nanoseconds: 1_010_002))
    }

    @Test("All errors come at once, in the order of the file, what is missing last")
    func allAtOnce() {
        let text = """
            node:
              name: Rabat
              role: primary
            peer:
              host: 0.0.0.0
              name: marrakech
            failover:
              lease: 1s
              hartbeat: 500ms
              lease: 2s
            """
        let heads = ConfigurationFixtures.problems(text).map { problem in
            problem.split(separator: ":", maxSplits: 2).prefix(2).joined(separator: ":")
        }
        #expect(
            heads == [
                "line 2: node.name", "line 3: node.role", "line 5: peer.host",
                "line 9: failover.hartbeat", "line 10: failover.lease",
                "cluster.id: is missing", "link.certificate: is missing",
                "link.private_key: is missing", "link.authority: is missing",
            ])
    }

    @Test("A key that appears twice is refused, with both lines")
    func doubled() {
        let text = ConfigurationFixtures.minimal(and: "log:\n  level: info\n  level: debug")
        #expect(
            ConfigurationFixtures.problems(text) == [
                "line 14: log.level: appears twice; it also stands in line 13"
            ])
        let sections = ConfigurationFixtures.minimal(and: "node:\n  nam: rabat\n'node': {}")
        #expect(
            ConfigurationFixtures.problems(sections) == [
                "line 13: node.nam: unknown key; did you mean node.name?",
                "line 14: node: appears twice; it also stands in line 3",
                "line 14: node: appears twice; it also stands in line 12",
            ])
    }

    @Test(
        "An unknown key is told its nearest relative",
        arguments: [
            ("failover:\n  hearbeat: 1s", "failover.hearbeat", "failover.heartbeat"),
            ("lease: 3s", "lease", "failover.lease"),
            ("recods:\n  queue: 5", "recods", "records"),
            ("log:\n  leevl: info", "log.leevl", "log.level"),
            ("replication:\n  lease: 3s", "replication.lease", "failover.lease"),
        ])
    func suggestions(lines: String, key: String, nearest: String) {
        let problems = ConfigurationFixtures.problems(ConfigurationFixtures.minimal(and: lines))
        #expect(problems.count == 1)
        #expect(problems[0].hasSuffix("\(key): unknown key; did you mean \(nearest)?"))
    }

    @Test("A word that is like none gets no suggestion")
    func noSuggestion() {
        let text = ConfigurationFixtures.minimal(and: "xylophone: 1")
        #expect(ConfigurationFixtures.problems(text) == ["line 12: xylophone: unknown key"])
    }

    @Test(
        "What is not YAML is refused with its line", arguments: ["node: [", "\tnode:", "a: b: c"])
    func notYAML(text: String) {
        let problems = ConfigurationFixtures.problems("# comment\n" + text)
        #expect(problems.count == 1)
        #expect(problems[0].contains("line "))
        #expect(problems[0].contains("this is not YAML"))
    }

    @Test("An empty file, a list and a huge file are refused")
    func noSections() {
        #expect(ConfigurationFixtures.problems("# nothing\n") == ["the file is empty"])
        #expect(ConfigurationFixtures.problems("- a").count == 1)
        let huge = String(repeating: "# filler\n", count: 200_000)
        #expect(ConfigurationFixtures.problems(huge) == ["the file has more than 1 MiB"])
    }

    @Test("The two nodes must not be the same one")
    func sameNode() {
        let text = ConfigurationFixtures.minimal
            .replacing("name: marrakech", with: "name: rabat")
            .replacing("host: marrakech.example.org", with: "host: 127.0.0.1")
        #expect(
            ConfigurationFixtures.problems(text) == [
                "line 6: peer.name: \"rabat\" is this node's own name; name the other node",
                "line 7: peer.host: 127.0.0.1:7400 is this node's own link; "
                    + "write the other node's",
            ])
    }

    @Test("Plain HTTP on the network, and async with automatic failover, are warnings")
    func warnings() throws {
        let reading = try NodeConfiguration.read(
            ConfigurationFixtures.minimal(
                and: "records:\n  listen: 0.0.0.0:7401\nreplication:\n  mode: async"),
            file: "test.yaml")
        #expect(reading.warnings.map(\.key) == ["records.listen", "replication.mode"])
        #expect(reading.warnings.map(\.line) == [13, 15])
        let bounded = try NodeConfiguration.read(
            ConfigurationFixtures.minimal(
                and: "replication:\n  mode: async\nfailover:\n  max_loss: 100"),
            file: "test.yaml")
        #expect(bounded.warnings.isEmpty)
    }

    @Test("The error as text names the file and counts")
    func errorText() {
        let error = ConfigurationError(
            file: "/etc/sanad/sanad.yaml",
            problems: [ConfigurationProblem(line: 3, key: "node.name", message: "is wrong")])
        #expect(
            error.description
                == "/etc/sanad/sanad.yaml: 1 error in the configuration\n"
                + "  line 3: node.name: is wrong")
    }
}
