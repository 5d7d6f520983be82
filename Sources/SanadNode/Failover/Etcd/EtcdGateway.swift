import Foundation
import NIOCore
import NIOSSL
import SanadCore

/// Calls of etcd's JSON gateway over HTTPS, at whichever endpoint answers.
///
/// The endpoint that answered last is asked first. A call may reach etcd more than once, and late:
/// each is a read, a lease that nobody uses, or a transaction that fails the second time. One call
/// at a time.
actor EtcdGateway {
    private let endpoints: [Endpoint]
    private let tls: NIOSSLContext
    private var current = 0
    private var connection: EtcdConnection?
    private var isShutDown = false

    /// - Throws: when a certificate or key cannot be used.
    init(_ options: EtcdOptions) throws {
        endpoints = options.endpoints
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv12
        configuration.trustRoots = .certificates(
            try NIOSSLCertificate.fromPEMFile(options.authority))
        configuration.certificateChain = try NIOSSLCertificate.fromPEMFile(options.certificate)
            .map { .certificate($0) }
        configuration.privateKey = .privateKey(
            try NIOSSLPrivateKey(file: options.privateKey, format: .pem))
        configuration.applicationProtocols = ["http/1.1"]
        tls = try NIOSSLContext(configuration: configuration)
    }

    /// Ends the call that is under way, and refuses others.
    func shutdown() {
        isShutDown = true
        connection?.close()
    }

    /// Posts one request and reads its answer.
    func call<Answer: Decodable>(
        _ path: String, _ body: some Encodable, deadline: Instant
    ) async throws(EtcdProblem) -> Answer {
        let document: Data
        do {
            document = try JSONEncoder().encode(body)
        } catch {
            throw .unreachable("the request cannot be written: \(error)")
        }
        // A connection that etcd closed while it was idle must not cost the question.
        var left = max(endpoints.count, 2)
        var reason = "no time was left"
        while left > 0, !isShutDown {
            left -= 1
            let rest = deadline.since(SystemClock.instant)
            guard rest > .zero else { break }
            let endpoint = endpoints[current]
            // Half of the time, so that an endpoint that is silent leaves some for the next.
            let share = left > 0 && endpoints.count > 1 ? rest / 2 : rest
            do {
                let data = try await post(document, path, at: endpoint, within: share)
                return try JSONDecoder().decode(Answer.self, from: data)
            } catch {
                reason = "\(endpoint): \(Self.text(error))"
                connection?.close()
                connection = nil
                current = (current + 1) % endpoints.count
            }
        }
        throw .unreachable("etcd at \(reason)")
    }

    private func post(
        _ body: Data, _ path: String, at endpoint: Endpoint, within time: Span
    ) async throws -> Data {
        let deadline = SystemClock.instant + time
        let open: EtcdConnection
        if let connection, connection.isOpen {
            open = connection
        } else {
            open = try await EtcdConnection.open(endpoint, tls: tls, within: Self.amount(time))
            connection = open
        }
        let rest = deadline.since(SystemClock.instant)
        guard rest > .zero, !isShutDown else { throw EtcdTimeout() }
        let answer = try await open.post(
            ByteBuffer(bytes: body), path: path, within: Self.amount(rest))
        let data = Data(answer.body.readableBytesView)
        guard answer.status == 200 else {
            let said = try? JSONDecoder().decode(EtcdErrorAnswer.self, from: data)
            throw EtcdRefusal(status: answer.status, text: said?.error ?? "")
        }
        return data
    }

    private static func amount(_ span: Span) -> TimeAmount {
        .nanoseconds(Int64(clamping: span.nanoseconds))
    }

    private static func text(_ error: any Error) -> String {
        switch error {
        case let error as ChannelError where error.isTimeout: EtcdTimeout().description
        default: String(describing: error)
        }
    }
}

extension ChannelError {
    fileprivate var isTimeout: Bool {
        if case .connectTimeout = self { true } else { false }
    }
}

/// An answer that is not 200.
private struct EtcdRefusal: Error, CustomStringConvertible {
    var status: Int
    var text: String

    var description: String { text.isEmpty ? "HTTP status \(status)" : text }
}
