import Glibc
import HTTPTypes
import Hummingbird
import HummingbirdCore
import HummingbirdTLS
public import Logging
import NIOCore
import NIOPosix
import SanadCore
import ServiceLifecycle

/// Where the operations API listens.
public struct OperationsServerOptions: Sendable {
    public var host: String
    /// Zero for any free port.
    public var port: Int
    /// Nil for plain HTTP.
    public var certificate: ServerCertificate?
    public var thresholds = OperationsThresholds()

    public init(host: String = "127.0.0.1", port: Int, certificate: ServerCertificate? = nil) {
        self.host = host
        self.port = port
        self.certificate = certificate
    }
}

/// The operations API: health, status and metrics, read only, on a port of its own.
///
/// Its answers come from the published status, so that neither a stuck disk nor a full commit
/// queue can hang a probe.
public final class OperationsServer: Sendable {
    /// The TCP port that it listens on.
    public let port: Int
    private let services: ServiceGroup
    private let running: Task<Void, any Error>
    private let certificate: ServerCertificate?

    /// Starts to listen and serves until `shutdown`.
    ///
    /// - Throws: when the address is in use; the error names the configuration key.
    public static func start(
        gate: any NodeGate, options: OperationsServerOptions, logger: Logger
    ) async throws -> OperationsServer {
        let thresholds = options.thresholds
        return try await start(options: options, logger: logger) { request in
            let view = OperationsView(
                status: gate.status, isWritable: gate.isWritable,
                nowNanoseconds: seconds(CLOCK_BOOTTIME).nanoseconds,
                nowUnixSeconds: seconds(CLOCK_REALTIME).whole, thresholds: thresholds)
            return OperationsRouter.answer(
                method: request.method.rawValue, path: request.uri.path, query: request.uri.query,
                view)
        }
    }

    /// The same for a witness, which has its own answers.
    static func start(
        witness: WitnessNode, options: OperationsServerOptions, logger: Logger
    ) async throws -> OperationsServer {
        let thresholds = options.thresholds
        return try await start(options: options, logger: logger) { request in
            let view = WitnessView(
                status: witness.status, nowNanoseconds: seconds(CLOCK_BOOTTIME).nanoseconds,
                nowUnixSeconds: seconds(CLOCK_REALTIME).whole, thresholds: thresholds)
            return WitnessRouter.answer(
                method: request.method.rawValue, path: request.uri.path, query: request.uri.query,
                view)
        }
    }

    private static func start(
        options: OperationsServerOptions, logger: Logger,
        answer: @escaping @Sendable (Request) -> OperationsAnswer
    ) async throws -> OperationsServer {
        let (ports, continuation) = AsyncThrowingStream<Int, any Error>.makeStream()
        let http = HTTPServerBuilder.http1(
            configuration: .init(
                // It counts to the whole head of a request, however many bytes of it come.
                idleTimeout: TimeAmount(Limits.operationsRequestTimeout),
                httpDecoderConfiguration: .init(
                    maxHeaderFieldSize: 8 << 10, maxHeaderListSize: 16 << 10,
                    maxHeaderFieldCount: 100)))
        let application = Application(
            responder: CallbackResponder<BasicRequestContext> { request, _ in
                Self.respond(to: request, answer(request))
            },
            server: try options.certificate.map {
                try .tls(http, tlsConfiguration: $0.configurationThatReloads())
            } ?? http,
            configuration: ApplicationConfiguration(
                address: .hostname(options.host, port: options.port),
                availableConnectionsDelegate: .maximum(
                    Limits.operationsConnectionsMaximum, logger: logger)),
            onServerRunning: { channel in
                continuation.yield(channel.localAddress?.port ?? options.port)
            },
            eventLoopGroupProvider: .shared(MultiThreadedEventLoopGroup.singleton),
            logger: logger)
        let services = ServiceGroup(
            configuration: .init(services: [application], logger: logger))
        let running = Task {
            do {
                try await services.run()
                continuation.finish()
            } catch {
                continuation.finish(throwing: error)
                throw error
            }
        }
        do {
            for try await port in ports {
                return OperationsServer(
                    port: port, services: services, running: running,
                    certificate: options.certificate)
            }
        } catch {
            throw ListenFailure(
                key: "operations.listen", address: "\(options.host):\(options.port)", error)
        }
        throw CancellationError()
    }

    private init(
        port: Int, services: ServiceGroup, running: Task<Void, any Error>,
        certificate: ServerCertificate?
    ) {
        self.port = port
        self.services = services
        self.running = running
        self.certificate = certificate
    }

    /// Reads the certificate again; the old one stays when that fails.
    public func reloadCertificate() throws { try certificate?.reload() }

    /// Stops: takes no more connections, ends the requests under way.
    public func shutdown() async {
        await services.triggerGracefulShutdown()
        try? await running.value
    }

    private static func respond(
        to request: Request, _ answer: OperationsAnswer
    ) -> Response {
        var headers = HTTPFields()
        headers[.contentType] = answer.contentType.rawValue
        headers[.cacheControl] = "no-store"
        headers[.xContentTypeOptions] = "nosniff"
        if let allow = answer.allow ?? (request.method == .options ? OperationsRouter.allow : nil) {
            headers[.allow] = allow
        }
        // HEAD and OPTIONS get the code and the headers of GET.
        guard request.method != .head, request.method != .options else {
            return Response(
                status: .init(code: answer.status), headers: headers,
                body: request.method == .head
                    ? ResponseBody(contentLength: answer.body.utf8.count) {
                        try await $0.finish(nil)
                    }
                    : ResponseBody())
        }
        return Response(
            status: .init(code: answer.status), headers: headers,
            body: ResponseBody(byteBuffer: ByteBuffer(string: answer.body)))
    }

    private static func seconds(_ clock: clockid_t) -> (whole: Int64, nanoseconds: UInt64) {
        var time = timespec()
        clock_gettime(clock, &time)
        return (
            Int64(time.tv_sec), UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
        )
    }
}
