import ArgumentParser
import Foundation
import SanadCore
import SanadNode

/// `sanadctl config`
struct Config: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Checks and shows a configuration file.",
        subcommands: [ConfigCheck.self, ConfigShow.self, ConfigKeys.self])
}

/// `sanadctl config check`
struct ConfigCheck: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Reports every error of a configuration file at once.",
        discussion: "Exit code 0 when the daemon would take the file, 78 when it would not.")

    @Argument(help: "The file.")
    var file = NodeConfiguration.defaultPath

    func run() throws {
        let reading: DaemonConfigurationReading
        do throws(ConfigurationError) {
            reading = try DaemonConfigurationReading.load(file)
        } catch {
            for warning in error.warnings { Terminal.error("warning: \(warning)") }
            throw error
        }
        for warning in reading.warnings { Terminal.error("warning: \(warning)") }
        let warnings = reading.warnings.isEmpty ? "" : ", \(reading.warnings.count) warnings"
        switch reading.configuration {
        case .data(let configuration): describe(configuration, warnings)
        case .witness(let configuration):
            let members = configuration.members.map(\.text).joined(separator: " and ")
            Terminal.out(
                "\(file): right\(warnings); witness \(configuration.name) of \(members)")
        }
    }

    private func describe(_ configuration: NodeConfiguration, _ warnings: String) {
        Terminal.out(
            "\(file): right\(warnings); node \(configuration.node.name), "
                + "peer \(configuration.peer.name), \(configuration.replication.mode.rawValue)")
        Terminal.out(
            "The standby waits \(Units.text(configuration.failover.grantWait)) after its last "
                + "grant: lease \(Units.text(configuration.failover.lease)) × (1 + "
                + Units.text(partsPerMillion: configuration.failover.driftPartsPerMillion) + ")")
    }
}

/// `sanadctl config show`
struct ConfigShow: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Shows every key with the value that holds, and where it comes from.")

    @Argument(help: "The file.")
    var file = NodeConfiguration.defaultPath

    func run() throws {
        let reading = try DaemonConfigurationReading.load(file)
        let rows = reading.settings.map { setting in
            [
                setting.name, setting.text ?? "-",
                setting.line.map { "line \($0)" } ?? (setting.text == nil ? "not set" : "default"),
            ]
        }
        Terminal.out(Text.columns(rows))
    }
}

/// `sanadctl config keys`
struct ConfigKeys: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "keys", abstract: "Lists every key with its type, default and range.")

    @Flag(help: "As the Markdown table of the reference.")
    var markdown = false

    func run() throws {
        guard !markdown else {
            Terminal.out(String(ConfigurationReference.markdown.dropLast()))
            return
        }
        for key in ConfigurationKey.all {
            Terminal.out("\(key.name): \(key.typeText), default \(key.defaultText)")
            Terminal.out("    \(key.rangeText)")
            Terminal.out("    \(key.meaning)")
        }
    }
}
