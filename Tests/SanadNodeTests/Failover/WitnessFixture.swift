import Foundation
import Glibc
import SanadCore
import SanadLink
import SanadTestSupport
import Testing

@testable import SanadNode

/// A running witness `hub` of rabat and marrakech, with a lease of 100 ms in its configuration.
final class WitnessFixture {
    let site: ArbiterSite
    private(set) var node: WitnessNode

    init() throws {
        site = try ArbiterSite()
        node = try WitnessNode(Self.configuration(site), log: quiet)
    }

    deinit { node.stop() }

    static func configuration(_ site: ArbiterSite) throws -> WitnessConfiguration {
        let text = """
            cluster:
              id: \(ArbiterSite.cluster)
            node:
              name: hub
              role: witness
            store:
              directory: \(site.directory)/store
            link:
              listen: 127.0.0.1:7400
              certificate: \(site.directory)/pki/hub.crt
              private_key: \(site.directory)/pki/hub.key
              authority: \(site.directory)/pki/ca.crt
            witness:
              members: [rabat, marrakech]
            failover:
              lease: 100ms
            """
        let reading = try DaemonConfigurationReading.read(text, file: "witness.yaml")
        guard case .witness(var configuration) = reading.configuration else {
            Issue.record("not a witness's configuration")
            throw CancellationError()
        }
        configuration.link.listen.port = 0
        return configuration
    }

    /// Stops the witness and starts it again on its store, or on an empty one.
    func restart(losingStore: Bool = false) throws {
        node.stop()
        if losingStore { try FileManager.default.removeItem(atPath: site.directory + "/store") }
        node = try WitnessNode(Self.configuration(site), log: quiet)
    }

    func asker(
        _ store: StoreIdentity, certificate: String? = nil, authority: String = "pki"
    ) throws -> WitnessAsker {
        WitnessAsker(
            store,
            try LinkConnection.connect(
                host: "127.0.0.1", port: node.linkPort,
                context: site.context(certificate ?? store.node.text, authority: authority),
                peer: ArbiterSite.hub, timeout: .seconds(20)))
    }
}

/// A data node's end of a connection with a witness, by hand.
final class WitnessAsker {
    let store: StoreIdentity
    let connection: LinkConnection

    init(_ store: StoreIdentity, _ connection: LinkConnection) {
        self.store = store
        self.connection = connection
    }

    deinit { connection.close() }

    func ask(
        _ kind: ArbiterRequest.Kind, wait: Span = .milliseconds(200)
    ) throws -> ArbiterAnswer {
        try ask(ArbiterSite.question(kind, from: store, wait: wait))
    }

    func ask(_ request: ArbiterRequest) throws -> ArbiterAnswer {
        try send(.arbiterRequest(request))
        let answer = try #require(try answers(1).first)
        #expect(answer.echo == request.sent)
        return answer
    }

    func send(_ message: Message) throws {
        connection.enqueue(control: message.encoded())
        _ = try connection.flush()
    }

    func answers(_ count: Int) throws -> [ArbiterAnswer] {
        var answers: [ArbiterAnswer] = []
        try blockUntil("\(count) answers") {
            _ = try connection.receive { packet in
                guard case .control(let bytes) = packet,
                    case .arbiterAnswer(let answer) = try Message(decoding: bytes)
                else { return }
                answers.append(answer)
            }
            return answers.count >= count
        }
        return answers
    }

    /// Waits until the other end has closed, and says how.
    func ending() throws -> LinkError {
        var ending: LinkError?
        try blockUntil("the end of the connection") {
            do throws(LinkError) {
                _ = try connection.receive { _ in }
            } catch {
                ending = error
            }
            return ending != nil
        }
        return try #require(ending)
    }
}
