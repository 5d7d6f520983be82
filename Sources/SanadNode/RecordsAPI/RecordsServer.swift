import Glibc
public import Logging
public import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import Synchronization

/// The records API: its listeners, its event loops and its reading threads.
///
/// ```swift
/// let server = try await RecordsServer.start(gate: gate, options: options, logger: logger)
/// …
/// await server.shutdown(deadline: .now() + .seconds(10))
/// ```
public final class RecordsServer: Sendable {
    /// The TCP port that it listens on.
    public let port: Int
    private let group: MultiThreadedEventLoopGroup
    private let listeners: [any Channel]
    private let loops: [LoopReference]
    private let reads: ReadPool
    private let open: ConnectionCount
    private let certificate: ServerCertificate?
    private let controlSocketPath: String?

    /// One event loop's shared state, which only that loop may touch.
    fileprivate struct LoopReference: Sendable {
        var eventLoop: any EventLoop
        var box: NIOLoopBoundBox<RecordsLoop?>
    }

    /// Opens the listeners and serves until `shutdown`.
    ///
    /// - Throws: when an address is in use, or what stands at the control socket's path is not a
    ///   socket; the error names the configuration key.
    public static func start(
        gate: any NodeGate, options: RecordsServerOptions, logger: Logger
    ) async throws -> RecordsServer {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: options.threads)
        let reads = ReadPool(gate: gate)
        reads.start()
        do {
            var loops: [LoopReference] = []
            for eventLoop in group.makeIterator() {
                loops.append(
                    try await makeLoop(eventLoop, gate, options.limits, reads, logger).get())
            }
            let open = ConnectionCount(maximum: options.limits.connections)
            let bootstrap = Bootstrap(group: group, loops: loops, open: open)
            let listeners = try await bootstrap.listen(options)
            return RecordsServer(
                group: group, listeners: listeners, loops: loops, reads: reads, open: open,
                options: options)
        } catch {
            try? await group.shutdownGracefully()
            try? await reads.stop()
            throw error
        }
    }

    private init(
        group: MultiThreadedEventLoopGroup, listeners: [any Channel], loops: [LoopReference],
        reads: ReadPool, open: ConnectionCount, options: RecordsServerOptions
    ) {
        self.group = group
        self.listeners = listeners
        self.loops = loops
        self.reads = reads
        self.open = open
        certificate = options.certificate
        controlSocketPath = options.controlSocketPath
        port = listeners.first?.localAddress?.port ?? options.port
    }

    private static func makeLoop(
        _ eventLoop: any EventLoop, _ gate: any NodeGate, _ limits: RecordsServerLimits,
        _ reads: ReadPool, _ logger: Logger
    ) -> EventLoopFuture<LoopReference> {
        eventLoop.submit {
            let box = NIOLoopBoundBox<RecordsLoop?>(nil, eventLoop: eventLoop)
            let outbox = WriteOutbox {
                eventLoop.execute { box.value?.deliverOutcomes() }
            }
            let loop = RecordsLoop(
                gate: gate, eventLoop: eventLoop, limits: limits, outbox: outbox, reads: reads,
                logger: logger)
            loop.start()
            box.value = loop
            return LoopReference(eventLoop: eventLoop, box: box)
        }
    }

    /// Open client connections.
    public var connections: Int { open.count }

    /// Reads the certificate of the HTTPS listener again; the old one stays when that fails.
    public func reloadCertificate() throws { try certificate?.reload() }

    /// Stops: takes no more connections, answers the requests under way, closes.
    ///
    /// - Parameter deadline: what is not answered by then is cut off.
    public func shutdown(deadline: NIODeadline) async {
        for listener in listeners { try? await listener.close() }
        if let controlSocketPath { unlink(controlSocketPath) }
        for loop in loops { loop.eventLoop.execute { loop.box.value?.drain() } }
        while open.count > 0, NIODeadline.now() < deadline {
            try? await Task.sleep(for: .milliseconds(10))
        }
        for loop in loops {
            try? await loop.eventLoop.submit {
                loop.box.value?.stop()
                loop.box.value = nil
            }.get()
        }
        try? await reads.stop()
        try? await group.shutdownGracefully()
    }
}

/// Open connections against their maximum.
final class ConnectionCount: Sendable {
    private let value = Atomic(0)
    private let maximum: Int

    init(maximum: Int) { self.maximum = maximum }

    var count: Int { value.load(ordering: .relaxed) }

    /// - Returns: false when there are too many.
    func enter() -> Bool {
        let count = value.add(1, ordering: .relaxed).newValue
        guard count > maximum else { return true }
        leave()
        return false
    }

    func leave() { value.subtract(1, ordering: .relaxed) }
}

/// Makes the listeners, and the pipeline of each connection.
private struct Bootstrap: Sendable {
    var group: MultiThreadedEventLoopGroup
    var loops: [RecordsServer.LoopReference]
    var open: ConnectionCount

    func listener(isControl: Bool, certificate: ServerCertificate?) -> ServerBootstrap {
        ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 512)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.maxMessagesPerRead, value: 4)
            .childChannelInitializer { channel in
                setUp(channel, isControl: isControl, certificate: certificate)
            }
    }

    /// Opens all listeners, or none.
    func listen(_ options: RecordsServerOptions) async throws -> [any Channel] {
        let records: any Channel
        do {
            records = try await listener(isControl: false, certificate: options.certificate)
                .bind(host: options.host, port: options.port).get()
        } catch {
            throw ListenFailure(
                key: "records.listen", address: "\(options.host):\(options.port)", error)
        }
        guard let path = options.controlSocketPath else { return [records] }
        do {
            return [records, try await controlListener(path)]
        } catch {
            try? await records.close()
            throw ListenFailure(key: "control.socket", address: path, error)
        }
    }

    /// Listens on a Unix domain socket, for its owner and group: whoever may operate the node is
    /// in the daemon's group. A socket that an earlier process left is replaced.
    func controlListener(_ path: String) async throws -> any Channel {
        let channel: any Channel
        do {
            channel = try await listener(isControl: true, certificate: nil)
                .bind(unixDomainSocketPath: path, cleanupExistingSocketFile: true).get()
        } catch is UnixDomainSocketPathWrongType {
            throw RecordsServerError.notASocket
        }
        // Until then the file's own mode lets nobody but the owner connect.
        guard chmod(path, 0o660) == 0 else {
            let code = errno
            try? await channel.close()
            throw IOError(errnoCode: code, reason: "chmod")
        }
        return channel
    }

    private func setUp(
        _ channel: any Channel, isControl: Bool, certificate: ServerCertificate?
    ) -> EventLoopFuture<Void> {
        guard open.enter() else { return channel.close() }
        channel.closeFuture.whenComplete { [open] _ in open.leave() }
        let loops = loops
        return channel.eventLoop.makeCompletedFuture {
            guard let loop = loops.first(where: { $0.eventLoop === channel.eventLoop })?.box.value
            else { throw ChannelError.ioOnClosedChannel }
            if !isControl {
                _ = channel.setOption(.tcpOption(.tcp_nodelay), value: 1)
            }
            let connection = RecordsConnection(
                loop: loop, isControl: isControl, isTLS: certificate != nil)
            let pipeline = channel.pipeline.syncOperations
            if let certificate {
                try pipeline.addHandler(NIOSSLServerHandler(context: certificate.context))
            }
            var limits = NIOHTTPDecoderLimitConfiguration()
            limits.maxHeaderFieldSize = RequestHeaders.bytesMaximum
            limits.maxHeaderListSize = RequestHeaders.bytesMaximum
            limits.maxHeaderFieldCount = 100
            try pipeline.addHandler(ByteWatch(connection: connection))
            try pipeline.addHandler(
                ByteToMessageHandler(HTTPRequestDecoder(limitConfiguration: limits)))
            try pipeline.addHandler(connection)
        }
    }
}
