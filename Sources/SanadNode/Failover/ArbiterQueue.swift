import SanadCore

/// A question on its way, and until when it may take.
struct PendingQuestion: Sendable {
    var request: ArbiterRequest
    var deadline: Instant
}

/// The questions that wait: at most one of each kind, in the order of asking.
///
/// A newer question replaces the older one of its kind, which was not sent and so has no effect:
/// the newer one says more. Changes and releases keep their order among each other.
struct ArbiterQueue: Sendable {
    /// How long a question may take from its asking.
    let patience: Span
    private(set) var waiting: [PendingQuestion] = []

    init(patience: Span) { self.patience = patience }

    var isEmpty: Bool { waiting.isEmpty }

    mutating func add(_ request: ArbiterRequest, now: Instant) {
        waiting.removeAll { $0.request.kindNumber == request.kindNumber }
        waiting.append(PendingQuestion(request: request, deadline: now + patience))
    }

    /// Takes the first question that `isWanted`; nil when there is none.
    mutating func next(where isWanted: (ArbiterRequest) -> Bool = { _ in true }) -> PendingQuestion?
    {
        guard let index = waiting.firstIndex(where: { isWanted($0.request) }) else { return nil }
        return waiting.remove(at: index)
    }

    /// Takes out what has waited for too long.
    mutating func expired(at now: Instant) -> [PendingQuestion] {
        let late = waiting.filter { $0.deadline <= now }
        waiting.removeAll { $0.deadline <= now }
        return late
    }

    mutating func removeAll() { waiting = [] }
}

extension ArbiterRequest {
    /// Tells questions of different kinds apart.
    var kindNumber: Int {
        switch kind {
        case .read: 0
        case .renew: 1
        case .change: 2
        case .release: 3
        }
    }
}
