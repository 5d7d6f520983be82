import ArgumentParser
import Foundation
import SanadNode

/// The operator's command line. Subcommands are in `Commands/`, one file each.
@main
struct SanadCtl: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sanadctl",
        abstract: "Looks after a Sanad node: state, failover, records, log, certificates.",
        discussion: """
            Commands talk to the node on this host through its control socket, unless they say \
            that they read files.

            Exit codes: 0 done; 1 refused or failed; 3 no such record; 64 wrong usage; 65 wrong \
            or damaged data; 66 no such input; 69 the node cannot be reached or cannot do it now; \
            73 output exists or cannot be made; 75 outcome unknown; 77 not permitted; 78 wrong \
            configuration. "check" has Nagios' codes: 0, 1, 2, 3.
            """,
        version: RunningNode.softwareVersion,
        groupedSubcommands: [
            .init(
                name: "Look",
                subcommands: [Status.self, Check.self, History.self, Doctor.self]),
            .init(
                name: "Failover",
                subcommands: [
                    Switchover.self, Promote.self, RunAlone.self, Fence.self, Pause.self,
                    Resume.self, Rejoin.self, Reseed.self, Quarantine.self,
                ]),
            .init(name: "Upkeep", subcommands: [Seal.self, Reload.self]),
            .init(
                name: "Records",
                subcommands: [Get.self, Put.self, Delete.self, Import.self, Export.self]),
            .init(name: "Store (files)", subcommands: [Log.self, Verify.self]),
            .init(name: "Set up (files)", subcommands: [Config.self, PKI.self]),
        ])

    static func main() async {
        do {
            var command = try parseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch let failure as Failure {
            Terminal.error(failure.description)
            Foundation.exit(exitCode(failure.code.rawValue))
        } catch let error as ConfigurationError {
            Terminal.error(error.description)
            Foundation.exit(exitCode(ConfigurationError.exitCode))
        } catch let code as ExitCode {
            Foundation.exit(code.rawValue)
        } catch {
            let code = Self.exitCode(for: error)
            let text = fullMessage(for: error)
            if code == .success { Terminal.out(text) } else { Terminal.error(text) }
            Foundation.exit(code == .success ? 0 : exitCode(code.rawValue))
        }
    }

    /// Monitoring knows no other codes than Nagios': whatever stops `check` is "unknown".
    private static func exitCode(_ code: Int32) -> Int32 {
        CommandLine.arguments.dropFirst().first == "check" ? Check.Level.unknown.rawValue : code
    }
}
