import NIOCore
import SanadCore
import SanadStore

/// An error answer: a problem document of RFC 9457, built nowhere else.
struct Problem: Error {
    /// A member beside `type`, `title`, `status` and `detail`.
    enum Member {
        case number(UInt64)
        case text(String)
        case null
        case flag(Bool)
    }

    var status: Int
    /// The last part of `type`, `urn:sanad:problem:<slug>`.
    var slug: String
    var title: String
    var detail: String
    var members: [(name: String, value: Member)] = []
    var retryAfterSeconds: Int?
    /// The methods of the path, for 405.
    var allow: String?
    /// The primary's records API, for the header `Sanad-Primary`.
    var primaryURL: String?
    /// The connection can not go on, since the rest of the request is not read.
    var closes = false

    init(_ status: Int, _ slug: String, _ title: String, _ detail: String) {
        self.status = status
        self.slug = slug
        self.title = title
        self.detail = detail
    }

    func with(_ name: String, _ value: Member) -> Problem {
        var problem = self
        problem.members.append((name, value))
        return problem
    }

    func retrying(afterSeconds seconds: Int) -> Problem {
        var problem = self
        problem.retryAfterSeconds = seconds
        return problem
    }

    var closing: Problem {
        var problem = self
        problem.closes = true
        return problem
    }

    /// The document, without a line break.
    func write(into buffer: inout ByteBuffer) {
        buffer.writeString("{\"type\":\"urn:sanad:problem:\(slug)\",\"title\":")
        buffer.writeJSONString(title)
        buffer.writeString(",\"status\":\(status),\"detail\":")
        buffer.writeJSONString(detail)
        for (name, value) in members {
            buffer.writeString(",\"\(name)\":")
            switch value {
            case .number(let number): buffer.writeDecimal(number)
            case .text(let text): buffer.writeJSONString(text)
            case .null: buffer.writeStaticString("null")
            case .flag(let flag): buffer.writeString(flag ? "true" : "false")
            }
        }
        buffer.writeInteger(UInt8(ascii: "}"))
    }
}

extension Problem {
    static func badRequest(_ detail: String) -> Problem {
        Problem(400, "bad-request", "The request is not understood", detail)
    }

    static func badParameter(_ name: String, _ detail: String) -> Problem {
        Problem(400, "bad-parameter", "A parameter is wrong", detail).with("parameter", .text(name))
    }

    static let badCollection = Problem(
        400, "bad-collection", "The collection's name is not allowed",
        "A collection is named [a-z][a-z0-9_-]{0,62}.")

    static let badKey = Problem(
        400, "bad-key", "The key is not allowed",
        "A key has 1 to \(Limits.keyBytesMaximum) bytes of UTF-8 and no control characters.")

    static let notFound = Problem(404, "not-found", "No such path", "This path does not exist.")

    static let noRecord = Problem(
        404, "no-record", "No such record", "The collection has no record under this key.")

    static func methodNotAllowed(_ allow: String) -> Problem {
        var problem = Problem(
            405, "method-not-allowed", "The method is not for this path", "Allowed: \(allow).")
        problem.allow = allow
        return problem
    }

    static let slowRequest = Problem(
        408, "slow-request", "The request came too slowly",
        "The request was not complete in time. Nothing of it was written."
    ).closing

    static func tooLarge(_ detail: String) -> Problem {
        Problem(413, "too-large", "The body is too large", detail)
    }

    static let unsupportedEncoding = Problem(
        415, "unsupported-encoding", "The body is encoded",
        "Send the body without Content-Encoding."
    ).closing

    /// A body that is not the JSON that the route takes; the offset counts from the body's start.
    static func json(_ error: JSONError) -> Problem {
        let detail = "At byte \(error.offset): \(error.message)."
        let problem =
            if error.isTooLarge {
                Problem.tooLarge(detail)
            } else {
                Problem(400, "bad-json", "The body is not what was asked for", detail)
            }
        return problem.with("offset", .number(UInt64(error.offset)))
    }

    static func notPrimary(_ hint: PrimaryHint, reason: String) -> Problem {
        Problem(503, "not-primary", "This node takes no writes now", reason)
            .naming(hint).retrying(afterSeconds: 1)
    }

    static func notConsistent(_ hint: PrimaryHint, _ status: NodeStatus) -> Problem {
        let work =
            if status.waitsForCommit == true {
                "waits until the end of its log is known as committed"
            } else if let seeding = status.seeding {
                "takes a snapshot of the primary (\(seeding.records) records so far)"
            } else {
                "fetches anew the records that a failover cut off"
            }
        let problem = Problem(
            503, "not-consistent", "This node's records are not those of one moment",
            "It \(work), and serves no reads until that is done. "
                + "Ask the other node, or try again.")
        return problem.naming(hint).retrying(afterSeconds: 5)
    }

    static func unknownOutcome(_ hint: PrimaryHint, reason: String) -> Problem {
        Problem(
            504, "outcome-unknown", "The outcome of the write is unknown",
            "\(reason) It may or may not have been written. "
                + "Retry with the same Idempotency-Key."
        ).naming(hint)
    }

    static let queueFull = Problem(
        503, "queue-full", "Too many writes wait", "Nothing was written. Try again later."
    ).retrying(afterSeconds: 1)

    static let stopping = Problem(
        503, "stopping", "This node is stopping", "Nothing was written."
    ).retrying(afterSeconds: 1)

    static func busy(_ detail: String) -> Problem {
        Problem(503, "busy", "Too much work waits", detail).retrying(afterSeconds: 1)
    }

    static func conditionFailed(index: Int, current: Sequence?) -> Problem {
        let state = current.map { "stands at sequence \($0)" } ?? "is absent"
        return Problem(
            412, "condition-failed", "A condition does not hold",
            "The record of condition \(index) \(state). Nothing was written."
        ).with("condition", .number(UInt64(index)))
            .with("current", current.map { .number($0.value) } ?? .null)
    }

    static func beyondTheLog(_ place: LogPlace, end: Sequence) -> Problem {
        Problem(
            410, "beyond-the-log", "The log does not reach so far",
            "Sequence \(place.sequence) was asked for, and this primary's log ends at \(end): what "
                + "is beyond was cut off by a failover. Export anew."
        ).with("log_end", .number(end.value))
    }

    static func otherHistory(_ place: LogPlace, here epoch: Epoch) -> Problem {
        Problem(
            410, "other-history", "The log has another transaction there",
            "Sequence \(place.sequence) is of epoch \(epoch) here, not of "
                + "\(place.epoch ?? .zero): what you have read was cut off by a failover. "
                + "Export anew."
        ).with("epoch", .number(epoch.value))
    }

    static func keyReused(_ sequence: Sequence) -> Problem {
        Problem(
            422, "idempotency-key-reused", "The Idempotency-Key was used for another write",
            "It belongs to the write at sequence \(sequence), which had another content or other "
                + "conditions. Nothing was written. Use a new key for a new write."
        ).with("sequence", .number(sequence.value))
    }

    static func store(_ error: any Error) -> Problem {
        guard let error = error as? StoreError else {
            return Problem(500, "internal", "The node failed", "\(error)")
        }
        return switch error.code {
        case .notHeld:
            Problem(
                410, "no-longer-held", "The log no longer reaches back that far", error.message)
        case .busy, .snapshotExpired: Problem.busy(error.message)
        default: Problem(500, "store-failed", "The store failed", error.description)
        }
    }

    static func refusal(_ refusal: SubmitRefusal) -> Problem {
        switch refusal {
        case .queueFull: .queueFull
        case .stopping: .stopping
        case .notPrimary(let hint, let reason): .notPrimary(hint, reason: reason)
        }
    }

    /// Names the node to ask instead.
    func naming(_ hint: PrimaryHint) -> Problem {
        var problem = with("epoch", .number(hint.epoch.value))
            .with("primary", hint.node.map { .text($0.text) } ?? .null)
            .with("primary_url", hint.url.map { .text($0) } ?? .null)
        problem.primaryURL = hint.url
        return problem
    }
}
