import Logging
import NIOCore
import SanadCore
import SanadTestSupport
import Testing

@testable import SanadNode

@Suite("Operations API: over a socket", .timeLimit(.minutes(1)))
struct OperationsServerTests {
    @Test("answers come over HTTP, with the code alone for HEAD and OPTIONS")
    func overHTTP() async throws {
        let directory = try TemporaryDirectory()
        let gate = try TestGate(directory: directory.path)
        let server = try await OperationsServer.start(
            gate: gate, options: OperationsServerOptions(port: 0), logger: Logger(label: "test"))
        let port = server.port
        let result = await onThread {
            let client = try RawClient(port: port)
            let primary = try client.request("GET", "/primary")
            #expect(primary.status == 200)
            #expect(primary.headers["content-type"] == "application/json")
            #expect(primary.headers["cache-control"] == "no-store")
            let head = try client.request("HEAD", "/primary")
            #expect(head.status == 200)
            #expect(head.headers["content-length"] == "\(primary.body.count)")
            let options = try client.request("OPTIONS", "/primary")
            #expect(options.status == 200)
            #expect(options.body.isEmpty)
            #expect(options.headers["allow"] == "GET, HEAD, OPTIONS")
            let post = try client.request("POST", "/primary")
            #expect(post.status == 405)
            #expect(post.headers["allow"] == "GET, HEAD, OPTIONS")
            let metrics = try client.request("GET", "/metrics")
            #expect(
                metrics.headers["content-type"]?.hasPrefix("application/openmetrics-text") == true)
            #expect(try client.request("GET", "/status").text.contains("\"role\":\"primary\""))
            #expect(try client.request("GET", "/readyz?exclude=bogus").status == 400)
            #expect(try client.request("GET", "/livez").status == 503)
            let garbage = try RawClient(port: port)
            try garbage.send("GARBAGE\r\n\r\n")
            #expect(try garbage.response().status == 400)
        }
        await server.shutdown()
        try result.get()
        withExtendedLifetime(directory) {}
        // Another test may have been given the port in the meantime, and will give it back.
        try await until("nobody listens there") {
            try await onThread { (try? RawClient(port: port)) == nil }.get()
        }
    }

    @Test("connections that say nothing, or begin and stop, do not keep a probe out for long")
    func silentConnections() async throws {
        let directory = try TemporaryDirectory()
        let gate = try TestGate(directory: directory.path)
        let server = try await OperationsServer.start(
            gate: gate, options: OperationsServerOptions(port: 0), logger: Logger(label: "test"))
        let port = server.port
        let result = await onThread {
            let strangers = try (0..<Limits.operationsConnectionsMaximum).map { number in
                let stranger = try RawClient(port: port)
                if number.isMultiple(of: 2) { try stranger.send("GET /livez HTTP/1.1\r\nHos") }
                return stranger
            }
            let began = SystemClock.instant
            #expect(try RawClient(port: port).request("GET", "/primary").status == 200)
            let waited = SystemClock.instant.since(began)
            #expect(waited < .seconds(30), "\(waited)")
            withExtendedLifetime(strangers) {}
        }
        try result.get()
        await server.shutdown()
        withExtendedLifetime(directory) {}
    }

    @Test("a port that is taken is an error at the start")
    func portTaken() async throws {
        let directory = try TemporaryDirectory()
        let gate = try TestGate(directory: directory.path)
        let options = OperationsServerOptions(port: 0)
        let logger = Logger(label: "test")
        let first = try await OperationsServer.start(
            gate: gate, options: options, logger: logger)
        await #expect(throws: (any Error).self) {
            _ = try await OperationsServer.start(
                gate: gate, options: OperationsServerOptions(port: first.port),
                logger: logger)
        }
        await first.shutdown()
        withExtendedLifetime(directory) {}
    }
}
