import SanadCore
import SanadStore
import SanadTestSupport
import Testing

@testable import SanadNode

@Suite("Records API: records, lists, transactions", .timeLimit(.minutes(1)))
struct RecordsRoutesTests {
    @Test("a put is read back byte for byte, with its sequence as ETag")
    func putAndGet() async throws {
        try await RecordsTestNode.run { node in
            let client = try node.client()
            let value = "{ \"nom\" : \"Aïn\",\n \"n\": 1.50e+1 }\n"
            let put = try client.request("PUT", "/v1/collections/pupils/records/a%2Fb/c+d", value)
            #expect(put.status == 200)
            #expect(put.text == #"{"epoch":1,"sequence":2,"durability":"both-sites"}"#)
            #expect(put.headers["etag"] == "\"2\"")
            #expect(put.headers["date"]?.hasSuffix("GMT") == true)
            let get = try client.request("GET", "/v1/collections/pupils/records/a/b%2fc%2Bd")
            #expect(get.status == 200)
            #expect(get.text == value)
            #expect(get.headers["etag"] == "\"2\"")
            #expect(get.headers["sanad-role"] == "primary")
            #expect(get.headers["sanad-epoch"] == "1")
            let head = try client.request("HEAD", "/v1/collections/pupils/records/a/b/c+d")
            #expect(head.status == 200)
            #expect(head.headers["content-length"] == "\(value.utf8.count)")
            let missing = try client.request("GET", "/v1/collections/pupils/records/x")
            #expect(missing.status == 404)
            #expect(missing.headers["content-type"] == "application/problem+json")
            let deleted = try client.request("DELETE", "/v1/collections/pupils/records/a/b/c+d")
            #expect(deleted.headers["etag"] == "\"3\"")
            #expect(
                try client.request("GET", "/v1/collections/pupils/records/a/b/c+d").status == 404)
        }
    }

    @Test("a record that has left memory is read from the table")
    func readFromDisk() async throws {
        try await RecordsTestNode.run { node in
            let client = try node.client()
            _ = try client.request("PUT", "/v1/collections/c/records/k", "[1]")
            node.gate.table.requestFlush()
            try blockUntil("the flush") { node.gate.table.flushedPosition.sequence >= Sequence(2) }
            let get = try client.request("GET", "/v1/collections/c/records/k")
            #expect(get.text == "[1]")
            #expect(try client.request("GET", "/v1/collections/c/records/none").status == 404)
        }
    }

    @Test("conditions on the sequence")
    func conditions() async throws {
        try await RecordsTestNode.run { node in
            let client = try node.client()
            let path = "/v1/collections/c/records/k"
            let absent = "If-None-Match: *\r\n"
            #expect(try client.request("PUT", path, "1", headers: "If-Match: *\r\n").status == 412)
            #expect(try client.request("PUT", path, "1", headers: absent).status == 200)
            let failed = try client.request("PUT", path, "2", headers: absent)
            #expect(failed.status == 412)
            #expect(failed.text.contains("\"current\":2"))
            let match = "If-Match: \"2\"\r\n"
            #expect(try client.request("PUT", path, "3", headers: match).status == 200)
            #expect(try client.request("DELETE", path, headers: match).status == 412)
            #expect(
                try client.request("GET", path, headers: "If-None-Match: \"3\"\r\n").status == 304)
            #expect(try client.request("GET", path, headers: match).status == 412)
            for bad in ["2", "W/\"2\"", "\"x\"", "\"0\"", "\"1\", \"2\""] {
                let answer = try node.client().request(
                    "PUT", path, "1", headers: "If-Match: \(bad)\r\n")
                #expect(answer.status == 400)
            }
        }
    }

    @Test("an idempotency key is passed on, and a repetition is told")
    func idempotency() async throws {
        try await RecordsTestNode.run { node in
            let client = try node.client()
            let path = "/v1/collections/c/records/k"
            let key = "Idempotency-Key: abc-1\r\n"
            let first = try client.request("PUT", path, "1", headers: key)
            let again = try client.request("PUT", path, "1", headers: key)
            #expect(first.headers["etag"] == again.headers["etag"])
            #expect(again.headers["sanad-repeated"] == "true")
            #expect(again.text.contains("one-site"))
            node.gate.set(.answer(.keyReused(sequence: Sequence(2))))
            let other = try client.request("PUT", path, "2", headers: key)
            #expect(other.status == 422)
            #expect(other.text.contains("\"urn:sanad:problem:idempotency-key-reused\""))
            #expect(other.text.contains("\"sequence\":2"))
        }
    }

    @Test("a list is paged in key order")
    func list() async throws {
        try await RecordsTestNode.run { node in
            let client = try node.client()
            for key in ["a1", "a2", "a\"3", "b"] {
                let encoded = key.replacing("\"", with: "%22")
                _ = try client.request(
                    "PUT", "/v1/collections/c/records/\(encoded)", "\"\(key.count)\"")
            }
            let first = try client.request("GET", "/v1/collections/c/records?limit=2")
            let page =
                #"{"records":[{"key":"a\"3","sequence":4,"value":"3"},"#
                + #"{"key":"a1","sequence":2,"value":"2"}],"next":"a1"}"#
            #expect(first.text == page)
            let rest = try client.request("GET", "/v1/collections/c/records?after=a1&prefix=a")
            #expect(
                rest.text == #"{"records":[{"key":"a2","sequence":3,"value":"2"}],"next":null}"#)
            let none = try client.request("GET", "/v1/collections/none/records")
            #expect(none.text == #"{"records":[],"next":null}"#)
            #expect(
                try client.request("GET", "/v1/collections/c/records?limit=0").status == 400)
            #expect(try client.request("GET", "/v1/collections/c/records?limt=1").status == 400)
        }
    }

    @Test("a page of large values ends before memory does")
    func largePage() async throws {
        try await RecordsTestNode.run { node in
            let client = try node.client()
            let value = "\"" + String(repeating: "v", count: Limits.valueBytesMaximum - 2) + "\""
            for key in 1...8 {
                _ = try client.request("PUT", "/v1/collections/c/records/\(key)", value)
            }
            var (after, seen) = ("", 0)
            repeat {
                let page = try client.request("GET", "/v1/collections/c/records?limit=8\(after)")
                #expect(page.body.count < 6 << 20)
                seen += page.text.split(separator: "\"sequence\"").count - 1
                let next = page.text.suffix(4)
                after = next == "\"4\"}" ? "&after=4" : next == "\"5\"}" ? "&after=5" : ""
            } while !after.isEmpty
            #expect(seen == 8)
        }
    }

    @Test("transactions are atomic, with conditions")
    func transactions() async throws {
        try await RecordsTestNode.run { node in
            let client = try node.client()
            let body =
                #"{"mutations":[{"op":"put","collection":"c","key":"a","value":{"x": 1}},"#
                + #"{"op":"put","collection":"d","key":"b","value":2}],"#
                + #""conditions":[{"collection":"c","key":"z","if":"absent"},"#
                + #"{"collection":"c","key":"a","if":"absent"}]}"#
            #expect(try client.request("POST", "/v1/transactions", body).status == 200)
            #expect(try client.request("GET", "/v1/collections/c/records/a").text == #"{"x": 1}"#)
            let again = try client.request("POST", "/v1/transactions", body)
            #expect(again.status == 412)
            #expect(again.text.contains("\"condition\":1,\"current\":2"))
            let bad = try client.request("POST", "/v1/transactions", "{\"mutations\":[1]}")
            #expect(bad.status == 400)
            #expect(bad.text.contains("\"offset\":14"))
        }
    }

    @Test("the outcomes of a write that is not acknowledged")
    func refusals() async throws {
        try await RecordsTestNode.run { node in
            let client = try node.client()
            func put() throws -> RawResponse {
                try client.request("PUT", "/v1/collections/c/records/k", "1")
            }
            node.gate.set(.refuse(.queueFull))
            let full = try put()
            #expect(full.status == 503)
            #expect(full.headers["retry-after"] == "1")
            node.gate.set(.refuse(.notPrimary(TestGate.hint, reason: "standby")))
            let standby = try put()
            #expect(standby.status == 503)
            #expect(standby.headers["sanad-primary"] == "https://marrakech.example:7401")
            #expect(
                standby.text.contains(#""epoch":7,"primary":"marrakech","primary_url":"https://"#))
            node.gate.set(.answer(.unknown(TestGate.hint, reason: "The lease ran out.")))
            let unknown = try put()
            #expect(unknown.status == 504)
            #expect(unknown.text.contains("Idempotency-Key"))
            // Decided under a lease that had ended when the answer was to be sent.
            node.gate.set(.commit)
            node.gate.set(leaseEnds: SystemClock.instant)
            #expect(try put().status == 504)
            node.gate.set(leaseEnds: .never)
            node.gate.set(.answer(.failed(reason: "disk")))
            #expect(try put().status == 503)
            node.gate.set(.commit)
            #expect(try put().status == 200)
        }
    }

    @Test("reads wait for a position, and know the primary's word")
    func positions() async throws {
        try await RecordsTestNode.run { node in
            let client = try node.client()
            let path = "/v1/collections/c/records/k"
            _ = try client.request("PUT", path, "1")
            #expect(try client.request("GET", path + "?min_position=2").status == 200)
            let late = try client.request("GET", path + "?min_position=3")
            #expect(late.status == 504)
            #expect(late.text.contains("\"applied\":2"))
            try client.send("GET \(path)?min_position=3 HTTP/1.1\r\n\r\n")
            _ = try node.client().request("PUT", path, "2")
            let met = try client.response()
            #expect(met.status == 200)
            #expect(met.text == "2")
            #expect(try client.request("GET", path + "?consistency=primary").text == "2")
            node.gate.set(writable: false)
            let refused = try client.request("GET", path + "?consistency=primary")
            #expect(refused.status == 503)
            #expect(refused.headers["sanad-primary"] == "https://marrakech.example:7401")
            #expect(refused.text.contains("urn:sanad:problem:not-primary"))
            #expect(try client.request("GET", path + "?consistency=committed").status == 200)
            #expect(try client.request("GET", path + "?consistency=x").status == 400)
            node.gate.change { $0.role = "unconfirmed" }
            #expect(try client.request("GET", path).headers["sanad-unconfirmed"] == "true")
        }
    }

    @Test("changes come in log order, resumable from any sequence, up to the committed one")
    func changes() async throws {
        try await RecordsTestNode.run { node in
            let client = try node.client()
            _ = try client.request("PUT", "/v1/collections/c/records/k", "{\n\"a\": 1}")
            _ = try client.request("DELETE", "/v1/collections/c/records/k")
            node.gate.set(commits: false)
            _ = try client.request("PUT", "/v1/collections/c/records/k", "2")
            node.gate.change { $0.committed = 4 }
            let all = try client.request("GET", "/v1/changes")
            let lines = [
                #"{"sequence":2,"epoch":1,"op":"put","collection":"c","key":"k","value":{ "a": 1}}"#,
                #"{"sequence":3,"epoch":1,"op":"delete","collection":"c","key":"k"}"#,
                #"{"sequence":4,"epoch":1,"op":"put","collection":"c","key":"k","value":2}"#,
            ]
            #expect(all.text == lines.map { $0 + "\n" }.joined())
            #expect(all.headers["sanad-sequence"] == "4")
            let some = try client.request("GET", "/v1/changes?after=2&limit=1")
            #expect(some.text == lines[1] + "\n")
            #expect(some.headers["sanad-sequence"] == "3")
            node.gate.change { $0.committed = 3 }
            let committed = try client.request("GET", "/v1/changes?after=2")
            #expect(committed.text == lines[1] + "\n")
            try client.send("GET /v1/changes?after=3&wait=30 HTTP/1.1\r\n\r\n")
            node.gate.change { $0.committed = 4 }
            #expect(try client.response().text == lines[2] + "\n")
        }
    }

    @Test("a consumer that has read what a failover cut off is told so")
    func cutOffConsumer() async throws {
        try await RecordsTestNode.run { node in
            let client = try node.client()
            for value in 1...3 {
                _ = try client.request("PUT", "/v1/collections/c/records/k", "\(value)")
            }
            let page = try client.request("GET", "/v1/changes?after=1/1&limit=1")
            #expect(page.status == 200)
            #expect(page.headers["sanad-position"] == "1/2")
            #expect(try client.request("GET", "/v1/changes?after=1/2").status == 200)
            #expect(try client.request("GET", "/v1/changes?after=1%2F4").text == "")
            let export = try client.request("GET", "/v1/export")
            #expect(export.headers["sanad-position"] == "1/4")
            let other = try client.request("GET", "/v1/changes?after=2/2")
            #expect(other.status == 410)
            #expect(other.text.contains("urn:sanad:problem:other-history"))
            #expect(other.text.contains("\"epoch\":1}"))
            for wait in ["", "&wait=30"] {
                let beyond = try client.request("GET", "/v1/changes?after=5" + wait)
                #expect(beyond.status == 410)
                #expect(beyond.text.contains("urn:sanad:problem:beyond-the-log"))
                #expect(beyond.text.contains("\"log_end\":4}"))
            }
            for bad in ["", "/", "1/", "/4", "1/2/3", "x", "-1", "99999999999999999999"] {
                #expect(try client.request("GET", "/v1/changes?after=" + bad).status == 400)
            }
            // A standby may come to that place, and a new primary's log has what it will commit.
            node.gate.change { $0.logEnd.sequence = 5 }
            #expect(try client.request("GET", "/v1/changes?after=5").status == 200)
            node.gate.set(writable: false)
            let later = try client.request("GET", "/v1/changes?after=7")
            #expect(later.status == 200)
            #expect(later.headers["sanad-sequence"] == "7")
            #expect(later.headers["sanad-position"] == nil)
        }
    }

    @Test("an export streams everything in order, and bulk takes it back")
    func export() async throws {
        try await RecordsTestNode.run { node in
            let client = try node.client()
            var lines = ""
            for key in 1_000..<4_000 {
                lines +=
                    #"{"op":"put","collection":"c","key":"\#(key)","value":{"n":\#(key)}}"# + "\n"
            }
            lines += #"{"op":"put","collection":"d","key":"x","value":null}"# + "\n"
            #expect(try client.request("POST", "/v1/bulk", lines).status == 200)
            let export = try client.request("GET", "/v1/export")
            #expect(export.text == lines)
            #expect(export.headers["sanad-sequence"] == "\(node.gate.status.committed)")
            let one = try client.request("GET", "/v1/export?collection=d")
            #expect(one.text == #"{"op":"put","collection":"d","key":"x","value":null}"# + "\n")
            #expect(try client.request("HEAD", "/v1/export").status == 200)
            #expect(try client.request("GET", "/v1/export?collection=D").status == 400)
            #expect(try client.request("GET", "/v1/collections/d/records/x").status == 200)
        }
    }

    @Test("a node whose records are not those of one moment serves none, and says why")
    func inconsistent() async throws {
        try await RecordsTestNode.run { node in
            let client = try node.client()
            _ = try client.request("PUT", "/v1/collections/c/records/k", "1")
            node.gate.change {
                $0.consistent = false
                $0.seeding = .init(records: 4_711, bytes: 1 << 20)
            }
            for path in ["collections/c/records/k", "collections/c/records", "export", "changes"] {
                let answer = try client.request("GET", "/v1/" + path)
                #expect(answer.status == 503)
                #expect(answer.headers["retry-after"] == "5")
                #expect(answer.text.contains("urn:sanad:problem:not-consistent"))
                #expect(answer.text.contains("4711 records so far"))
                #expect(answer.headers["sanad-primary"] == "https://marrakech.example:7401")
            }
            node.gate.change { $0.seeding = nil }
            let repair = try client.request("GET", "/v1/collections/c/records/k")
            #expect(repair.text.contains("a failover cut off"))
            node.gate.change { $0.waitsForCommit = true }
            let end = try client.request("GET", "/v1/collections/c/records/k")
            #expect(end.text.contains("the end of its log is known as committed"))
            node.gate.change { $0.consistent = true }
            #expect(try client.request("GET", "/v1/collections/c/records/k").text == "1")
        }
    }

    @Test("the control routes are on the control socket only")
    func control() async throws {
        try await RecordsTestNode.run { node in
            let client = try node.client()
            #expect(try client.request("GET", "/status").status == 404)
            let control = try RawClient(path: node.socketPath)
            let status = try control.request("GET", "/status")
            #expect(status.text.contains("\"role\":\"primary\""))
            let promote = try control.request(
                "POST", "/control/promote",
                #"{"accept_loss":true,"reason":"Rabat is lost","dry_run":true}"#)
            #expect(promote.status == 200)
            #expect(promote.text == #"{"done":true,"lines":["a","b"],"message":"heard"}"#)
            #expect(try control.request("POST", "/control/seal").status == 409)
            #expect(try control.request("POST", "/control/reload").status == 200)
            #expect(try control.request("GET", "/control/history").status == 200)
            #expect(
                node.gate.commands == [
                    .carryOut(
                        OperatorRequest(
                            action: .promote(acceptLoss: true), reason: "Rabat is lost",
                            actor: "control socket", dryRun: true)),
                    .sealSegment, .reload, .history,
                ])
            let silent = try control.request("POST", "/control/promote", #"{"accept_loss":true}"#)
            #expect(silent.status == 400)
            #expect(try control.request("PUT", "/v1/collections/c/records/k", "1").status == 200)
        }
    }
}
