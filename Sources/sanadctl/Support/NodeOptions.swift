import ArgumentParser
import Foundation
import SanadNode

/// Which node a command talks to.
struct NodeOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The node's control socket; also the environment's SANAD_SOCKET.", valueName: "path"))
    var socket: String?

    @Option(
        help: ArgumentHelp(
            "Ask over HTTP instead: the records API for records, the operations API for status.",
            valueName: "url"))
    var url: String?

    @Option(
        help: ArgumentHelp(
            "The authority that signed the server's certificate, PEM.", valueName: "file"))
    var ca: String?

    static let defaultSocket = "/run/sanad/sanadd.sock"

    func validate() throws {
        if let url, !url.hasPrefix("http://"), !url.hasPrefix("https://") {
            throw ValidationError("--url must begin with http:// or https://")
        }
        if url != nil, socket != nil {
            throw ValidationError("give --socket or --url, not both")
        }
    }

    /// The address of all requests, without a path.
    var base: NodeClient.Base {
        if let url { return .url(url.hasSuffix("/") ? String(url.dropLast()) : url) }
        let environment = ProcessInfo.processInfo.environment["SANAD_SOCKET"]
        return .socket(
            socket ?? environment.flatMap { $0.isEmpty ? nil : $0 } ?? Self.defaultSocket)
    }

    /// Runs `body` with a client, and closes its connections after it.
    func withClient<Result: Sendable>(
        _ body: @Sendable (NodeClient) async throws -> Result
    ) async throws -> Result {
        try await NodeClient.with(base, authority: ca, body)
    }
}

/// Which configuration, or store directory, a command reads.
struct FileOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The store's directory; otherwise that of the configuration.", valueName: "directory"))
    var store: String?

    @Option(help: ArgumentHelp("The node's configuration file.", valueName: "file"))
    var config = NodeConfiguration.defaultPath

    /// The store's directory.
    func directory() throws -> String {
        if let store { return store }
        return try NodeConfiguration.load(config).configuration.store.directory
    }
}
