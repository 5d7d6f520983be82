import ArgumentParser
import SanadCore
import SanadNode

/// `sanadctl pause`
struct Pause: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Keeps the standby from promoting itself, for a time.",
        discussion: """
            The pause ends by itself, or with "sanadctl resume". Both nodes get it when they are \
            linked; it survives a restart. While it lasts, a lost primary site stays lost until \
            somebody says "sanadctl promote".
            """)

    @OptionGroup var options: OperatorOptions

    @Option(
        name: .customLong("for"),
        help: ArgumentHelp("How long: 90s, 30m, 2h; at most 24h.", valueName: "time"),
        transform: Self.seconds)
    var length: UInt64

    static let secondsMaximum: UInt64 = 86_400

    func validate() throws { try options.requireReason() }

    func run() async throws {
        try await OperatorCommand(
            name: "pause", effect: "does not promote itself", confirmation: .none,
            seconds: length
        ).run(options)
    }

    /// Whole seconds; `30m` means minutes here, as everywhere on a command line.
    static func seconds(_ text: String) throws -> UInt64 {
        let isMinutes = text.hasSuffix("m")
        guard let span = Units.span(isMinutes ? text.dropLast() + "min" : text) else {
            throw ValidationError("write a time with a unit, for example 90s, 30m or 2h")
        }
        let seconds = span.wholeMilliseconds / 1_000
        guard (1...secondsMaximum).contains(seconds) else {
            throw ValidationError("a pause lasts from 1s to 24h")
        }
        return seconds
    }
}
