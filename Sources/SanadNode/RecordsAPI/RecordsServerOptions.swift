public import NIOCore
public import SanadCore

/// Where the records API listens, and its bounds.
public struct RecordsServerOptions: Sendable {
    public var host: String
    /// Zero for any free port.
    public var port: Int
    /// Nil for plain HTTP.
    public var certificate: ServerCertificate?
    /// The Unix domain socket that serves the control routes too; nil for none.
    public var controlSocketPath: String?
    /// Event loop threads. One carries more requests than the commit thread takes.
    public var threads = 1
    public var limits = RecordsServerLimits()

    public init(
        host: String = "127.0.0.1", port: Int, certificate: ServerCertificate? = nil,
        controlSocketPath: String? = nil
    ) {
        self.host = host
        self.port = port
        self.certificate = certificate
        self.controlSocketPath = controlSocketPath
    }
}

/// The bounds of the records API; the values of `Limits`, but for tests.
public struct RecordsServerLimits: Sendable {
    public var connections = Limits.clientConnectionsMaximum
    /// Request bodies in memory, of all connections of an event loop.
    public var bodyBytesMaximum = 64 << 20
    public var requestIdle = TimeAmount(Limits.requestIdleTimeout)
    public var requestTotal = TimeAmount(Limits.requestTotalTimeout)
    public var keepAlive = TimeAmount(Limits.keepAliveTimeout)
    public var readWait = Limits.readWaitTimeout
    /// An export goes on in a new read transaction after this.
    public var exportWindow = Limits.readTransactionMaximum
    /// How often the time limits are looked at.
    public var tick = TimeAmount.seconds(1)
    /// How long bytes are thrown away after a connection's last answer.
    public var linger = TimeAmount.seconds(2)

    public init() {}
}

/// Why the records API cannot start.
public enum RecordsServerError: Error, Sendable, CustomStringConvertible {
    /// What stands at the control socket's path is no socket; it is left alone.
    case notASocket

    public var description: String { "what stands there is not a socket, and is left alone" }
}

extension TimeAmount {
    init(_ span: Span) { self = .nanoseconds(Int64(clamping: span.nanoseconds)) }
}
