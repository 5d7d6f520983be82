import Dispatch
import Glibc
import NIOCore
import SanadCore
import SanadTestSupport
import Synchronization
import Testing

@testable import SanadNode

@Suite("Records API: bulk", .timeLimit(.minutes(1)))
struct RecordsBulkTests {
    static func line(_ number: Int) -> String {
        #"{"op":"put","collection":"c","key":"\#(number)","value":\#(number)}"# + "\n"
    }

    static func lines(_ count: Int) -> String { (1...count).map(line).joined() }

    @Test("lines become transactions of at most 1,000, and the summary counts them")
    func summary() async throws {
        try await RecordsTestNode.run { node in
            let body = Self.lines(2_500) + #"{"op":"delete","collection":"c","key":"1"}"#
            let answer = try node.client().request("POST", "/v1/bulk", body)
            #expect(answer.status == 200)
            #expect(answer.text.hasPrefix("{\"lines\":2501,\"transactions\":"))
            #expect(answer.text.hasSuffix("\"durability\":\"both-sites\"}"))
            #expect(node.gate.submitted >= 3)
            let client = try node.client()
            #expect(try client.request("GET", "/v1/collections/c/records/1").status == 404)
            #expect(try client.request("GET", "/v1/collections/c/records/2500").text == "2500")
        }
    }

    @Test("an empty body, blank lines and CRLF are fine")
    func blank() async throws {
        try await RecordsTestNode.run { node in
            let client = try node.client()
            let empty = try client.request("POST", "/v1/bulk", "")
            let nothing =
                #"{"lines":0,"transactions":0,"epoch":0,"first_sequence":null,"#
                + #""last_sequence":null,"durability":null}"#
            #expect(empty.text == nothing)
            let body = "\r\n" + Self.line(1).dropLast() + "\r\n\n" + Self.line(2)
            let answer = try client.request("POST", "/v1/bulk", body)
            #expect(answer.text.hasPrefix("{\"lines\":4,"))
        }
    }

    @Test(
        "a bad line is named, and every line before it is committed",
        arguments: [1, 2, 999, 1_000, 1_001, 2_345])
    func badLine(_ number: Int) async throws {
        try await RecordsTestNode.run { node in
            var body = number > 1 ? Self.lines(number - 1) : ""
            body += #"{"op":"put","collection":"c","key":"bad","value":}"# + "\n" + Self.line(9_999)
            let client = try node.client()
            let answer = try client.request("POST", "/v1/bulk", body)
            #expect(answer.status == 400)
            #expect(answer.text.contains("\"line\":\(number)"))
            #expect(answer.text.contains("\"offset\":49"))
            #expect(answer.text.contains("\"lines_committed\":\(number - 1)"))
            let reader = try node.client()
            if number > 1 {
                let last = try reader.request("GET", "/v1/collections/c/records/\(number - 1)")
                #expect(last.text == "\(number - 1)")
            }
            #expect(try reader.request("GET", "/v1/collections/c/records/9999").status == 404)
        }
    }

    @Test("a write that fails in the middle ends the bulk with what was committed before it")
    func failure() async throws {
        try await RecordsTestNode.run { node in
            node.gate.set(.answer(.notPrimary(TestGate.hint, reason: "demoted")), afterCommits: 2)
            let answer = try node.client().request("POST", "/v1/bulk", Self.lines(5_000))
            #expect(answer.status == 503)
            #expect(answer.text.contains("\"transactions\":2"))
            #expect(answer.headers["sanad-primary"] != nil)
        }
    }

    @Test("a client that goes on waits while too much is under way, in bounded memory")
    func backpressure() async throws {
        try await RecordsTestNode.run { node in
            node.gate.set(.hold)
            let client = try node.client()
            let body = Self.lines(200_000)
            try client.send("POST /v1/bulk HTTP/1.1\r\nContent-Length: \(body.utf8.count)\r\n\r\n")
            let sender = DispatchSender(client, Array(body.utf8))
            let most = Limits.bulkTransactionsInFlightMaximum
            try blockUntil("as many as may wait are held") { node.gate.heldCount == most }
            // One that ends lets one more in, and the rest goes on waiting.
            for released in 1...3 {
                node.gate.releaseOldest()
                try blockUntil("the next is submitted") { node.gate.submitted == most + released }
                #expect(node.gate.heldCount == most)
            }
            #expect(!sender.isDone)
            node.gate.release()
            #expect(node.gate.heldMost == most)
            #expect(try client.response().text.hasPrefix("{\"lines\":200000,"))
        }
    }

    @Test("a full commit queue makes the bulk wait, not fail")
    func queueFull() async throws {
        try await RecordsTestNode.run { node in
            node.gate.set(.refuse(.queueFull), afterCommits: 1)
            let client = try node.client()
            let body = Self.lines(3_000)
            try client.send(
                "POST /v1/bulk HTTP/1.1\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)")
            try blockUntil("the first is submitted") { node.gate.submitted == 1 }
            try blockUntil("the others are refused") { node.gate.refused >= 3 }
            node.gate.set(.commit)
            #expect(try client.response().text.hasPrefix("{\"lines\":3000,"))
        }
    }

    @Test("progress is streamed, and the last line carries the result")
    func progress() async throws {
        try await RecordsTestNode.run { node in
            let client = try node.client()
            try client.send(
                "POST /v1/bulk?progress=true HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
            #expect(try client.head().contains("application/x-ndjson"))
            let line = Self.line(1)
            try client.send(String(line.utf8.count, radix: 16) + "\r\n\(line)\r\n")
            while true {
                let report = try client.chunk()
                #expect(report.hasPrefix("{\"done\":false,"))
                if report.contains("\"lines\":1,") { break }
            }
            try client.send("0\r\n\r\n")
            var last = ""
            while !last.hasPrefix("{\"done\":true") { last = try client.chunk() }
            #expect(last.contains("\"lines\":1,\"transactions\":1,"))
            #expect(try client.chunk().isEmpty)
            #expect(try client.request("GET", "/v1/collections/c/records/1").text == "1")
        }
    }

    @Test("a bulk that fails after progress began tells the problem in its last line")
    func progressProblem() async throws {
        try await RecordsTestNode.run { node in
            let client = try node.client()
            let answer = try client.request("POST", "/v1/bulk?progress=true", Self.line(1) + "x\n")
            #expect(answer.status == 200)
            let last = answer.text.split(separator: "\n").last ?? ""
            #expect(last.contains("\"done\":true"))
            #expect(last.contains("\"line\":2"))
            #expect(last.contains("\"lines_committed\":1"))
        }
    }

    @Test(
        "a bulk is cut off where its client is cut off: whole lines may be written, no part of one")
    func cutOff() async throws {
        try await RecordsTestNode.run { node in
            let client = try node.client()
            try client.send("POST /v1/bulk HTTP/1.1\r\nContent-Length: 100000\r\n\r\n")
            try client.send(Self.line(1) + Self.line(2).dropLast(3))
            client.finish()
            try blockUntil("the connection is closed") { node.server.connections == 0 }
            let reader = try node.client()
            #expect(try reader.request("GET", "/v1/collections/c/records/2").status == 404)
        }
    }

    @Test("a standby refuses a bulk at its head, and a line over its limit is refused")
    func refusals() async throws {
        try await RecordsTestNode.run { node in
            let long = String(repeating: " ", count: BulkUpload.lineBytesMaximum + 1)
            let answer = try node.client().request("POST", "/v1/bulk", Self.line(1) + long)
            #expect(answer.status == 413)
            #expect(answer.text.contains("\"line\":2"))
            node.gate.set(writable: false)
            let refused = try node.client().request("POST", "/v1/bulk", Self.line(1))
            #expect(refused.status == 503)
        }
    }
}

/// Sends on another thread, since the server stops reading meanwhile.
private final class DispatchSender: Sendable {
    private let done = Mutex(false)

    init(_ client: RawClient, _ bytes: [UInt8]) {
        let box = Sending(client: client)
        DispatchQueue.global().async { [self] in
            try? box.client.send(bytes)
            done.withLock { $0 = true }
        }
    }

    var isDone: Bool { done.withLock { $0 } }
}

/// `@unchecked Sendable`: one thread only sends, the other only receives.
private struct Sending: @unchecked Sendable {
    let client: RawClient
}
