public import Logging
import Synchronization

/// What a reload does with the configuration file: it is read again, `log.level` holds at once, and
/// of all other keys that differ from the running ones it is said that they need a restart.
public final class ConfigurationReload: Sendable {
    private let path: String
    private let writer: LineWriter
    /// As the process runs with them.
    private let running: Mutex<[ConfigurationReading.Setting]>

    public init(path: String, settings: [ConfigurationReading.Setting], writer: LineWriter) {
        self.path = path
        self.writer = writer
        running = Mutex(settings)
    }

    func read(_ log: Logger) {
        let reading: DaemonConfigurationReading
        do {
            reading = try DaemonConfigurationReading.load(path)
        } catch {
            return log.error(
                "reload: the configuration has errors, and the running one stays",
                ["error": "\(error)"])
        }
        for warning in reading.warnings { log.warning("configuration: \(warning)") }
        let changed = change(to: reading.settings)
        if changed.contains("log.level") {
            writer.level = Logger.Level(reading.configuration.log.level)
        }
        let waiting = changed.filter { $0 != "log.level" }
        guard !waiting.isEmpty else { return log.notice("reload: no key waits for a restart") }
        log.warning(
            "reload: changed keys that need a restart",
            ["keys": "\(waiting.joined(separator: ", "))"])
    }

    /// - Returns: the names of the keys whose text differs from the running one.
    func change(to settings: [ConfigurationReading.Setting]) -> [String] {
        running.withLock { running in
            let texts = Dictionary(
                running.map { ($0.name, $0.text) }, uniquingKeysWith: { first, _ in first })
            let changed = settings.filter { texts[$0.name] != .some($0.text) }
            // A level that was taken over is the running one from now on.
            for setting in changed where setting.name == "log.level" {
                if let index = running.firstIndex(where: { $0.name == setting.name }) {
                    running[index] = setting
                }
            }
            return changed.map(\.name)
        }
    }
}

extension Logger.Level {
    public init(_ level: NodeConfiguration.LogLevel) {
        self = Logger.Level(rawValue: level.rawValue) ?? .info
    }
}
