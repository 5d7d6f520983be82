import Foundation
import SanadCore
import SanadLink
import SanadNode
import SanadTestSupport
import Testing

/// Two sites as real processes on loopback, with real certificates, stores and signals.
final class Sites {
    let directory: String
    let rabat: Site
    let marrakech: Site
    let cluster: Identifier

    init(mode: String = "sync", lease: String = "1s") throws {
        directory =
            FileManager.default.temporaryDirectory
            .appendingPathComponent("sanad-e2e-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true)
        var generator = SystemRandomNumberGenerator()
        cluster = .random(using: &generator)
        try CertificateAuthority.create(
            directory: directory + "/ca", clusterName: "test", validityDays: 1)
        let ports = try (0..<6).map { _ in try freePort() }
        rabat = Site("rabat", directory, records: ports[0], operations: ports[1], link: ports[2])
        marrakech = Site(
            "marrakech", directory, records: ports[3], operations: ports[4], link: ports[5])
        for (site, peer) in [(rabat, marrakech), (marrakech, rabat)] {
            try CertificateAuthority.issue(
                directory: directory + "/ca", node: try #require(NodeName(site.name)),
                outputDirectory: directory, validityDays: 1)
            try site.configure(peer: peer, cluster: cluster, mode: mode, lease: lease)
        }
    }

    deinit {
        rabat.kill(SIGKILL)
        marrakech.kill(SIGKILL)
        try? FileManager.default.removeItem(atPath: directory)
    }

    func startBoth() async throws {
        try rabat.start()
        try marrakech.start()
        try await until("rabat is primary") { rabat.isPrimary }
        try await until("marrakech follows") { try marrakech.status()?.link.state == "streaming" }
    }
}

/// One daemon: its files, its ports, its process.
final class Site {
    let name: String
    let directory: String
    let records: UInt16
    let operations: UInt16
    let link: UInt16
    private(set) var process: Process?

    init(_ name: String, _ directory: String, records: UInt16, operations: UInt16, link: UInt16) {
        self.name = name
        self.directory = directory
        self.records = records
        self.operations = operations
        self.link = link
    }

    var configurationPath: String { "\(directory)/\(name).yaml" }
    var store: String { "\(directory)/\(name)" }

    func configure(peer: Site, cluster: Identifier, mode: String, lease: String) throws {
        let text = """
            cluster:
              id: \(cluster)
            node:
              name: \(name)
              initial_role: \(name == "rabat" ? "primary" : "standby")
            store:
              directory: \(store)
            peer:
              name: \(peer.name)
              host: 127.0.0.1
              port: \(peer.link)
              records_url: http://127.0.0.1:\(peer.records)
            link:
              listen: 127.0.0.1:\(link)
              certificate: \(directory)/\(name).crt
              private_key: \(directory)/\(name).key
              authority: \(directory)/ca/ca.crt
            replication:
              mode: \(mode)
            failover:
              heartbeat: 100ms
              lease: \(lease)
            records:
              listen: 127.0.0.1:\(records)
            operations:
              listen: 127.0.0.1:\(operations)
            control:
              socket: \(directory)/\(name).sock
            """
        try text.write(toFile: configurationPath, atomically: true, encoding: .utf8)
    }

    /// Starts the daemon; its log goes to `<name>.log` beside its store.
    @discardableResult
    func start() throws -> Process {
        let process = Process()
        process.executableURL = Self.binary("sanadd")
        process.arguments = ["--config", configurationPath]
        let path = "\(directory)/\(name).log"
        if !FileManager.default.fileExists(atPath: path) {
            _ = FileManager.default.createFile(atPath: path, contents: nil)
        }
        let log = try #require(FileHandle(forWritingAtPath: path))
        try log.seekToEnd()
        process.standardError = log
        process.standardOutput = log
        try process.run()
        self.process = process
        return process
    }

    /// The folder of the test bundle is that of the product.
    static func binary(_ name: String) -> URL {
        URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
            .appendingPathComponent(name)
    }

    func kill(_ signal: Int32) {
        guard let process, process.isRunning else { return }
        Foundation.kill(process.processIdentifier, signal)
        if signal == SIGKILL || signal == SIGTERM { process.waitUntilExit() }
    }

    var log: String {
        (try? String(contentsOfFile: "\(directory)/\(name).log", encoding: .utf8)) ?? ""
    }

    func put(_ key: String, _ value: String, seconds: Int = 15) -> Http.Answer? {
        Http.ask(
            "PUT", port: records, "/v1/collections/pupils/records/\(key)", body: value,
            seconds: seconds)
    }

    func get(_ key: String) -> String? {
        let answer = Http.ask("GET", port: records, "/v1/collections/pupils/records/\(key)")
        return answer?.status == 200 ? answer?.body : nil
    }

    func status() throws -> NodeStatus? {
        guard let answer = Http.ask("GET", port: operations, "/status"), answer.status == 200 else {
            return nil
        }
        // The body may come in chunks; the JSON begins and ends with its braces.
        guard let first = answer.body.firstIndex(of: "{"), let last = answer.body.lastIndex(of: "}")
        else { return nil }
        return try JSONDecoder().decode(NodeStatus.self, from: Data(answer.body[first...last].utf8))
    }

    var isPrimary: Bool { Http.ask("GET", port: operations, "/primary")?.status == 200 }
}
