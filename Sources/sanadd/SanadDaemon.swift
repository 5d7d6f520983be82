import ArgumentParser
import CMalloc
import Foundation
import Logging
import SanadCore
import SanadNode

@main
struct SanadDaemon: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sanadd",
        abstract: "Keeps the records of an information system in two data centers.",
        discussion: "Exit codes: 0 stopped as told, 1 failed, 78 the configuration has errors.",
        version: RunningNode.softwareVersion)

    /// Frames of a megabyte come and go on three threads. With glibc's defaults each thread keeps an
    /// arena of its own and freed frames stay in it; large blocks that go back to the system at once
    /// keep the memory at what is in use (mallopt(3)).
    private static func boundAllocator() {
        mallopt(M_ARENA_MAX, 2)
        mallopt(M_MMAP_THRESHOLD, 4 << 20)
        mallopt(M_TRIM_THRESHOLD, 32 << 20)
    }

    @Option(name: .shortAndLong, help: "The configuration file.")
    var config = NodeConfiguration.defaultPath

    mutating func run() async throws {
        Self.boundAllocator()
        let writer = LineWriter()
        let reading: ConfigurationReading
        do {
            reading = try NodeConfiguration.load(config)
        } catch {
            FileHandle.standardError.write(Data("sanadd: \(error)\n".utf8))
            throw ExitCode(78)
        }
        let configuration = reading.configuration
        let name = configuration.node.name.description
        let log = Logger(label: name) { _ in
            LineLog(
                label: name,
                level: Logger.Level(rawValue: configuration.log.level.rawValue) ?? .info,
                isJSON: configuration.log.format == .json, writer: writer)
        }
        for warning in reading.warnings { log.warning("configuration: \(warning)") }
        do {
            try await Daemon(
                configuration: configuration, log: log,
                environment: ProcessInfo.processInfo.environment
            ).run()
        } catch {
            log.critical("\(error)")
            writer.flush()
            throw ExitCode.failure
        }
        writer.flush()
    }
}
