import Foundation
import Logging
import SanadCore
import SanadLink
import Testing

@testable import SanadNode

@Suite("The link's certificate, as its own node looks at it")
struct CredentialsTests {
    private let log = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    private let directory: TemporaryDirectory

    init() throws {
        directory = try TemporaryDirectory()
        for authority in ["ca", "other"] {
            try CertificateAuthority.create(
                directory: "\(directory.path)/\(authority)", clusterName: authority,
                validityDays: 2)
            for node in ["rabat", "marrakech"] {
                try CertificateAuthority.issue(
                    directory: "\(directory.path)/\(authority)", node: try #require(NodeName(node)),
                    outputDirectory: "\(directory.path)/\(authority)", validityDays: 1)
            }
        }
        try use("ca/rabat")
    }

    /// Puts a certificate and its key where the node reads them.
    private func use(_ name: String) throws {
        for suffix in ["crt", "key"] {
            let path = "\(directory.path)/node.\(suffix)"
            if FileManager.default.fileExists(atPath: path) {
                try FileManager.default.removeItem(atPath: path)
            }
            try FileManager.default.copyItem(
                atPath: "\(directory.path)/\(name).\(suffix)", toPath: path)
        }
    }

    private func load() throws -> TLSContext {
        try LinkCredentials.load(
            certificate: "\(directory.path)/node.crt", privateKey: "\(directory.path)/node.key",
            authority: "\(directory.path)/ca/ca.crt", node: try #require(NodeName("rabat")),
            log: log)
    }

    @Test(
        "A start with one that no peer would accept is refused, and the error says what to do",
        arguments: [
            ("ca/marrakech", "it is not for rabat, but for DNS:marrakech", "pki issue rabat"),
            ("other/rabat", "it is not signed by the authority", "cluster's own authority"),
        ])
    func start(file: String, problem: String, remedy: String) throws {
        try use(file)
        let failure = try #require(throws: CredentialsFailure.self) { _ = try load() }
        #expect(failure.description.contains("node.crt"))
        #expect(failure.description.contains(problem), "\(failure)")
        #expect(failure.description.contains(remedy), "\(failure)")
    }

    @Test(
        "A reload with one that no peer would accept is refused, and the old one stays",
        arguments: ["ca/marrakech", "other/rabat"])
    func reload(file: String) throws {
        let context = try load()
        let expiry = context.certificateExpiryUnixSeconds
        try use(file)
        #expect(throws: LinkError.self) { try context.reload() }
        #expect(context.certificateExpiryUnixSeconds == expiry)
        try use("ca/rabat")
        try context.reload()
    }
}
