import Glibc

/// Two daemons and an arbiter on one host, every connection between them through a proxy.
final class FailoverCluster {
    enum Arbiter: String, CaseIterable { case none, witness, etcd }

    /// One data node, as clients and its peers reach it.
    final class Node {
        let name: String
        let ports: (link: UInt16, records: UInt16, operations: UInt16)
        /// In front of the records API: a lost host answers no client.
        let clients: CutProxy
        let arbiter: CutProxy?
        var process: ChildProcess?

        init(
            name: String, ports: (link: UInt16, records: UInt16, operations: UInt16),
            clientsPort: UInt16, arbiter: CutProxy?
        ) throws {
            self.name = name
            self.ports = ports
            self.arbiter = arbiter
            clients = try CutProxy(port: clientsPort, target: Endpoint(port: ports.records))
        }

        /// Where clients go.
        var records: Endpoint { Endpoint(port: clients.port) }
        var operations: Endpoint { Endpoint(port: ports.operations) }
    }

    let arbiter: Arbiter
    let nodes: [Node]
    /// Between the two data nodes; the one whose name comes first dials.
    let link: CutProxy
    private let directory: String
    private let binaries: String
    private var arbiterProcess: ChildProcess?

    /// - Parameter settings: further lines of both nodes' configuration, by section.
    init(
        _ arbiter: Arbiter, directory: String, binaries: String, settings: String = "",
        mode: String = "sync"
    ) throws {
        guard mkdir(directory, 0o700) == 0 else { throw Failure("\(directory): \(lastError())") }
        self.arbiter = arbiter
        self.directory = directory
        self.binaries = binaries
        let ports = try freePorts(14)
        let arbiterPort = ports[12]
        let arbiters =
            arbiter == .none
            ? [nil, nil]
            : [
                try CutProxy(port: ports[10], target: Endpoint(port: arbiterPort)),
                try CutProxy(port: ports[11], target: Endpoint(port: arbiterPort)),
            ]
        let rabat = try Node(
            name: "rabat", ports: (ports[0], ports[1], ports[2]), clientsPort: ports[3],
            arbiter: arbiters[0])
        let marrakech = try Node(
            name: "marrakech", ports: (ports[4], ports[5], ports[6]), clientsPort: ports[7],
            arbiter: arbiters[1])
        nodes = [rabat, marrakech]
        link = try CutProxy(port: ports[8], target: Endpoint(port: rabat.ports.link))
        try issueCertificates()
        for node in nodes { try configure(node, settings: settings, mode: mode) }
        switch arbiter {
        case .none: break
        case .witness: try startWitness(port: arbiterPort, operations: ports[13])
        case .etcd: try startEtcd(port: arbiterPort, peerPort: ports[13])
        }
    }

    func stop() {
        for node in nodes {
            node.process?.send(SIGCONT)
            node.process?.send(SIGKILL)
            node.process = nil
            node.clients.stop()
            node.arbiter?.stop()
        }
        link.stop()
        arbiterProcess = nil
    }

    // MARK: Nodes

    func start(_ node: Node) throws {
        node.process = try ChildProcess.start(
            "\(binaries)/sanadd", ["--config", "\(directory)/\(node.name).yaml"],
            output: "\(directory)/\(node.name).log")
    }

    /// Runs `sanadctl` against a node's control socket and returns what it printed.
    func control(_ node: Node, _ arguments: [String]) throws -> String {
        try runTool(
            "\(binaries)/sanadctl",
            arguments + ["--socket", "\(directory)/\(node.name).sock"],
            output: "\(directory)/control.log", seconds: 60)
    }

    func other(_ node: Node) -> Node { nodes[0] === node ? nodes[1] : nodes[0] }

    /// The node that may acknowledge now; waits until there is exactly one.
    func primary(seconds: Double = 30) throws -> Node {
        let deadline = Deadline(seconds: seconds)
        while true {
            let writable = nodes.filter {
                (try? readStatus($0.operations))?["writable"].word == "true"
            }
            if writable.count == 1 { return writable[0] }
            guard !deadline.hasPassed else {
                throw Failure("no single primary in \(decimal(seconds, places: 0)) s")
            }
            pause(milliseconds: 5)
        }
    }

    /// Waits until both sites are in sync and the arbiter, if there is one, is heard by both.
    func waitUntilWhole(seconds: Double = 60) throws {
        let deadline = Deadline(seconds: seconds)
        while true {
            let states = nodes.map { node -> String in
                guard let status = try? readStatus(node.operations) else { return "no answer" }
                let isHeard = arbiter == .none || status["arbiterReachable"].word == "true"
                guard case .list(let inSync) = status["inSync"], inSync.count == 2, isHeard,
                    status["link.connected"].word == "true"
                else { return "not whole" }
                return status["role"].word
            }
            if states.sorted() == ["primary", "standby"] {
                let ready = try primary(seconds: 1)
                if (try? readStatus(ready.operations))?["link.state"].word == "streaming" { return }
            }
            guard !deadline.hasPassed else {
                throw Failure("not in sync again in \(decimal(seconds, places: 0)) s: \(states)")
            }
            pause(milliseconds: 10)
        }
    }

    // MARK: Laying out

    private func issueCertificates() throws {
        let pki = "\(directory)/pki"
        let output = "\(directory)/pki.log"
        let control = "\(binaries)/sanadctl"
        _ = try runTool(control, ["pki", "init", "--directory", pki], output: output)
        // etcd, which has the third one's certificate, is known by the address that it is dialled at.
        for name in ["rabat", "marrakech", "witness"] {
            _ = try runTool(
                control, ["pki", "issue", name, "--host", "127.0.0.1", "--directory", pki],
                output: output)
        }
    }

    private func configure(_ node: Node, settings: String, mode: String) throws {
        let peer = other(node)
        // Marrakech dials Rabat, through the proxy.
        let peerPort = node.name == "marrakech" ? link.port : peer.ports.link
        try writeFile(
            "\(directory)/\(node.name).yaml",
            """
            cluster:
              id: 5a4ad000-0000-4000-8000-000000000003
            node:
              name: \(node.name)
              initial_role: \(node.name == "rabat" ? "primary" : "standby")
            store:
              directory: \(directory)/\(node.name)
            peer:
              name: \(peer.name)
              host: 127.0.0.1
              port: \(peerPort)
              records_url: \(peer.records)
            link:
              listen: 127.0.0.1:\(node.ports.link)
              certificate: \(directory)/pki/\(node.name).crt
              private_key: \(directory)/pki/\(node.name).key
              authority: \(directory)/pki/ca.crt
            replication:
              mode: \(mode)
            failover:
              arbiter: \(arbiter.rawValue)
            \(arbiterSection(node))
            records:
              listen: 127.0.0.1:\(node.ports.records)
            operations:
              listen: 127.0.0.1:\(node.ports.operations)
            control:
              socket: \(directory)/\(node.name).sock
            \(settings)

            """)
    }

    private func arbiterSection(_ node: Node) -> String {
        guard let port = node.arbiter?.port else { return "" }
        switch arbiter {
        case .none: return ""
        case .witness:
            return """
                witness:
                  name: witness
                  address: 127.0.0.1:\(port)
                """
        case .etcd:
            return """
                etcd:
                  endpoints: ["127.0.0.1:\(port)"]
                  ca: \(directory)/pki/ca.crt
                  certificate: \(directory)/pki/\(node.name).crt
                  key: \(directory)/pki/\(node.name).key
                """
        }
    }

    private func startWitness(port: UInt16, operations: UInt16) throws {
        try writeFile(
            "\(directory)/witness.yaml",
            """
            cluster:
              id: 5a4ad000-0000-4000-8000-000000000003
            node:
              name: witness
              role: witness
            store:
              directory: \(directory)/witness
            link:
              listen: 127.0.0.1:\(port)
              certificate: \(directory)/pki/witness.crt
              private_key: \(directory)/pki/witness.key
              authority: \(directory)/pki/ca.crt
            witness:
              members: [rabat, marrakech]
            operations:
              listen: 127.0.0.1:\(operations)

            """)
        arbiterProcess = try ChildProcess.start(
            "\(binaries)/sanadd", ["--config", "\(directory)/witness.yaml"],
            output: "\(directory)/witness.log")
    }

    private func startEtcd(port: UInt16, peerPort: UInt16) throws {
        let program = ["/usr/bin/etcd", "/usr/local/bin/etcd"].first { (path: String) in
            access(path, X_OK) == 0
        }
        guard let program else { throw Failure("etcd is not installed; make test-deps does it") }
        let client = "https://127.0.0.1:\(port)"
        let peer = "http://127.0.0.1:\(peerPort)"
        arbiterProcess = try ChildProcess.start(
            program,
            [
                "--name", "one", "--data-dir", "\(directory)/etcd",
                "--listen-client-urls", client, "--advertise-client-urls", client,
                "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
                "--initial-cluster", "one=\(peer)", "--client-cert-auth",
                "--trusted-ca-file", "\(directory)/pki/ca.crt",
                "--cert-file", "\(directory)/pki/witness.crt",
                "--key-file", "\(directory)/pki/witness.key",
            ], output: "\(directory)/etcd.log")
    }
}
