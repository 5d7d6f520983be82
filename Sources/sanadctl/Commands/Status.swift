import ArgumentParser
import Foundation
import SanadNode

/// `sanadctl status`
struct Status: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows what the node is, whether it takes writes, and how far the standby is.",
        discussion: "With --json: the document of /status, written out in docs/formats/status.md.")

    @OptionGroup var node: NodeOptions

    @Flag(help: "Print the node's answer as it came (JSON, a contract).")
    var json = false

    @Flag(help: "Ask again and again, until Ctrl-C.")
    var watch = false

    @Option(help: ArgumentHelp("Seconds between two looks with --watch.", valueName: "seconds"))
    var interval = 1.0

    func validate() throws {
        guard (0.1...3_600).contains(interval) else {
            throw ValidationError("--interval must be from 0.1 to 3600 seconds")
        }
    }

    func run() async throws {
        var earlier: NodeStatus?
        guard watch else {
            try await look(&earlier)
            // How fast work goes takes two looks to tell.
            if !json, let status = earlier, StatusTrend.isMoving(status) {
                try await Task.sleep(for: .seconds(1))
                Terminal.out("\nOne second later:\n")
                try await look(&earlier)
            }
            return
        }
        while true {
            // A node that is away for a moment is a part of what one wants to watch.
            do {
                if Terminal.outputIsTerminal, !json { Terminal.clearScreen() }
                try await look(&earlier)
            } catch let failure as Failure where failure.code == .unavailable {
                Terminal.out(failure.description)
            }
            try await Task.sleep(for: .seconds(interval))
        }
    }

    private func ask() async throws -> (status: NodeStatus, body: Data) {
        try await node.withClient { try await $0.status() }
    }

    private func look(_ earlier: inout NodeStatus?) async throws {
        let (status, body) = try await ask()
        if json {
            Terminal.out(String(decoding: body, as: UTF8.self))
        } else {
            let now = Int64(Date.now.timeIntervalSince1970)
            Terminal.out(
                StatusReport(status: status, nowUnixSeconds: now, earlier: earlier).text)
        }
        earlier = status
    }
}
