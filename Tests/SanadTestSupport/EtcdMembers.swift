import Glibc

/// Members of a real etcd cluster on loopback, with TLS and client certificates.
public final class EtcdMembers {
    /// Debian's package `etcd-server`.
    public static let program = "/usr/bin/etcd"
    public static let isInstalled = access(program, X_OK) == 0
    public static let whyNot = "etcd is not installed: apt-get install etcd-server"

    /// Where the members take clients, over HTTPS.
    public let ports: [UInt16]
    private let peerPorts: [UInt16]
    private let directory: String
    private let credentials: Credentials
    private var processes: [ChildProcess?] = []

    /// The members' own certificate, good for servers and clients, and the clients' authority.
    public struct Credentials {
        var certificate: String
        var key: String
        var authority: String

        public init(certificate: String, key: String, authority: String) {
            self.certificate = certificate
            self.key = key
            self.authority = authority
        }
    }

    /// Starts the members; they take some time until they answer.
    ///
    /// - Throws: ``HostFailure``
    public init(count: Int, directory: String, credentials: Credentials) throws {
        self.directory = directory
        self.credentials = credentials
        ports = try (0..<count).map { _ in try freePort() }
        peerPorts = try (0..<count).map { _ in try freePort() }
        processes = Array(repeating: nil, count: count)
        for index in 0..<count { try start(index) }
    }

    /// Starts a member, or starts it again with the data that it has.
    ///
    /// - Throws: ``HostFailure``
    public func start(_ index: Int) throws {
        let client = "https://127.0.0.1:\(ports[index])"
        let peers = peerPorts.enumerated().map { "m\($0)=http://127.0.0.1:\($1)" }
        let arguments = [
            "--name", "m\(index)", "--data-dir", "\(directory)/etcd\(index)",
            "--listen-client-urls", client, "--advertise-client-urls", client,
            "--listen-peer-urls", "http://127.0.0.1:\(peerPorts[index])",
            "--initial-advertise-peer-urls", "http://127.0.0.1:\(peerPorts[index])",
            "--initial-cluster", peers.joined(separator: ","),
            "--cert-file", credentials.certificate, "--key-file", credentials.key,
            "--trusted-ca-file", credentials.authority, "--client-cert-auth",
        ]
        processes[index] = try ChildProcess(
            Self.program, arguments, output: "\(directory)/etcd\(index).log")
    }

    public func signal(_ index: Int, _ number: Int32) { processes[index]?.kill(number) }

    /// Ends a member, as a lost host does.
    public func kill(_ index: Int) { processes[index] = nil }

    public func isRunning(_ index: Int) -> Bool { processes[index]?.isRunning == true }
}
