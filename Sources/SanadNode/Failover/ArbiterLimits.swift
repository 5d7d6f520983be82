import SanadCore

/// Bounds of the arbiters and of their clients, each with its reason.
enum ArbiterLimits {
    /// A question that has no answer after this has failed; the replica asks anew.
    static let patience = Limits.arbiterPatience
    /// TCP, TLS and the handshake with the witness; while they go on no question can fail.
    static let connectTimeout = patience * 2
    /// A witness that owes an answer for this long is dialled anew: its host may be gone, and TCP
    /// would notice that only after ten seconds.
    static let silenceMaximum = patience * 3
    /// A connection that lasted this long was a good one: the next wait is the first one again.
    static let steadyAfter = Span.seconds(5)
    /// How far the committed mark in `witness.db` may be behind.
    static let markInterval = Span.seconds(10)
    /// Bytes of an answer of etcd that are read: three small keys, or an error's text.
    static let etcdAnswerBytesMaximum = 64 << 10
    /// Transactions of one question: each failed one has shown what changed in between.
    static let etcdRoundsMaximum = 4
}
