import Glibc
public import Logging
import NIOCore
import SanadCore
import UnixSignals

/// The whole of `sanadd`: a node, its HTTP faces, signals and the service manager.
public struct Daemon: Sendable {
    private let configuration: NodeConfiguration
    private let log: Logger
    private let writer: LineWriter
    private let manager: ServiceManager
    private let reload: ConfigurationReload

    /// - Parameter writer: what writes the lines of `log`.
    public init(
        configuration: NodeConfiguration, log: Logger, writer: LineWriter,
        environment: [String: String], reload: ConfigurationReload
    ) {
        self.configuration = configuration
        self.reload = reload
        self.log = log
        self.writer = writer
        manager = ServiceManager(environment: environment)
    }

    /// Runs until SIGTERM or SIGINT.
    ///
    /// - Throws: what kept the daemon from starting, or ended it.
    public func run() async throws {
        // A client that goes away in the middle of an answer is an ordinary thing.
        signal(SIGPIPE, SIG_IGN)
        let node = try RunningNode(configuration, log: log)
        let faces: Faces
        do {
            faces = try await Faces.open(node.gate, configuration, log)
        } catch {
            await node.stop()
            throw error
        }
        // Only when every address is taken: a daemon that cannot be asked must not lead.
        node.start()
        let started = SystemClock.instant
        log.notice(
            "started",
            [
                "version": "\(RunningNode.softwareVersion)", "node": "\(configuration.node.name)",
                "records": "\(configuration.records.listen)",
                "operations": "\(configuration.operations.listen)",
            ])
        manager.ready()
        let ending = await untilTold(node, faces, since: started)
        if case .startAnew = ending { manager.reloading() } else { manager.stopping() }
        await faces.close()
        await node.stop()
        log.notice("stopped")
        switch ending {
        case .stopped: break
        case .failed(let problem): throw DaemonFailure(problem: problem)
        case .startAnew(let reason): throw startAnew(reason)
        }
    }

    /// Puts the same program with the same arguments in the place of this process: files, threads
    /// and connections are closed, and the store opens as after any other start.
    ///
    /// - Returns: only when that failed.
    private func startAnew(_ reason: String) -> DaemonFailure {
        log.notice("starting anew", ["reason": "\(reason)"])
        writer.flush()
        var arguments = CommandLine.arguments.map { strdup($0) } + [nil]
        execv("/proc/self/exe", &arguments)
        return DaemonFailure(
            problem: "this process cannot start itself anew (\(String(cString: strerror(errno)))); "
                + "start it by hand")
    }

    /// - Returns: how the node ended; `stopped` too when it was told to.
    private func untilTold(
        _ node: RunningNode, _ faces: Faces, since started: Instant
    ) async -> NodeEnding {
        let (endings, continuation) = AsyncStream<NodeEnding>.makeStream()
        // The tasks that do not end first are cancelled, or end with the node; none is waited for.
        let watcher = Task { await keepWatch(node) }
        let signals = Task {
            let trapped = await UnixSignalsSequence(trapping: .sigterm, .sigint, .sighup)
            // The sequence cancels its signal sources when it goes away, and the loop below keeps
            // only its iterator.
            defer { extendLifetime(trapped) }
            for await signal in trapped {
                guard signal == .sighup else {
                    continuation.yield(.stopped)
                    continue
                }
                await reload(node, faces)
            }
        }
        Task {
            let ending = await node.untilFinished()
            // Still open to signals: an operator who stops it now does not have to wait.
            if case .startAnew = ending { await untilStartsAreSpaced(since: started) }
            continuation.yield(ending)
        }
        defer {
            watcher.cancel()
            signals.cancel()
        }
        for await ending in endings.prefix(1) { return ending }
        return .stopped
    }

    /// What made a node start anew may meet it again at once, as with a peer whose pages it cannot
    /// read: neither the two nor their logs are to be kept busy with that.
    private func untilStartsAreSpaced(since started: Instant) async {
        let age = SystemClock.instant.since(started)
        let rest = Limits.startSpacing.nanoseconds - min(age, Limits.startSpacing).nanoseconds
        try? await Task.sleep(for: .nanoseconds(rest))
    }

    private func reload(_ node: RunningNode, _ faces: Faces) async {
        manager.reloading()
        let answer = await node.gate.control(.reload)
        log.log(level: answer.done ? .notice : .error, "reload: \(answer.message)")
        faces.reloadCertificates(log)
        reload.read(log)
        manager.ready()
    }

    /// Tells the service manager that the commit thread lives; when it hangs, nothing is told and
    /// the service manager restarts the daemon.
    private func keepWatch(_ node: RunningNode) async {
        guard let interval = manager.watchdogMilliseconds else { return }
        while (try? await Task.sleep(for: .milliseconds(interval))) != nil {
            let tick = Instant(nanoseconds: node.gate.status.tickNanoseconds)
            if SystemClock.instant.since(tick) < .milliseconds(interval * 2) { manager.watchdog() }
        }
    }
}

/// Why a running daemon ended.
public struct DaemonFailure: Error, CustomStringConvertible {
    var problem: String
    public var description: String { problem }
}

/// The HTTP servers of a node.
private struct Faces {
    let records: RecordsServer
    let operations: OperationsServer

    static func open(
        _ gate: any NodeGate, _ configuration: NodeConfiguration, _ log: Logger
    ) async throws -> Faces {
        let records = try await RecordsServer.start(
            gate: gate,
            options: RecordsServerOptions(
                host: configuration.records.listen.host, port: configuration.records.listen.port,
                certificate: try certificate(configuration.records.tls),
                controlSocketPath: configuration.control.socketPath), logger: log)
        do {
            let operations = try await OperationsServer.start(
                gate: gate,
                options: OperationsServerOptions(
                    host: configuration.operations.listen.host,
                    port: configuration.operations.listen.port,
                    certificate: try certificate(configuration.operations.tls)), logger: log)
            return Faces(records: records, operations: operations)
        } catch {
            await records.shutdown(deadline: .now())
            throw error
        }
    }

    private static func certificate(
        _ files: NodeConfiguration.TLSFiles?
    ) throws -> ServerCertificate? {
        try files.map {
            try ServerCertificate(certificatePath: $0.certificate, keyPath: $0.privateKey)
        }
    }

    func reloadCertificates(_ log: Logger) {
        for (key, reload) in [
            ("records.tls", records.reloadCertificate),
            ("operations.tls", operations.reloadCertificate),
        ] {
            do {
                try reload()
            } catch {
                log.error("reload: \(key) keeps its old certificate", ["error": "\(error)"])
            }
        }
    }

    func close() async {
        await operations.shutdown()
        await records.shutdown(deadline: .now() + .seconds(5))
    }
}
