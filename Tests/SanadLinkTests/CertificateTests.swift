import Glibc
import SanadCore
import Testing

@testable import SanadLink

@Suite struct CertificateTests {
    private func mode(_ path: String) -> mode_t {
        var status = stat()
        return stat(path, &status) == 0 ? status.st_mode & 0o777 : 0
    }

    @Test func anAuthorityAndItsNodes() throws {
        let directory = try TemporaryDirectory()
        let authority = try CertificateAuthority.create(
            directory: directory.path, clusterName: "Ministère", validityDays: 3_650)
        #expect(authority.isAuthority)
        #expect(authority.subject == authority.issuer)
        #expect(mode("\(directory.path)/ca.key") == 0o600)
        let node = try CertificateAuthority.issue(
            directory: directory.path, node: Cluster.rabat,
            hosts: ["db1.example.org", "192.0.2.1", "2001:db8::1"],
            outputDirectory: directory.path, validityDays: 365)
        #expect(mode("\(directory.path)/rabat.key") == 0o600)
        #expect(!node.isAuthority)
        #expect(node.subject == "CN=rabat")
        #expect(node.issuer == authority.subject)
        #expect(
            node.names == ["DNS:rabat", "DNS:db1.example.org", "IP:192.0.2.1", "IP:2001:db8::1"])
        #expect(node.serialNumber != authority.serialNumber)
        #expect(node.fingerprint.count == 64)
        let now = Int64(time(nil))
        #expect(abs(node.notAfterUnixSeconds - now - 365 * 86_400) < 60)
        #expect(node.notBeforeUnixSeconds < now)
        #expect(try CertificateAuthority.describe("\(directory.path)/rabat.crt") == node)
        let context = try Cluster.context(directory, Cluster.rabat)
        #expect(context.certificateExpiryUnixSeconds == node.notAfterUnixSeconds)
    }

    @Test func aNodeDoesNotOutliveItsAuthority() throws {
        let directory = try TemporaryDirectory()
        let authority = try CertificateAuthority.create(
            directory: directory.path, clusterName: "test", validityDays: 10)
        let node = try CertificateAuthority.issue(
            directory: directory.path, node: Cluster.rabat, outputDirectory: directory.path,
            validityDays: 100)
        #expect(node.notAfterUnixSeconds == authority.notAfterUnixSeconds)
    }

    @Test func nothingIsOverwritten() throws {
        let directory = try TemporaryDirectory()
        try CertificateAuthority.create(
            directory: directory.path, clusterName: "test", validityDays: 10)
        let before = try CertificateAuthority.describe("\(directory.path)/ca.crt")
        let error = try linkError {
            try CertificateAuthority.create(
                directory: directory.path, clusterName: "test", validityDays: 10)
        }
        #expect(error.code == .alreadyExists)
        #expect(try CertificateAuthority.describe("\(directory.path)/ca.crt") == before)
        // With only the certificate in the way, no key is left behind.
        unlink("\(directory.path)/ca.key")
        let second = try linkError {
            try CertificateAuthority.create(
                directory: directory.path, clusterName: "test", validityDays: 10)
        }
        #expect(second.code == .alreadyExists)
        #expect(mode("\(directory.path)/ca.key") == 0)
    }

    @Test(
        "A host that could mean something else is refused",
        arguments: ["", "a,DNS:fes", "*.example.org", "a b", "-a", "a..b", "300.0.2.1/", "é.ma"])
    func badHosts(host: String) throws {
        let directory = try TemporaryDirectory()
        try CertificateAuthority.create(
            directory: directory.path, clusterName: "test", validityDays: 10)
        let error = try linkError {
            try CertificateAuthority.issue(
                directory: directory.path, node: Cluster.rabat, hosts: [host],
                outputDirectory: directory.path, validityDays: 10)
        }
        #expect(error.code == .credentials)
    }

    @Test func aKeyThatEveryoneCanReadIsRefused() throws {
        let cluster = try Cluster()
        chmod("\(cluster.directory.path)/rabat.key", 0o644)
        let error = try linkError { try cluster.clientContext() }
        #expect(error.code == .credentials)
        #expect(error.hint.contains("chmod 0600"))
    }

    @Test func aKeyOfAnotherCertificateIsRefused() throws {
        let cluster = try Cluster()
        let path = cluster.directory.path
        let error = try linkError {
            try TLSContext(
                certificateFile: "\(path)/rabat.crt", privateKeyFile: "\(path)/marrakech.key",
                authorityFile: "\(path)/ca.crt")
        }
        #expect(error.code == .credentials)
        #expect(error.peer == "\(path)/marrakech.key")
    }

    @Test(
        "A missing or broken file is named",
        arguments: ["rabat.crt", "rabat.key", "ca.crt"], [true, false])
    func brokenFiles(file: String, isMissing: Bool) throws {
        let cluster = try Cluster()
        let path = "\(cluster.directory.path)/\(file)"
        unlink(path)
        if !isMissing { try PEMFile.create(path, mode: 0o600, text: "not PEM\n") }
        let error = try linkError { try cluster.clientContext() }
        #expect(error.code == .credentials)
        #expect(error.peer == path)
    }

    @Test func reloadKeepsTheOldOneOnErrorAndTakesTheNewOne() throws {
        let cluster = try Cluster()
        let path = cluster.directory.path
        let context = try cluster.clientContext()
        let expiry = context.certificateExpiryUnixSeconds
        unlink("\(path)/rabat.crt")
        let error = try linkError { try context.reload() }
        #expect(error.code == .credentials)
        #expect(context.certificateExpiryUnixSeconds == expiry)
        let client = try cluster.connect(context)
        #expect(client.isOpen)
        unlink("\(path)/rabat.key")
        let renewed = try CertificateAuthority.issue(
            directory: path, node: Cluster.rabat, outputDirectory: path, validityDays: 15)
        try context.reload()
        #expect(context.certificateExpiryUnixSeconds == renewed.notAfterUnixSeconds)
        #expect(context.certificateExpiryUnixSeconds != expiry)
        #expect(try cluster.connect(context).isOpen)
        // The connection of before goes on.
        #expect(try client.flush())
    }
}
