import Foundation
import Logging
import NIOCore
import SanadCore
import SanadTestSupport
import Testing

@testable import SanadNode

@Suite("Records API: bad input", .timeLimit(.minutes(1)))
struct RecordsBadInputTests {
    /// Target, body, extra headers; then status, and whether the connection goes on.
    static let refusals: [(String, String, String, Int)] = [
        ("PUT /v1/collections/c/records/k", "{\"a\":}", "", 400),
        ("PUT /v1/collections/c/records/k", "", "", 400),
        ("PUT /v1/collections/C/records/k", "1", "", 400),
        ("PUT /v1/collections/c/records/%00", "1", "", 400),
        ("PUT /v1/collections/c/records/%ff", "1", "", 400),
        ("PUT /v1/collections/c/records/%4", "1", "", 400),
        ("PUT /v1/collections/c/records/", "1", "", 400),
        ("GET /v1/collections/c/records/", "", "", 400),
        ("GET /v1/collections/c", "", "", 404),
        ("GET /v1/collections/c/recordsx", "", "", 404),
        ("GET /v2", "", "", 404),
        ("GET /", "", "", 404),
        ("POST /v1/collections/c/records/k", "1", "", 405),
        ("PATCH /v1/collections/c/records/k", "1", "", 405),
        ("GET /v1/transactions", "", "", 405),
        ("GET /v1/collections/c/records/k?x=1", "", "", 400),
        ("GET /v1/collections/c/records/k?min_position=-1", "", "", 400),
        ("PUT /v1/collections/c/records/k", "1", "Content-Encoding: gzip\r\n", 415),
        ("PUT /v1/collections/c/records/k", "1", "Expect: magic\r\n", 417),
        ("PUT /v1/collections/c/records/k", "1", "Idempotency-Key: a b\r\n", 400),
        ("GET /v1/collections/c/records/k", "1", "", 413),
        ("GET /control/history", "", "", 404),
    ]

    @Test("bad requests are refused with a problem document", arguments: refusals)
    func refuses(_ line: String, _ body: String, _ headers: String, _ status: Int) async throws {
        try await RecordsTestNode.run { node in
            let parts = line.split(separator: " ").map(String.init)
            let answer = try node.client().request(parts[0], parts[1], body, headers: headers)
            #expect(answer.status == status)
            #expect(answer.headers["content-type"] == "application/problem+json")
            #expect(answer.text.contains("\"status\":\(status)"))
            #expect((answer.headers["allow"] != nil) == (status == 405))
            #expect(node.gate.submitted == 0)
        }
    }

    @Test("a value that is not JSON is refused with the offset, and the connection goes on")
    func offset() async throws {
        try await RecordsTestNode.run { node in
            let client = try node.client()
            let answer = try client.request("PUT", "/v1/collections/c/records/k", "[1,2,x]")
            #expect(answer.text.contains("\"offset\":5"))
            #expect(try client.request("PUT", "/v1/collections/c/records/k", "1").status == 200)
        }
    }

    @Test("a value over the limit is refused by its length, or while it comes; the answer arrives")
    func tooLarge() async throws {
        try await RecordsTestNode.run { node in
            let value = "\"" + String(repeating: "v", count: Limits.valueBytesMaximum - 2) + "\""
            let most = try node.client().request("PUT", "/v1/collections/c/records/k", value)
            #expect(most.status == 200)
            let client = try node.client()
            let over = try client.request("PUT", "/v1/collections/c/records/k", value + " ")
            #expect(over.status == 413)
            #expect(over.headers["connection"] == "close")
            client.finish()
            #expect(try client.isClosedCleanly())

            let chunked = try node.client()
            try chunked.send(
                "PUT /v1/collections/c/records/k HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
            let chunk = "10000\r\n" + String(repeating: "1", count: 65_536) + "\r\n"
            for _ in 0..<20 { try chunked.send(chunk) }
            #expect(try chunked.response().status == 413)
            #expect(try chunked.isClosedCleanly())
            #expect(node.gate.submitted == 1)
        }
    }

    @Test("a target or headers that are too large are refused")
    func headTooLarge() async throws {
        try await RecordsTestNode.run { node in
            let long = String(repeating: "a", count: 9_000)
            #expect(
                try node.client().request("GET", "/v1/collections/c/records/\(long)").status == 414)
            let large = try node.client().request(
                "GET", "/v1/export", headers: "X: \(long)\(long)\r\n")
            #expect(large.status == 431)
            let many = String(repeating: "X: 1\r\n", count: 200)
            #expect(try node.client().request("GET", "/v1/export", headers: many).status == 431)
            let huge = try node.client()
            try huge.send("GET /" + String(repeating: "a", count: 200_000) + " HTTP/1.1\r\n\r\n")
            #expect([414, 431].contains(try huge.response().status))
        }
    }

    @Test(
        "garbage gets 400 and the connection ends",
        arguments: [
            "\u{16}\u{03}\u{01}hello\r\n\r\n", "HELLO\r\n\r\n", "GET / HTTP/9.9\r\n\r\n",
            "GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
            "PUT / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "PUT / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        ])
    func garbage(_ text: String) async throws {
        try await RecordsTestNode.run { node in
            let client = try node.client()
            try client.send(text)
            let answer = try client.response()
            #expect(answer.status == 400)
            #expect(answer.headers["connection"] == "close")
            client.finish()
            #expect(try client.isClosedCleanly())
        }
    }

    @Test("a request cut off half-way has no effect")
    func cutOff() async throws {
        try await RecordsTestNode.run { node in
            let request =
                "PUT /v1/collections/c/records/k HTTP/1.1\r\nContent-Length: 9\r\n\r\n123456789"
            for length in stride(from: 1, to: request.utf8.count, by: 3) {
                let client = try node.client()
                try client.send(Array(request.utf8.prefix(length)))
                client.finish()
                _ = try? client.response()
            }
            try blockUntil("all connections are closed") { node.server.connections == 0 }
            #expect(node.gate.submitted == 0)
        }
    }

    @Test("a request may come byte by byte, and in chunks")
    func splitEverywhere() async throws {
        try await RecordsTestNode.run { node in
            let plain =
                "PUT /v1/collections/c/records/k HTTP/1.1\r\nContent-Length: 7\r\n\r\n{\"a\":1}"
            let chunked =
                "PUT /v1/collections/c/records/k HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
                + "3\r\n{\"a\r\n4\r\n\":2}\r\n0\r\n\r\n"
            let client = try node.client()
            for (request, value) in [(plain, "{\"a\":1}"), (chunked, "{\"a\":2}")] {
                for byte in request.utf8 { try client.send([byte]) }
                #expect(try client.response().status == 200)
                let get = try client.request("GET", "/v1/collections/c/records/k")
                #expect(get.text == value)
            }
        }
    }

    @Test("requests that are sent ahead are answered in order")
    func pipelined() async throws {
        try await RecordsTestNode.run { node in
            let client = try node.client()
            var requests = ""
            for value in 1...200 {
                requests +=
                    "PUT /v1/collections/c/records/k HTTP/1.1\r\n"
                    + "Content-Length: \("\(value)".utf8.count)\r\n\r\n\(value)"
                requests += "GET /v1/collections/c/records/k HTTP/1.1\r\n\r\n"
            }
            try client.send(requests)
            for value in 1...200 {
                #expect(try client.response().headers["etag"] == "\"\(value + 1)\"")
                #expect(try client.response().text == "\(value)")
            }
        }
    }

    @Test("bytes that follow a request as garbage do not undo its answer's place")
    func pipelinedGarbage() async throws {
        try await RecordsTestNode.run { node in
            let path = "/v1/collections/c/records/k"
            #expect(try node.client().request("PUT", path, "1").status == 200)
            node.gate.set(.hold)
            let client = try node.client()
            try client.send("DELETE /v1/collections/c/records/k HTTP/1.1\r\n\r\nGARBAGE\r\n\r\n")
            // What follows the write cannot be told apart, so the connection ends; the write may
            // still be committed, as after any lost connection.
            _ = try? client.response()
            try blockUntil("all connections are closed") { node.server.connections == 0 }
            #expect(node.gate.heldCount == 1)
            #expect(try node.client().request("GET", path).status == 200)
            node.gate.release()
            #expect(try node.client().request("GET", path).status == 404)
        }
    }

    @Test("Expect: 100-continue is answered, or refused before the body is sent")
    func expectContinue() async throws {
        try await RecordsTestNode.run { node in
            let head =
                "PUT /v1/collections/c/records/k HTTP/1.1\r\n"
                + "Content-Length: 1\r\nExpect: 100-continue\r\n\r\n"
            let client = try node.client()
            try client.send(head)
            #expect(try client.response().status == 100)
            try client.send("1")
            #expect(try client.response().status == 200)
            node.gate.set(writable: false)
            try client.send(head)
            let refused = try client.response()
            #expect(refused.status == 503)
            #expect(refused.headers["connection"] == "close")
        }
    }

    @Test("HTTP/1.0 gets a length and its connection's end")
    func http10() async throws {
        try await RecordsTestNode.run { node in
            let client = try node.client()
            try client.send("GET /v1/collections/c/records HTTP/1.0\r\n\r\n")
            let answer = try client.response()
            #expect(answer.headers["connection"] == "close")
            #expect(try client.isClosedCleanly())
        }
    }

    @Test("a slow head, a slow body and an idle connection are ended")
    func slow() async throws {
        var limits = RecordsTestNode.fast
        limits.requestIdle = .milliseconds(200)
        limits.keepAlive = .milliseconds(600)
        try await RecordsTestNode.run(limits: limits) { node in
            for start in [
                "PUT /v1/coll",
                "PUT /v1/collections/c/records/k HTTP/1.1\r\nContent-Length: 5\r\n\r\n12",
                "POST /v1/bulk HTTP/1.1\r\nContent-Length: 5\r\n\r\n12",
            ] {
                let client = try node.client()
                try client.send(start)
                #expect(try client.response().status == 408)
                client.finish()
                #expect(try client.isClosedCleanly())
            }
            #expect(try node.client().isClosedCleanly())
            #expect(node.gate.submitted == 0)
        }
    }

    @Test("a body that never ends is cut off in total time")
    func endless() async throws {
        var limits = RecordsTestNode.fast
        limits.requestTotal = .milliseconds(300)
        try await RecordsTestNode.run(limits: limits) { node in
            let client = try node.client()
            try client.send(
                "PUT /v1/collections/c/records/k HTTP/1.1\r\nContent-Length: 100000\r\n\r\n")
            try blockUntil("the request is cut off") {
                (try? client.send("1")) == nil || !node.hasOpenConnections
            }
            #expect(try client.response().status == 408)
        }
    }

    @Test("connections over the maximum are closed")
    func connectionLimit() async throws {
        var limits = RecordsTestNode.fast
        limits.connections = 3
        try await RecordsTestNode.run(limits: limits) { node in
            let clients = try (0..<3).map { _ in try node.client() }
            for client in clients {
                #expect(try client.request("GET", "/v1/collections/c/records").status == 200)
            }
            let refused = try node.client()
            #expect((try? refused.request("GET", "/v1/collections/c/records")) == nil)
        }
    }

    @Test("a drain finishes what is under way, and says that the connection ends")
    func drain() async throws {
        try await RecordsTestNode.run { node in
            node.gate.set(.hold)
            let busy = try node.client()
            try busy.send("DELETE /v1/collections/c/records/k HTTP/1.1\r\n\r\n")
            try blockUntil("the write is held") { node.gate.heldCount == 1 }
            let idle = try node.client()
            _ = try idle.request("GET", "/v2")
            let server = node.server
            Task { await server.shutdown(deadline: .now() + .seconds(5)) }
            #expect(try idle.isClosedCleanly())
            node.gate.release()
            let answer = try busy.response()
            #expect(answer.status == 200)
            #expect(answer.headers["connection"] == "close")
            #expect(try busy.isClosedCleanly())
        }
    }

    @Test("a file that is no socket at the control socket's path is left alone")
    func controlSocketFile() async throws {
        try await RecordsTestNode.run { node in
            let mode = try FileManager.default.attributesOfItem(atPath: node.socketPath)[
                .posixPermissions]
            #expect(mode as? Int == 0o660)
        }
        let directory = try TemporaryDirectory()
        let path = directory.path + "/file"
        try Data("precious".utf8).write(to: URL(fileURLWithPath: path))
        let gate = try TestGate(directory: directory.path + "/store")
        let options = RecordsServerOptions(port: 0, controlSocketPath: path)
        await #expect(throws: ListenFailure.self) {
            _ = try await RecordsServer.start(
                gate: gate, options: options, logger: Logger(label: "test"))
        }
        #expect(FileManager.default.contents(atPath: path) == Data("precious".utf8))
        withExtendedLifetime(directory) {}
    }
}

extension RecordsTestNode {
    var hasOpenConnections: Bool { server.connections > 0 }
}
