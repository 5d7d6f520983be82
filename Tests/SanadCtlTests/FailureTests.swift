import Foundation
import Testing

@testable import sanadctl

@Suite("What a person is told when something fails")
struct FailureTests {
    @Test("a port without TLS is named as such, and no build machine's path is printed")
    func noTLS() {
        let plain = TLSFailure.failure(
            "https://rabat:7401",
            "handshakeFailed(NIOSSL.BoringSSLError.sslError([Error: 268435703 "
                + "error:100000f7:SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER "
                + "at /src/ssl/tls_record.cc:231]))")
        #expect(plain.message == "https://rabat:7401 does not speak TLS")
        #expect(plain.next?.contains("http://") == true)
        let untrusted = TLSFailure.failure(
            "https://rabat:7401",
            "sslError([Error: 1 CERTIFICATE_VERIFY_FAILED at /src/a.cc:1, Error: 2 X at /b.cc:2])")
        #expect(
            untrusted.message == "no TLS connection to https://rabat:7401: "
                + "sslError([Error: 1 CERTIFICATE_VERIFY_FAILED, Error: 2 X])")
        #expect(untrusted.next?.contains("--ca") == true)
    }

    @Test("a directory without a store is not a question of privileges")
    func noStore() throws {
        let directory = FileManager.default.temporaryDirectory
            .appendingPathComponent("sanad-\(UUID().uuidString)").path
        for place in [directory, "/dev/null"] {
            let failure = #expect(throws: Failure.self) { try StoreFiles.checkStore(place) }
            #expect(failure?.code == .noInput)
            #expect(failure?.message == "there is no store in \(place)")
        }
        try FileManager.default.createDirectory(
            atPath: directory + "/segments", withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try StoreFiles.checkStore(directory)
    }

    @Test("an import that stopped at a bad line says how far it came")
    func badLine() throws {
        let line = #"""
            {"done":true,"lines":3,"transactions":1,"epoch":1,"last_sequence":2,"problem":\#
            {"type":"urn:sanad:problem:bad-json","title":"bad","status":400,"detail":"at 4","line":4}}
            """#
        let answer = try JSONDecoder().decode(BulkAnswer.self, from: Data(line.utf8))
        let failure = try #require(answer.failure)
        #expect(failure.code == .badData)
        #expect(failure.message == "bad: at 4\n3 lines were written before it, up to sequence 2.")
    }
}
