import Foundation
import SanadNode
import SanadTestSupport
import Testing

@testable import sanad_bench

/// One daemon: its files, its ports, its process.
final class Site {
    let name: String
    let directory: String
    let records: UInt16
    let operations: UInt16
    let link: UInt16
    /// The node's way to a witness.
    let arbiter: CutProxy?
    private(set) var process: SanadTestSupport.ChildProcess?

    init(_ name: String, _ directory: String, arbiter: CutProxy?) throws {
        self.name = name
        self.directory = directory
        self.arbiter = arbiter
        records = try freePort()
        operations = try freePort()
        link = try freePort()
    }

    var configurationPath: String { "\(directory)/\(name).yaml" }
    var store: String { "\(directory)/\(name)" }
    var socket: String { "\(directory)/\(name).sock" }

    /// Changes the configuration; it holds from the next start on.
    func reconfigure(_ key: String, _ value: String) throws {
        let text = try String(contentsOfFile: configurationPath, encoding: .utf8)
        try #require(text.contains(key), "\(key) is not in \(configurationPath)")
        try text.replacing(key, with: value)
            .write(toFile: configurationPath, atomically: true, encoding: .utf8)
    }

    // MARK: The process

    /// Starts the daemon; its log goes to `<name>.log` beside its store.
    @discardableResult
    func start() throws -> SanadTestSupport.ChildProcess {
        let process = try SanadTestSupport.ChildProcess(
            Self.binary("sanadd").path, ["--config", configurationPath],
            output: "\(directory)/\(name).log")
        self.process = process
        return process
    }

    /// The folder of the test bundle is that of the product.
    static func binary(_ name: String) -> URL {
        URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
            .appendingPathComponent(name)
    }

    /// Sends a signal; waits for the end after one that ends.
    func kill(_ signal: Int32) {
        guard let process, process.isRunning else { return }
        process.kill(signal)
        if signal == SIGKILL || signal == SIGTERM { process.wait() }
    }

    var log: String {
        (try? String(contentsOfFile: "\(directory)/\(name).log", encoding: .utf8)) ?? ""
    }

    // MARK: As clients see it

    func put(_ key: String, _ value: String, seconds: Int = 15) -> Http.Answer? {
        Http.ask(
            "PUT", port: records, "/v1/collections/pupils/records/\(key)", body: value,
            seconds: seconds)
    }

    /// A put that must be acknowledged, as durable on both sites or on this one only.
    func put(_ key: String, _ value: String, on durability: String) throws {
        let answer = try #require(put(key, value), "\(name) does not answer")
        #expect(
            answer.status == 200 && answer.body.contains(durability), "\(name), \(key): \(answer)")
    }

    func get(_ key: String) -> String? {
        let answer = Http.ask("GET", port: records, "/v1/collections/pupils/records/\(key)")
        return answer?.status == 200 ? answer?.body : nil
    }

    func status() throws -> NodeStatus? {
        try Http.json(NodeStatus.self, port: operations, "/status")
    }

    var isPrimary: Bool { Http.ask("GET", port: operations, "/primary")?.status == 200 }

    // MARK: As operators see it

    /// What `sanadctl` said, and its exit code.
    struct Word: CustomStringConvertible {
        var code: Int32
        var text: String

        var isDone: Bool { code == 0 }
        var description: String { "exit code \(code): \(text)" }
    }

    /// Runs `sanadctl` against this node's control socket.
    func control(_ arguments: String..., input: String? = nil) async throws -> Word {
        try await Self.tool(
            arguments + ["--socket", socket], output: "\(directory)/\(name)-\(UUID()).out")
    }

    /// Runs `sanadctl` on files.
    func controlOffline(_ arguments: String...) async throws -> Word {
        try await controlOffline(arguments)
    }

    func controlOffline(_ arguments: [String]) async throws -> Word {
        try await Self.tool(arguments, output: "\(directory)/\(name)-\(UUID()).out")
    }

    private static func tool(_ arguments: [String], output: String) async throws -> Word {
        let child = try SanadTestSupport.ChildProcess(
            binary("sanadctl").path, arguments, output: output)
        try await until("sanadctl \(arguments.joined(separator: " ")) ends") { !child.isRunning }
        return Word(
            code: child.wait(), text: try String(contentsOfFile: output, encoding: .utf8))
    }
}
