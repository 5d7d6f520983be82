import ArgumentParser
import SanadNode

/// `sanadctl seal`
struct Seal: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Closes the current file of the log and begins the next one.")

    @OptionGroup var node: NodeOptions

    @Flag(help: "Print the node's answer as JSON.")
    var json = false

    func run() async throws {
        let answer = try await node.withClient { try await $0.control(.post, "/control/seal") }
        try answer.show(json: json)
    }
}
