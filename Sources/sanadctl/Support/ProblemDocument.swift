import Foundation

/// An error answer of the node (RFC 9457).
struct ProblemDocument: Decodable, Equatable {
    var type: String?
    var title: String
    var status: Int?
    var detail: String?
    /// The record's sequence, after a failed condition.
    var current: UInt64?
    /// The bulk line that is bad, from 1.
    var line: UInt64?
    /// The last committed sequence, after a bulk that stopped half-way.
    var lastSequence: UInt64?
    var lines: UInt64?
    var primary: String?
    var primaryURL: String?

    enum CodingKeys: String, CodingKey {
        case type
        case title
        case status
        case detail
        case current
        case line
        case lines
        case primary
        case lastSequence = "last_sequence"
        case primaryURL = "primary_url"
    }

    /// Nil when the bytes are no problem document: a proxy in between may answer anything.
    init?(_ body: Data) {
        guard let problem = try? JSONDecoder().decode(ProblemDocument.self, from: body) else {
            return nil
        }
        self = problem
    }

    private var slug: String {
        type.flatMap { $0.split(separator: ":").last.map(String.init) } ?? ""
    }

    /// The failure that a person sees.
    ///
    /// - Parameter httpStatus: used when the document has none.
    func failure(httpStatus: Int) -> Failure {
        var message = title
        if let detail, !detail.isEmpty { message += ": " + detail }
        return Failure(code(status ?? httpStatus), message, next: next(status ?? httpStatus))
    }

    private func code(_ status: Int) -> Failure.Code {
        switch (status, slug) {
        case (404, "no-record"): .noSuchRecord
        case (400, "bad-json"), (413, _), (422, _): .badData
        case (400, _) where line != nil: .badData
        case (401, _), (403, _): .notPermitted
        case (504, _): .outcomeUnknown
        case (502, _), (503, _): .unavailable
        default: .refused
        }
    }

    private func next(_ status: Int) -> String? {
        switch (status, slug) {
        case (503, "not-primary"):
            guard let primary else {
                return "look at both nodes with \"sanadctl status\"; none is primary now"
            }
            let address = primaryURL.map { " (\($0))" } ?? ""
            return "ask the primary, \(primary)\(address); if that is this node, "
                + "\"sanadctl status\" says why it takes no writes"
        case (503, _): return "try again in some seconds"
        case (504, _): return "read the record to see whether it was written, or write it again"
        case (412, _): return "read the record again; somebody changed it"
        case (500, _): return "look at the node's log: journalctl -u sanadd"
        default: return nil
        }
    }
}
