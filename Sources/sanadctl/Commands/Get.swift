import ArgumentParser
import Foundation
import Glibc

/// `sanadctl get`
struct Get: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Prints a record, byte for byte.",
        discussion: "Exit code 3 when there is no such record.")

    @OptionGroup var node: NodeOptions
    @OptionGroup var record: RecordArguments

    @Flag(help: "Print the record's sequence on standard error.")
    var sequence = false

    @Flag(help: "Only if this node can vouch that it is the primary.")
    var primary = false

    func run() async throws {
        let answer = try await node.withClient {
            try await $0.ask(.get, record.path + (primary ? "?consistency=primary" : ""))
        }
        if sequence, let tag = answer.entityTag {
            Terminal.error("sequence \(tag.filter { $0 != "\"" })")
        }
        Terminal.write([UInt8](answer.body), to: STDOUT_FILENO)
        // A pipe or file gets the bytes alone; a person's prompt begins on its own line.
        if Terminal.outputIsTerminal { Terminal.out("") }
    }
}
