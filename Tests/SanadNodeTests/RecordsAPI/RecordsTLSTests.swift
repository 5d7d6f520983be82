import Foundation
import Logging
import NIOCore
import Testing

@testable import SanadNode

@Suite(
    "Records and operations API: TLS", .timeLimit(.minutes(1)),
    .enabled(if: CommandLineTool.openssl.exists && CommandLineTool.curl.exists))
struct RecordsTLSTests {
    @Test("both APIs speak HTTPS, and a new certificate is taken without a restart")
    func reload() async throws {
        let directory = try TemporaryDirectory()
        let (certificate, key) = (directory.path + "/cert.pem", directory.path + "/key.pem")
        try makeCertificate("first", certificate, key)
        let shared = try ServerCertificate(certificatePath: certificate, keyPath: key)
        let gate = try TestGate(directory: directory.path + "/store")
        let logger = Logger(label: "test")
        let records = try await RecordsServer.start(
            gate: gate, options: RecordsServerOptions(port: 0, certificate: shared), logger: logger)
        let operations = try await OperationsServer.start(
            gate: gate, options: OperationsServerOptions(port: 0, certificate: shared),
            logger: logger)
        let urls = [
            "https://127.0.0.1:\(records.port)/v1/collections/c/records",
            "https://127.0.0.1:\(operations.port)/primary",
        ]
        let result = await onThread {
            for (name, isNew) in [("first", false), ("second", true), ("second", false)] {
                if isNew {
                    try makeCertificate(name, certificate, key)
                    try records.reloadCertificate()
                }
                for url in urls {
                    let output = try CommandLineTool.curl.run(["-skv", "--http1.1", url])
                    #expect(output.contains("200 OK"))
                    #expect(output.contains("CN=\(name)"))
                }
            }
            try Data("broken".utf8).write(to: URL(fileURLWithPath: certificate))
            #expect(throws: (any Error).self) { try records.reloadCertificate() }
            let output = try CommandLineTool.curl.run(["-skv", urls[0]])
            #expect(output.contains("CN=second"))
            // What is not TLS is ended, and the next client is served.
            let plain = try RawClient(port: records.port)
            try plain.send("GET / HTTP/1.1\r\n\r\n")
            #expect((try? plain.response()) == nil)
            #expect(try CommandLineTool.curl.run(["-skv", urls[0]]).contains("200 OK"))
        }
        await records.shutdown(deadline: .now() + .seconds(2))
        await operations.shutdown()
        withExtendedLifetime(directory) {}
        try result.get()
    }
}

private func makeCertificate(_ name: String, _ certificate: String, _ key: String) throws {
    _ = try CommandLineTool.openssl.run([
        "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
        "2", "-subj", "/CN=\(name)", "-keyout", key, "-out", certificate,
    ])
}

private enum CommandLineTool: String {
    case openssl = "/usr/bin/openssl"
    case curl = "/usr/bin/curl"

    var exists: Bool { FileManager.default.isExecutableFile(atPath: rawValue) }

    /// - Returns: what it wrote to both outputs.
    func run(_ arguments: [String]) throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: rawValue)
        process.arguments = arguments
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = pipe
        try process.run()
        let output = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return String(decoding: output, as: UTF8.self)
    }
}
