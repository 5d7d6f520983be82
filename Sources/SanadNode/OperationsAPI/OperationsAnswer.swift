import Foundation
import NIOCore

/// An answer of the operations API, before it is HTTP.
struct OperationsAnswer: Equatable, Sendable {
    enum ContentType: String, Sendable {
        case text = "text/plain; charset=utf-8"
        case json = "application/json"
        case html = "text/html; charset=utf-8"
        case openMetrics = "application/openmetrics-text; version=1.0.0; charset=utf-8"
        case problem = "application/problem+json"
    }

    var status: Int
    var contentType: ContentType
    var body: String
    /// Set for 405.
    var allow: String?

    static func text(_ status: Int, _ body: String) -> OperationsAnswer {
        OperationsAnswer(status: status, contentType: .text, body: body)
    }

    static func problem(_ status: Int, _ slug: String, _ title: String, _ detail: String)
        -> OperationsAnswer
    {
        var document = ByteBuffer()
        Problem(status, slug, title, detail).write(into: &document)
        return OperationsAnswer(
            status: status, contentType: .problem, body: String(buffer: document) + "\n")
    }

    static func json(_ value: some Encodable, status: Int) -> OperationsAnswer {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        guard let document = try? encoder.encode(value) else {
            return .problem(500, "internal", "The node failed", "The status cannot be written.")
        }
        return OperationsAnswer(
            status: status, contentType: .json,
            body: String(decoding: document, as: UTF8.self) + "\n")
    }

    static func badParameter(_ detail: String) -> OperationsAnswer {
        problem(400, "bad-parameter", "A parameter is wrong", detail)
    }
}

/// What the answers are made from: one published state, and the clock's word on it.
struct OperationsView: Sendable {
    var status: NodeStatus
    /// Whether this node may acknowledge writes at this instant.
    var isWritable: Bool
    /// `CLOCK_BOOTTIME`, as the status has its instants.
    var nowNanoseconds: UInt64
    var nowUnixSeconds: Int64
    var thresholds: OperationsThresholds

    /// Seconds since an instant of the status.
    func age(of nanoseconds: UInt64) -> Double {
        nowNanoseconds > nanoseconds ? Double(nowNanoseconds - nanoseconds) / 1e9 : 0
    }
}

/// From when on a check fails.
public struct OperationsThresholds: Sendable {
    /// The commit thread has stood still for this long.
    public var tickAgeSeconds = 10.0
    public var diskFreeBytes: UInt64 = 512 << 20
    /// A standby that has not heard from the primary for this long.
    public var peerSilenceSeconds = 10.0
    public var lagSeconds = 30.0
    public var certificateSeconds: Int64 = 7 * 86_400

    public init() {}
}
