import Glibc
import Histogram

/// PostgreSQL's primary and synchronous standby, driven through `deploy/bench/postgres.sh`.
final class PostgresPeer {
    struct Upserts {
        var perSecond: Double
        /// Of every upsert, in microseconds.
        var latencies: Histogram<UInt64>
    }

    let version: String
    private let script: String
    private let directory: String
    private let output: String

    /// Nil when PostgreSQL's server is not installed.
    init?(script: String, directory: String) throws {
        self.script = script
        self.directory = directory
        output = directory + ".out"
        guard let version = try? runTool(script, ["available"], output: output) else { return nil }
        self.version = String(version.prefix { $0 != "\n" })
    }

    /// - Parameter rows: how many rows `copy` and `catchUp` load.
    func start(rows: UInt64) throws {
        let ports = try freePorts(2)
        _ = try run(["up", directory, String(ports[0]), String(ports[1])])
        _ = try run(["rows", directory, String(rows)])
    }

    func stop() { _ = try? run(["down", directory]) }

    func upserts(clients: Int, warmUp: Int, seconds: Int) throws -> Upserts {
        let numbers = namedNumbers(
            try run(["upserts", directory, String(clients), String(warmUp), String(seconds)]))
        guard let perSecond = numbers["per_second"], numbers["failed"] == 0 else {
            throw Failure("pgbench gave no rate, or had failures")
        }
        return Upserts(perSecond: perSecond, latencies: try readLatencies())
    }

    /// Seconds of a `COPY` of the rows into a new table with a primary key.
    func copy() throws -> Double {
        guard let seconds = namedNumbers(try run(["copy", directory]))["seconds"] else {
            throw Failure("the copy gave no time")
        }
        return seconds
    }

    func catchUp() throws -> (seconds: Double, bytes: Double) {
        let numbers = namedNumbers(try run(["catch-up", directory]))
        guard let seconds = numbers["seconds"], let bytes = numbers["bytes"] else {
            throw Failure("the catch-up gave no time")
        }
        return (seconds, bytes)
    }

    private func run(_ arguments: [String]) throws -> String {
        try runTool(script, arguments, output: output)
    }

    /// The third field of each line that `pgbench -l` wrote is a transaction's microseconds.
    private func readLatencies() throws -> Histogram<UInt64> {
        var latencies = Histogram<UInt64>(numberOfSignificantValueDigits: .two)
        let list = try runTool(
            "/bin/sh", ["-c", "cat \"$0\"/latency.*", directory], output: output + ".latency")
        for line in list.utf8.split(separator: 0x0A) {
            let fields = line.split(separator: 0x20, maxSplits: 3)
            guard fields.count == 4, let microseconds = UInt64(Substring(fields[2])) else {
                continue
            }
            latencies.record(microseconds)
        }
        return latencies
    }
}
