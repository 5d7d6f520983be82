import Glibc
import SanadCore
import Testing

@testable import SanadLink

@Suite(.serialized, .timeLimit(.minutes(1))) struct HandshakeTests {
    @Test func bothSidesKnowEachOther() throws {
        let cluster = try Cluster()
        let (client, server) = try cluster.pair()
        #expect(client.peer == Cluster.marrakech)
        #expect(server.peer == Cluster.rabat)
        client.enqueue(control: Array("salam".utf8))
        #expect(
            try transfer(from: client, to: server, count: 1) == [.control(Array("salam".utf8))])
        server.enqueue(control: Array("labas".utf8))
        #expect(
            try transfer(from: server, to: client, count: 1) == [.control(Array("labas".utf8))])
    }

    @Test func aClientOfAnotherAuthorityIsRefusedAndIsToldWhy() throws {
        let cluster = try Cluster()
        let other = try Cluster()
        // It trusts this cluster's authority, but its own certificate is another's.
        let context = try TLSContext(
            certificateFile: "\(other.directory.path)/rabat.crt",
            privateKeyFile: "\(other.directory.path)/rabat.key",
            authorityFile: "\(cluster.directory.path)/ca.crt")
        let error = try linkError { try cluster.connect(context) }
        #expect(error.code == .certificateUnknownAuthority)
        #expect(error.saidByPeer)
        #expect(error.hint.contains("ca.crt"))
        let seen = try cluster.refused.take()
        #expect(seen.code == .certificateUnknownAuthority)
        #expect(!seen.saidByPeer)
        #expect(seen.peer.contains("127.0.0.1"))
    }

    @Test func aServerOfAnotherAuthorityIsRefusedAndIsToldWhy() throws {
        let cluster = try Cluster()
        let other = try Cluster()
        let error = try linkError { try cluster.connect(try other.clientContext()) }
        #expect(error.code == .certificateUnknownAuthority)
        #expect(!error.saidByPeer)
        let seen = try cluster.refused.take()
        #expect(seen.code == .certificateUnknownAuthority)
        #expect(seen.saidByPeer)
    }

    @Test func anExpiredServerIsRefused() throws {
        let cluster = try Cluster(serverValidity: Validity(days: -1))
        let error = try linkError { try cluster.connect(try cluster.clientContext()) }
        #expect(error.code == .certificateExpired)
        #expect(!error.saidByPeer)
        let seen = try cluster.refused.take()
        #expect(seen.code == .certificateExpired)
        #expect(seen.saidByPeer)
        #expect(seen.hint.contains("This node's certificate"))
    }

    @Test func anExpiredClientIsToldSo() throws {
        let cluster = try Cluster()
        let directory = try TemporaryDirectory()
        try CertificateAuthority.issue(
            directory: cluster.directory.path, node: Cluster.rabat,
            outputDirectory: directory.path, validityDays: -2)
        let context = try TLSContext(
            certificateFile: "\(directory.path)/rabat.crt",
            privateKeyFile: "\(directory.path)/rabat.key",
            authorityFile: "\(cluster.directory.path)/ca.crt")
        let error = try linkError { try cluster.connect(context) }
        #expect(error.code == .certificateExpired)
        #expect(error.saidByPeer)
        #expect(try cluster.refused.take().code == .certificateExpired)
    }

    @Test func aServerWithAnotherNameIsRefused() throws {
        let cluster = try Cluster()
        let context = try cluster.clientContext()
        let error = try linkError {
            try cluster.connect(context, expecting: Cluster.name("fes"))
        }
        #expect(error.code == .wrongName)
        #expect(error.peer == "fes")
        #expect(try cluster.refused.take().saidByPeer)
    }

    @Test func aClientWithAnotherNameIsRefused() throws {
        let cluster = try Cluster()
        let error = try linkError {
            try cluster.connect(try Cluster.context(cluster.directory, Cluster.marrakech))
        }
        #expect(error.code == .refusedByPeer)
        #expect(error.saidByPeer)
        #expect(error.hint.contains("names"))
        #expect(try cluster.refused.take().code == .wrongName)
    }

    @Test(
        "Something that is not TLS is refused",
        arguments: ["GET / HTTP/1.1\r\nHost: x\r\n\r\n", "garbage garbage garbage", "\0\0\0\0\0\0"])
    func plaintext(text: String) throws {
        let cluster = try Cluster()
        let stranger = try cluster.stranger()
        let bytes = Array(text.utf8)
        #expect(send(stranger.descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count)
        #expect(try cluster.refused.take().code == .notTLS)
    }

    @Test func aStrangerThatHangsUpIsReported() throws {
        let cluster = try Cluster()
        try cluster.stranger().close()
        #expect(try cluster.refused.take().code == .closed)
    }

    @Test func aServerThatIsNotTLSIsRefused() throws {
        let (plain, port) = try TCP.listen(host: "127.0.0.1", port: 0)
        let cluster = try Cluster()
        let context = try cluster.clientContext()
        // The kernel completes the connection; nobody ever answers.
        let error = try linkError {
            try LinkConnection.connect(
                host: "127.0.0.1", port: port, context: context, peer: Cluster.marrakech,
                timeout: .milliseconds(50))
        }
        #expect(error.code == .timeout)
        plain.close()
        let refusal = try linkError {
            try LinkConnection.connect(
                host: "127.0.0.1", port: port, context: context, peer: Cluster.marrakech,
                timeout: .seconds(5))
        }
        #expect(refusal.code == .unreachable)
    }

    @Test func oneStalledClientDoesNotKeepThePeerOut() throws {
        let cluster = try Cluster()
        let stalled = try cluster.stranger()
        let (client, server) = try cluster.pair()
        #expect(client.isOpen && server.isOpen)
        #expect(stalled.descriptor >= 0)
    }

    @Test func manyStalledClientsDoNotKeepThePeerOut() throws {
        let cluster = try Cluster()
        let stalled = try (0..<(3 * Limits.pendingHandshakesMaximum)).map { _ in
            try cluster.stranger()
        }
        let began = MonotonicClock.now()
        let (client, server) = try cluster.pair()
        #expect(client.isOpen && server.isOpen)
        // Well before the time at which the stalled would have been given up anyway.
        #expect(MonotonicClock.now().since(began) < Limits.handshakeTimeout)
        #expect(try cluster.refused.take().code == .timeout)
        #expect(stalled.count == 3 * Limits.pendingHandshakesMaximum)
    }

    @Test func anotherLinkVersionIsNamed() throws {
        #expect(throws: Never.self) { try Preamble.check(Preamble.bytes, peer: "x") }
        var later = Preamble.bytes
        later[4] = 2
        #expect(try linkError { try Preamble.check(later, peer: "x") }.code == .linkVersion)
        let other = Array("HTTP/1.1".utf8)
        #expect(try linkError { try Preamble.check(other, peer: "x") }.code == .linkVersion)
    }

    @Test func stoppingTwiceIsFineAndThePortIsFree() throws {
        let cluster = try Cluster()
        let port = cluster.listener.boundPort
        let stalled = try cluster.stranger()
        cluster.listener.stop()
        cluster.listener.stop()
        let (again, bound) = try TCP.listen(host: "127.0.0.1", port: port)
        #expect(bound == port)
        again.close()
        stalled.close()
    }
}
