import Glibc

/// One daemon of a pair, with a store of its own in the bench's directory.
final class BenchNode {
    struct Ports {
        var link: UInt16
        var records: UInt16
        var operations: UInt16
    }

    let name: String
    let ports: Ports
    /// The most memory that any process of this node ever held, in bytes.
    private(set) var peakResidentBytes: UInt64 = 0

    private let directory: String
    private let binaries: String
    private var process: ChildProcess?

    init(name: String, ports: Ports, directory: String, binaries: String) {
        self.name = name
        self.ports = ports
        self.directory = directory
        self.binaries = binaries
    }

    var records: Endpoint { Endpoint(port: ports.records) }
    var operations: Endpoint { Endpoint(port: ports.operations) }
    var logFile: String { "\(directory)/\(name).log" }
    var recordTable: String { "\(directory)/\(name)/records.db" }
    var processIdentifier: pid_t? { process?.identifier }

    func writeConfiguration(
        cluster: String, peer: BenchNode, isPrimary: Bool, mode: String
    ) throws {
        // Without synchronous replication no promotion is free of loss, so none is automatic.
        let failoverMode = mode == "sync" ? "automatic" : "manual"
        try writeFile(
            "\(directory)/\(name).yaml",
            """
            cluster:
              id: \(cluster)
            node:
              name: \(name)
              initial_role: \(isPrimary ? "primary" : "standby")
            store:
              directory: \(directory)/\(name)
            peer:
              name: \(peer.name)
              host: 127.0.0.1
              port: \(peer.ports.link)
              records_url: \(peer.records)
            link:
              listen: 127.0.0.1:\(ports.link)
              certificate: \(directory)/pki/\(name).crt
              private_key: \(directory)/pki/\(name).key
              authority: \(directory)/pki/ca.crt
            replication:
              mode: \(mode)
            failover:
              mode: \(failoverMode)
            records:
              listen: 127.0.0.1:\(ports.records)
            operations:
              listen: 127.0.0.1:\(ports.operations)
            control:
              socket: \(directory)/\(name).sock
            log:
              level: info

            """)
    }

    func start() throws {
        process = try ChildProcess.start(
            "\(binaries)/sanadd", ["--config", "\(directory)/\(name).yaml"], output: logFile)
    }

    /// Runs `sanadctl` against this node's control socket and returns what it printed.
    func control(_ arguments: [String]) throws -> String {
        try runTool(
            "\(binaries)/sanadctl", arguments + ["--socket", "\(directory)/\(name).sock"],
            output: "\(directory)/control.log", seconds: 60)
    }

    /// Plans, while the process does not run, that its next start begins with an empty store.
    func planReseed() throws {
        _ = try runTool(
            "\(binaries)/sanadctl",
            [
                "reseed", "--offline", "--directory", "\(directory)/\(name)", "--discard-old",
                "--yes", "--reason", "bench",
            ], output: "\(directory)/control.log")
    }

    /// Keeps the peak of the process that runs now.
    func sampleMemory() {
        guard let process, process.isRunning,
            let usage = try? ProcessUsage(of: process.identifier)
        else { return }
        peakResidentBytes = max(peakResidentBytes, usage.peakResidentBytes)
    }

    /// What the process that runs now has used of the processors.
    func processorSeconds() throws -> Double {
        guard let process else { throw Failure("\(name) does not run") }
        return try ProcessUsage(of: process.identifier).processorSeconds
    }

    /// Ends the process as a lost host would.
    func kill() throws {
        sampleMemory()
        process?.send(SIGKILL)
        try process?.wait(seconds: 10)
        process = nil
    }

    /// Asks the process to end, and ends it when it does not: a figure is not lost over that.
    func stop() throws {
        sampleMemory()
        process?.send(SIGTERM)
        do {
            try process?.wait(seconds: 15)
        } catch {
            line("warning: \(name) did not stop within 15 s of SIGTERM and was killed")
        }
        process = nil
    }

    func wait(_ conditions: [String], seconds: Double) throws {
        do {
            try waitForStatus(operations, conditions, seconds: seconds)
        } catch let failure as Failure {
            if process?.isRunning == true { throw failure }
            let log = (try? readLines(logFile)) ?? []
            throw Failure(
                "\(name) has ended; its last words:\n" + log.suffix(5).joined(separator: "\n"))
        }
    }

    /// Waits until `/readyz` answers 200.
    func waitUntilReady(seconds: Double) throws {
        let deadline = Deadline(seconds: seconds)
        while (try? fetch(operations, "/readyz"))?.status != 200 {
            guard !deadline.hasPassed else { throw Failure("\(name) did not become ready") }
            pause(milliseconds: 5)
        }
    }

    /// Waits until this node's log is durable up to a sequence.
    func waitUntilDurable(_ sequence: Double, seconds: Double) throws {
        let deadline = Deadline(seconds: seconds)
        while true {
            let reached = (try? readStatus(operations))?["logEnd.sequence"].number ?? 0
            if reached >= sequence { return }
            guard !deadline.hasPassed else {
                throw Failure("\(name) is durable up to \(reached) only, not \(sequence)")
            }
            // As often as the status is published: asking costs the node what is being measured.
            pause(milliseconds: 20)
        }
    }
}

/// Rabat and Marrakech on one host, linked by real TLS over loopback.
final class BenchPair {
    let rabat: BenchNode
    let marrakech: BenchNode

    /// Lays out directory, certificates and configurations; starts nothing.
    init(directory: String, binaries: String, mode: String) throws {
        guard mkdir(directory, 0o700) == 0 else { throw Failure("\(directory): \(lastError())") }
        let ports = try freePorts(6)
        rabat = BenchNode(
            name: "rabat",
            ports: .init(link: ports[0], records: ports[1], operations: ports[2]),
            directory: directory, binaries: binaries)
        marrakech = BenchNode(
            name: "marrakech",
            ports: .init(link: ports[3], records: ports[4], operations: ports[5]),
            directory: directory, binaries: binaries)
        let cluster = "5a4ad000-0000-4000-8000-000000000001"
        let output = "\(directory)/pki.log"
        let pki = "\(directory)/pki"
        let control = "\(binaries)/sanadctl"
        _ = try runTool(control, ["pki", "init", "--directory", pki], output: output)
        for node in [rabat, marrakech] {
            _ = try runTool(
                control,
                ["pki", "issue", node.name, "--directory", pki],
                output: output)
        }
        try rabat.writeConfiguration(
            cluster: cluster, peer: marrakech, isPrimary: true, mode: mode)
        try marrakech.writeConfiguration(
            cluster: cluster, peer: rabat, isPrimary: false, mode: mode)
    }

    var nodes: [BenchNode] { [rabat, marrakech] }

    func start() throws {
        for node in nodes { try node.start() }
        try rabat.wait(["role=primary", "writable=true", "link.state=streaming"], seconds: 15)
    }

    func stop() throws {
        for node in nodes { try node.stop() }
    }
}
