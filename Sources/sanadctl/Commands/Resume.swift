import ArgumentParser
import SanadNode

/// `sanadctl resume`
struct Resume: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Ends a pause: the standby may promote itself again, as configured.")

    @OptionGroup var options: OperatorOptions

    func run() async throws {
        try await OperatorCommand(
            name: "resume", effect: "may promote itself again", confirmation: .none
        ).run(options)
    }
}
