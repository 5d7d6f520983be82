import ArgumentParser
import CGlibc
import Foundation
import Logging
import SanadCore
import SanadNode

@main
struct SanadDaemon: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sanadd",
        abstract: "Keeps the records of an information system in two data centers.",
        discussion: "Exit codes: 0 stopped as told, 1 failed, 78 the configuration, "
            + "or a certificate that it names, has errors.",
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
        let reading: DaemonConfigurationReading
        do {
            reading = try DaemonConfigurationReading.load(config)
        } catch {
            FileHandle.standardError.write(Data("sanadd: \(error)\n".utf8))
            throw ExitCode(78)
        }
        let configuration = reading.configuration
        let name = configuration.name.description
        let log = Logger(label: name) { _ in
            LineLog(label: name, isJSON: configuration.log.format == .json, writer: writer)
        }
        writer.level = Logger.Level(configuration.log.level)
        let reload = ConfigurationReload(path: config, settings: reading.settings, writer: writer)
        for warning in reading.warnings { log.warning("configuration: \(warning)") }
        do {
            let environment = ProcessInfo.processInfo.environment
            switch configuration {
            case .data(let node):
                try await Daemon(
                    configuration: node, log: log, writer: writer, environment: environment,
                    reload: reload
                ).run()
            case .witness(let witness):
                try await WitnessDaemon(
                    configuration: witness, log: log, environment: environment, reload: reload
                ).run()
            }
        } catch let failure as CredentialsFailure {
            log.critical("\(failure)")
            writer.flush()
            throw ExitCode(78)
        } catch {
            log.critical("\(error)")
            writer.flush()
            throw ExitCode.failure
        }
        writer.flush()
    }
}
