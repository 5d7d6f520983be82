import ArgumentParser
import Foundation
import SanadNode

/// `sanadctl history`
struct History: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows the epochs, and what operators did at this node.",
        discussion: """
            The epochs are part of the log, so both nodes show the same ones, as far as their logs \
            go. The audit trail is each node's own. To see both sites in one list, oldest first:

            ssh OTHER-HOST sanadctl history --json | sanadctl history --with -
            """)

    @OptionGroup var node: NodeOptions

    @Flag(help: "Print the node's answer as JSON.")
    var json = false

    @Option(
        name: .customLong("with"),
        help: ArgumentHelp(
            "Mix in the other node's \"history --json\"; - is standard input.", valueName: "file"))
    var other: String?

    func run() async throws {
        // Read first: the other end of a pipe is not kept waiting by a question to the node.
        let others = try other.map { try Self.readAnswer($0) }
        let (answer, status) = try await node.withClient { client in
            (try await client.control(.get, "/control/history"), try await client.status().status)
        }
        guard let others else { return try (json ? answer : answer.dated).show(json: json) }
        guard answer.done, others.done else { return try answer.show(json: json) }
        let lines = HistoryMerge.lines(
            [(status.node, answer.lines), (status.link.peer, others.lines)])
        let merged = ControlAnswer(
            done: true, message: "epochs and audit trail of both sites, oldest first", lines: lines)
        try (json ? merged : merged.dated).show(json: json)
    }

    private static func readAnswer(_ path: String) throws -> ControlAnswer {
        let bytes = try InputSource(path: path, isCompressed: false)
            .readAll(limit: NodeClient.bodyBytesMaximum)
        guard let answer = try? JSONDecoder().decode(ControlAnswer.self, from: Data(bytes)) else {
            throw Failure(
                .badData, "\(path) is not the output of \"sanadctl history --json\"",
                next: "run it on the other host, and look at what it prints")
        }
        return answer
    }
}

/// The histories of both sites as one list.
enum HistoryMerge {
    private struct Entry {
        var seconds: UInt64
        var line: String
    }

    /// Oldest first; an epoch that both know stands there once. Each audit entry says whose it is.
    ///
    /// - Parameter sites: a node's epochs are oldest first, its audit entries newest first.
    static func lines(_ sites: [(node: String, lines: [String])]) -> [String] {
        var epochs: [String: Entry] = [:]
        var audits: [Entry] = []
        for (node, lines) in sites {
            for line in lines {
                let (name, seconds) = head(of: line)
                guard !line.hasPrefix("audit ") else {
                    audits.append(Entry(seconds: seconds, line: "\(node): \(line)"))
                    continue
                }
                // A node that took a snapshot knows the epochs before it without their reasons.
                let isBetter = epochs[name].map { $0.line.count < line.count } ?? true
                if isBetter { epochs[name] = Entry(seconds: seconds, line: line) }
            }
        }
        // A stable order: what has the same second stays as it was found.
        let entries =
            epochs.values.sorted { $0.line < $1.line } + audits.reversed()
        return entries.enumerated()
            .sorted { ($0.element.seconds, $0.offset) < ($1.element.seconds, $1.offset) }
            .map(\.element.line)
    }

    /// What comes before the time, and the time.
    private static func head(of line: String) -> (name: String, seconds: UInt64) {
        guard let match = line.firstMatch(of: /\ at (\d{1,12}) s after 1970/) else {
            return (line, 0)
        }
        return (String(line[..<match.range.lowerBound]), UInt64(match.1) ?? 0)
    }
}
