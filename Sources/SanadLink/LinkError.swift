/// What went wrong on the link, or with the certificates that it lives by.
public struct LinkError: Error, Sendable, CustomStringConvertible {
    /// The kind of failure: a closed set, fit for a metric's label.
    public enum Code: String, Sendable, CaseIterable {
        /// The peer ended the handshake with an alert that has no code of its own here.
        case refusedByPeer
        case certificateExpired
        case certificateNotYetValid
        case certificateUnknownAuthority
        /// The other side showed no certificate.
        case certificateMissing
        /// Unfit for another reason: revoked, wrong purpose, broken signature.
        case certificateInvalid
        /// The certificate is good, but it is not the expected node's.
        case wrongName
        /// What arrived was not TLS.
        case notTLS
        /// TLS, but older than 1.3, or with no algorithm in common.
        case tlsVersion
        /// The other end speaks another version of the link, or something else over TLS.
        case linkVersion
        /// Bytes that no sound peer sends.
        case protocolViolation
        /// The other end closed, or went away.
        case closed
        case timeout
        /// The host cannot be resolved or reached.
        case unreachable
        /// The operating system refused a call.
        case io
        /// A queue towards the peer is over its bound.
        case tooLarge
        /// A certificate, key or authority file that cannot be used.
        case credentials
        /// A file that would be overwritten.
        case alreadyExists
    }

    public var code: Code
    /// Whom it concerns: a node's name, an address, or a file's path.
    public var peer: String
    /// What OpenSSL or the operating system said.
    public var detail: String
    /// What an operator can do about it; empty when there is nothing to say.
    public var hint: String
    /// True when the peer said so about this node; false when this node found it.
    public var saidByPeer: Bool

    public init(
        code: Code, peer: String, detail: String, hint: String = "", saidByPeer: Bool = false
    ) {
        self.code = code
        self.peer = peer
        self.detail = detail
        self.hint = hint
        self.saidByPeer = saidByPeer
    }

    public var description: String {
        var text = "\(peer): \(code.rawValue)\(saidByPeer ? " (said by the peer)" : "")"
        if !detail.isEmpty { text += ": \(detail)" }
        if !hint.isEmpty { text += ". \(hint)" }
        return text
    }
}

/// Bytes that break the format. The connection turns it into a ``LinkError`` that names the peer.
struct ProtocolViolation: Error {
    let detail: String
}
