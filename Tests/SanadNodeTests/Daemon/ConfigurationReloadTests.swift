import Foundation
import Logging
import Synchronization
import Testing

@testable import SanadNode

@Suite("What a reload reads of the configuration")
struct ConfigurationReloadTests {
    /// Keeps the lines of a log.
    private struct Lines: LogHandler {
        final class Box: Sendable {
            let lines = Mutex<[String]>([])
        }

        let box: Box
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.trace

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let values = (event.metadata ?? [:]).values.map { "\($0)" }.joined(separator: " ")
            box.lines.withLock { $0.append("\(event.level) \(event.message) \(values)") }
        }
    }

    private let directory: TemporaryDirectory
    private let writer = LineWriter()
    private let box = Lines.Box()

    init() throws { directory = try TemporaryDirectory() }

    private var path: String { directory.path + "/sanad.yaml" }

    private func read(_ reload: ConfigurationReload) -> String {
        let box = box
        box.lines.withLock { $0 = [] }
        reload.read(Logger(label: "test") { _ in Lines(box: box) })
        return box.lines.withLock { $0.joined(separator: "\n") }
    }

    private func write(_ text: String) throws {
        try text.write(toFile: path, atomically: true, encoding: .utf8)
    }

    @Test("changed keys are named, a new log level holds at once, and errors leave all as it was")
    func changes() throws {
        let text = ConfigurationFixtures.minimal
        try write(text)
        let reload = ConfigurationReload(
            path: path, settings: try DaemonConfigurationReading.load(path).settings,
            writer: writer)
        #expect(read(reload).contains("no key waits for a restart"))

        try write(text + "\nretention:\n  minimum_age: 2h\nlog:\n  level: debug\n")
        for _ in 0..<2 {
            let said = read(reload)
            #expect(said.contains("need a restart"), "\(said)")
            #expect(said.contains("retention.minimum_age"), "\(said)")
            #expect(!said.contains("log.level"), "\(said)")
            #expect(writer.level == .debug)
        }

        try write(text + "\nlog:\n  levle: info\n")
        let said = read(reload)
        #expect(said.hasPrefix("error"), "\(said)")
        #expect(said.contains("levle"), "\(said)")
        #expect(writer.level == .debug)
    }
}
