import Glibc
import Synchronization

/// The whole of `make bench`: our pair and PostgreSQL's on the same machine, in turns.
final class BenchRun {
    struct Options {
        var directory: String
        var binaries: String
        var scripts: String
        var groups: [FigureGroup]
        var isQuick: Bool
        var usesPostgres: Bool

        /// Ours and theirs are measured in turns this often: what else the host does hits both.
        var rounds: Int { isQuick ? 1 : 2 }
        var warmUpSeconds: Int { 1 }
        var measuredSeconds: Int { isQuick ? 2 : 5 }
        var rows: UInt64 { isQuick ? 200_000 : 1_000_000 }
        var idleSeconds: Double { isQuick ? 3 : 10 }
    }

    let options: Options
    let postgres: PostgresPeer?
    private(set) var figures: [Figure] = []
    /// Peaks of all daemons so far, by node name.
    private var peaks: [String: UInt64] = [:]

    init(_ options: Options) throws {
        self.options = options
        postgres =
            options.usesPostgres
            ? try PostgresPeer(
                script: "\(options.scripts)/postgres.sh",
                directory: "\(options.directory)/postgres") : nil
    }

    func run() throws {
        if let postgres {
            line("peer: \(postgres.version), primary and synchronous standby over TLS")
            if needsPostgres { try postgres.start(rows: options.rows) }
        } else {
            let reason = "its server is not installed; make bench-peers installs it"
            line("peer: no PostgreSQL (\(options.usesPostgres ? reason : "not asked for"))")
        }
        defer { postgres?.stop() }
        line(Figure.heading)
        for group in options.groups where group != .failover && group != .catchUp {
            try runOnSharedPair(group)
        }
        sharedPair = try retire(sharedPair)
        if options.groups.contains(.catchUp) { try measureCatchUp() }
        if options.groups.contains(.failover) { try measureFailover() }
        for (name, peak) in peaks.sorted(by: { $0.key < $1.key }) {
            add(
                Figure(
                    name: "peak memory, \(name)", unit: "MiB", ours: Double(peak) / 1_048_576,
                    target: .atMost(300)))
        }
    }

    private var needsPostgres: Bool {
        options.groups.contains { $0 == .puts || $0 == .bulk || $0 == .catchUp }
    }

    private var sharedPair: BenchPair?

    private func runOnSharedPair(_ group: FigureGroup) throws {
        let pair = try sharedPair ?? makePair("sync", mode: "sync")
        sharedPair = pair
        switch group {
        case .puts: try measurePuts(pair)
        case .bulk: try measureBulk(pair)
        case .idle: try measureIdle(pair)
        case .catchUp, .failover: break
        }
    }

    /// A started pair in a directory of its own.
    func makePair(_ name: String, mode: String) throws -> BenchPair {
        let pair = try BenchPair(
            directory: "\(options.directory)/\(name)", binaries: options.binaries, mode: mode)
        try pair.start()
        return pair
    }

    /// Stops a pair and keeps its peaks; returns nil for the place where the pair was kept.
    @discardableResult
    func retire(_ pair: BenchPair?) throws -> BenchPair? {
        guard let pair else { return nil }
        try pair.stop()
        for node in pair.nodes {
            peaks[node.name] = max(peaks[node.name] ?? 0, node.peakResidentBytes)
        }
        return nil
    }

    func add(_ figure: Figure) {
        figures.append(figure)
        line(figure.text)
    }

    /// Ends the run between two measurements when it was asked to stop.
    func checkStop() throws {
        if stopRequested.load(ordering: .relaxed) { throw Failure("stopped by a signal") }
    }
}

/// What can be measured alone.
enum FigureGroup: String, CaseIterable {
    case puts
    case bulk
    case idle
    case catchUp = "catch-up"
    case failover
}
