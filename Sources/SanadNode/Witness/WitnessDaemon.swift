import Glibc
public import Logging
import SanadCore
import UnixSignals

/// The whole of `sanadd` in the role `witness`: the node, its HTTP face, signals and the service
/// manager.
public struct WitnessDaemon: Sendable {
    private let configuration: WitnessConfiguration
    private let log: Logger
    private let manager: ServiceManager
    private let reload: ConfigurationReload

    public init(
        configuration: WitnessConfiguration, log: Logger, environment: [String: String],
        reload: ConfigurationReload
    ) {
        self.configuration = configuration
        self.reload = reload
        self.log = log
        manager = ServiceManager(environment: environment)
    }

    /// Runs until SIGTERM or SIGINT.
    ///
    /// - Throws: what kept the witness from starting, or ended it.
    public func run() async throws {
        // A prober that goes away in the middle of an answer is an ordinary thing.
        signal(SIGPIPE, SIG_IGN)
        let node = try WitnessNode(configuration, log: log)
        let server: OperationsServer
        do {
            server = try await openServer(node)
        } catch {
            node.stop()
            throw error
        }
        log.notice(
            "started",
            [
                "version": "\(SoftwareVersion.current)", "node": "\(configuration.name)",
                "role": "witness", "link": "\(configuration.link.listen)",
                "operations": "\(configuration.operations.listen)",
            ])
        manager.ready()
        let problem = await untilTold(node, server)
        manager.stopping()
        await server.shutdown()
        node.stop()
        log.notice("stopped")
        if let problem { throw WitnessFailure(problem: problem) }
    }

    private func openServer(_ node: WitnessNode) async throws -> OperationsServer {
        let operations = configuration.operations
        let certificate = try operations.tls.map {
            try ServerCertificate(certificatePath: $0.certificate, keyPath: $0.privateKey)
        }
        return try await OperationsServer.start(
            witness: node,
            options: OperationsServerOptions(
                host: operations.listen.host, port: operations.listen.port,
                certificate: certificate), logger: log)
    }

    /// - Returns: why the witness ended by itself; nil when it was told to stop.
    private func untilTold(_ node: WitnessNode, _ server: OperationsServer) async -> String? {
        let (endings, continuation) = AsyncStream<String?>.makeStream()
        // The tasks that do not end first are cancelled, or end with the node; none is waited for.
        let watcher = Task { await keepWatch(node) }
        let signals = Task {
            let trapped = await UnixSignalsSequence(trapping: .sigterm, .sigint, .sighup)
            // The sequence cancels its signal sources when it goes away, and the loop below keeps
            // only its iterator.
            defer { extendLifetime(trapped) }
            for await signal in trapped {
                guard signal == .sighup else {
                    continuation.yield(nil)
                    continue
                }
                reload(node, server)
            }
        }
        Task { continuation.yield(await node.untilFinished()) }
        defer {
            watcher.cancel()
            signals.cancel()
        }
        for await problem in endings { return problem }
        return nil
    }

    private func reload(_ node: WitnessNode, _ server: OperationsServer) {
        manager.reloading()
        for (key, reload) in [
            ("link.certificate", node.reloadCertificates),
            ("operations.tls", server.reloadCertificate),
        ] {
            do {
                try reload()
                log.notice("reload: \(key) was read again")
            } catch {
                log.error("reload: \(key) keeps its old certificate", ["error": "\(error)"])
            }
        }
        reload.read(log)
        manager.ready()
    }

    /// Tells the service manager that the witness's thread lives; when it hangs, nothing is told
    /// and the service manager restarts the daemon.
    private func keepWatch(_ node: WitnessNode) async {
        guard let interval = manager.watchdogMilliseconds else { return }
        while (try? await Task.sleep(for: .milliseconds(interval))) != nil {
            let tick = Instant(nanoseconds: node.status.tickNanoseconds)
            if SystemClock.instant.since(tick) < .milliseconds(interval * 2) { manager.watchdog() }
        }
    }
}

/// Why a running witness ended.
public struct WitnessFailure: Error, CustomStringConvertible {
    var problem: String
    public var description: String { problem }
}
