import Logging
import SanadCore
import SanadLink

/// Asks the arbiter; never blocks its caller.
protocol ArbiterClient: AnyObject, Sendable {
    /// Queues a question; the outcome comes back through the `ArbiterDelivery` that the client was
    /// made with, on any thread, at most once per question.
    ///
    /// A question that is not answered within `Limits.arbiterPatience` ends with a failure, and a
    /// later answer to it is thrown away: it may have taken effect, or may yet. A question that
    /// waits is replaced by a newer one of its kind; then nothing was asked, and nothing is heard.
    func ask(_ request: ArbiterRequest)

    /// Reads certificates again; the old ones stay when that fails.
    func reload()

    /// Ends the client; questions that are open get no outcome. May block for a moment.
    func stop()
}

/// Why a question has no answer.
struct ArbiterFailure: Error, Hashable, Sendable {
    /// `ArbiterRequest.sent`: names the question.
    var sent: Instant
    /// For people.
    var reason: String
}

typealias ArbiterDelivery = @Sendable (Result<ArbiterAnswer, ArbiterFailure>) -> Void

/// Makes the client that a configuration asks for.
enum ArbiterClients {
    /// - Returns: nil with `failover.arbiter: none`.
    /// - Throws: `LinkError` or an error of TLS, when certificates cannot be used.
    static func make(
        _ configuration: NodeConfiguration, tls: TLSContext, log: Logger,
        deliver: @escaping ArbiterDelivery
    ) throws -> (any ArbiterClient)? {
        switch configuration.arbiter {
        case .none: return nil
        case .witness(let witness):
            return WitnessClient(
                host: witness.address.host, port: UInt16(witness.address.port),
                witness: witness.name, tls: tls, log: log, deliver: deliver)
        case .etcd(let etcd):
            return try EtcdClient(
                EtcdOptions(etcd, configuration.failover, cluster: configuration.cluster.id),
                log: log, deliver: deliver)
        }
    }
}
