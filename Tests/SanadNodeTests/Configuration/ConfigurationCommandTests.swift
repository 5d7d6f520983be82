import Foundation
import Testing

@testable import SanadNode

/// The command line as a process: what scripts rely on.
@Suite("sanadctl, as a process")
struct ConfigurationCommandTests {
    struct Outcome {
        var code: Int32
        var output: String
        var errors: String
    }

    /// The folder of the built products: that of the test bundle.
    static let products: URL? = CommandLine.arguments
        .first { $0.contains(".xctest") }
        .map { URL(fileURLWithPath: $0).deletingLastPathComponent() }

    private let directory: URL

    init() throws {
        directory = FileManager.default.temporaryDirectory
            .appendingPathComponent("sanadctl-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    }

    /// Runs `sanadctl` in the test's own directory, without a node.
    private func run(_ arguments: String...) throws -> Outcome { try run(arguments) }

    private func run(_ arguments: [String]) throws -> Outcome {
        let process = Process()
        process.executableURL = try #require(Self.products).appendingPathComponent("sanadctl")
        process.arguments = arguments
        process.currentDirectoryURL = directory
        process.environment = ["PATH": "/usr/bin:/bin", "SANAD_SOCKET": "/nonexistent/sanad.sock"]
        process.standardInput = FileHandle.nullDevice
        // Files, not pipes: a pipe that nobody empties would stop the process.
        let (output, errors) = (try sink("output"), try sink("errors"))
        process.standardOutput = output
        process.standardError = errors
        try process.run()
        process.waitUntilExit()
        return Outcome(
            code: process.terminationStatus, output: try read("output"), errors: try read("errors"))
    }

    private func sink(_ name: String) throws -> FileHandle {
        let path = directory.appendingPathComponent(name)
        try Data().write(to: path)
        return try FileHandle(forWritingTo: path)
    }

    private func read(_ name: String) throws -> String {
        try String(contentsOf: directory.appendingPathComponent(name), encoding: .utf8)
    }

    private func write(_ text: String, _ name: String) throws {
        try Data(text.utf8).write(to: directory.appendingPathComponent(name))
    }

    @Test("config check: 0 for a right file, 78 with every error for a wrong one")
    func configCheck() throws {
        defer { try? FileManager.default.removeItem(at: directory) }
        try write(ConfigurationFixtures.minimal, "right.yaml")
        let right = try run("config", "check", "right.yaml")
        #expect(right.code == 0)
        #expect(right.output.contains("node rabat, peer marrakech, sync"))
        try write(ConfigurationFixtures.minimal(and: "lgo:\n  level: x\nnode: 1"), "wrong.yaml")
        let wrong = try run("config", "check", "wrong.yaml")
        #expect(wrong.code == ConfigurationError.exitCode)
        #expect(wrong.errors.contains("line 12: lgo: unknown key; did you mean log?"))
        #expect(wrong.errors.contains("line 14: node: appears twice"))
    }

    @Test("config keys prints the table of the reference")
    func configKeys() throws {
        defer { try? FileManager.default.removeItem(at: directory) }
        let keys = try run("config", "keys", "--markdown")
        #expect(keys.code == 0)
        #expect(keys.output == ConfigurationReference.markdown)
    }

    @Test(
        "Without a node: 69, and what to do",
        arguments: [
            ["status"], ["get", "c", "k"], ["put", "c", "k", "1"], ["seal"], ["history"],
            ["switchover"], ["promote", "--reason", "r"],
            ["pause", "--for", "30m", "--reason", "r"],
            ["quarantine", "list"], ["quarantine", "export", "1"],
        ])
    func unavailable(arguments: [String]) throws {
        defer { try? FileManager.default.removeItem(at: directory) }
        let outcome = try run(arguments)
        #expect(outcome.code == 69)
        #expect(outcome.output.isEmpty)
        #expect(outcome.errors.contains("What to do: start it"))
    }

    @Test("check speaks Nagios: a node that is away is critical, wrong usage is unknown")
    func check() throws {
        defer { try? FileManager.default.removeItem(at: directory) }
        let away = try run("check")
        #expect(away.code == 2)
        #expect(away.output.hasPrefix("SANAD CRITICAL - "))
        #expect(try run("check", "--lag-bytes-warning", "64").code == 3)
    }

    @Test(
        "Wrong usage: 64",
        arguments: [
            ["promote", "--accept-loss"], ["promote"], ["run-alone"], ["fence"], ["rejoin"],
            ["reseed"], ["pause", "--for", "30m"], ["pause", "--for", "25h", "--reason", "r"],
            ["pause", "--for", "5", "--reason", "r"], ["quarantine", "discard", "1"],
            ["quarantine", "show"], ["reseed", "--discard-old", "--reason", "r"],
            ["status", "--bogus"], ["pki", "issue", "Rabat"],
            ["put", "c", "k", "1", "--if-absent", "--if-present"],
            ["status", "--url", "http://a", "--socket", "b"],
            ["seal", "--url", "http://127.0.0.1:1"],
        ])
    func usage(arguments: [String]) throws {
        defer { try? FileManager.default.removeItem(at: directory) }
        #expect(try run(arguments).code == 64)
    }

    @Test("import: a file that is not there is 66")
    func noInput() throws {
        defer { try? FileManager.default.removeItem(at: directory) }
        #expect(try run("import", "nothing.ndjson").code == 66)
    }

    @Test("pki: an authority, a node's certificate, nothing overwritten")
    func pki() throws {
        defer { try? FileManager.default.removeItem(at: directory) }
        #expect(try run("pki", "init", "--directory", "pki").code == 0)
        #expect(try run("pki", "issue", "rabat", "--directory", "pki", "--host", "::1").code == 0)
        let shown = try run("pki", "show", "pki/rabat.crt")
        #expect(shown.output.contains("DNS:rabat"))
        #expect(try run("pki", "init", "--directory", "pki").code == 73)
        let modes = try FileManager.default.attributesOfItem(
            atPath: directory.appendingPathComponent("pki/rabat.key").path)
        #expect((modes[.posixPermissions] as? NSNumber)?.intValue == 0o600)
    }
}
