import ArgumentParser
import Glibc
import Synchronization

extension FigureGroup: ExpressibleByArgument {}

struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Measure a pair of daemons, in turns with PostgreSQL when it is installed.",
        discussion: """
            Starts sanadd from the directory of this program, on free ports of 127.0.0.1, with \
            fresh certificates and stores in a temporary directory. Exits with 1 when a figure \
            misses its target, except with --quick, whose figures are too short to be judged.
            """)

    @Option(
        parsing: .upToNextOption, help: "What to measure: puts, bulk, idle, catch-up, failover.")
    var only: [FigureGroup] = FigureGroup.allCases

    @Option(help: "Parent of the temporary directory: on the disk that is to be measured.")
    var directory = "/var/tmp"

    @Option(help: "Directory with postgres.sh.")
    var scripts = "deploy/bench"

    @Flag(help: "Shorter windows and fewer rows.")
    var quick = false

    @Flag(inversion: .prefixedNo, help: "Measure PostgreSQL as well when it is installed.")
    var postgres = true

    func run() throws {
        signal(SIGTERM) { _ in stopRequested.store(true, ordering: .relaxed) }
        signal(SIGINT) { _ in stopRequested.store(true, ordering: .relaxed) }
        // A reader that goes away (a pipe into head) must not end the run without its clean-up; a
        // handler, unlike SIG_IGN, is not inherited by the programs that are started.
        signal(SIGPIPE) { _ in }
        let temporary = try makeTemporaryDirectory(under: directory)
        do {
            let run = try BenchRun(
                BenchRun.Options(
                    directory: temporary, binaries: try ownDirectory(), scripts: scripts,
                    groups: FigureGroup.allCases.filter(only.contains), isQuick: quick,
                    usesPostgres: postgres))
            try warnOfMemoryFileSystem(temporary)
            try run.run()
            _ = try runTool("/bin/rm", ["-rf", temporary], output: "/dev/null")
            let missed = run.figures.filter { $0.isReached == false }
            line("\(run.figures.count) figures, \(missed.count) below target")
            if !missed.isEmpty, !quick { throw ExitCode.failure }
        } catch let failure as Failure {
            throw Failure("\(failure)\nlogs and stores are kept in \(temporary)")
        }
    }

    /// On tmpfs, fsync costs nothing, and every figure of a write would be too good.
    private func warnOfMemoryFileSystem(_ path: String) throws {
        let mounts = try readLines("/proc/self/mounts").map { $0.split(separator: " ") }
        let own = mounts.filter { $0.count > 2 && path.hasPrefix($0[1]) }
            .max { $0[1].utf8.count < $1[1].utf8.count }
        guard let own, own[2] == "tmpfs" else { return }
        line("warning: \(path) is in memory (tmpfs): choose a disk with --directory")
    }
}
