internal import COpenSSL

/// OpenSSL's error queue of the calling thread.
///
/// The queue outlives the call that filled it: it is cleared before each call whose outcome is
/// read from it, and emptied after.
struct OpenSSLErrors {
    /// The first error of the TLS library itself, which says why a handshake failed.
    let sslReason: Int32?
    /// All entries, the oldest first.
    let text: String

    static func clear() { ERR_clear_error() }

    /// Takes all entries out of the queue.
    static func drain() -> OpenSSLErrors {
        var reason: Int32?
        var lines: [String] = []
        while true {
            let code = ERR_get_error()
            guard code != 0 else { break }
            if reason == nil, sanad_err_library(code) == ERR_LIB_SSL {
                reason = sanad_err_reason(code)
            }
            lines.append(
                withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
                    ERR_error_string_n(code, buffer.baseAddress, buffer.count)
                    return buffer.baseAddress.map { String(cString: $0) } ?? ""
                })
        }
        return OpenSSLErrors(sslReason: reason, text: lines.joined(separator: "; "))
    }
}

extension LinkError {
    /// Explains a TLS failure: the peer's alert, this side's verdict on the peer's certificate, or
    /// what arrived instead of TLS.
    static func tls(peer: String, errors: OpenSSLErrors, verifyResult: Int) -> LinkError {
        guard let reason = errors.sslReason else {
            return LinkError(code: .io, peer: peer, detail: errors.text)
        }
        if let alert = alert(reason: reason) {
            return LinkError(
                code: alert.code, peer: peer, detail: errors.text, hint: alert.hint,
                saidByPeer: true)
        }
        switch reason {
        case SSL_R_CERTIFICATE_VERIFY_FAILED:
            let verdict = verdict(verifyResult)
            return LinkError(
                code: verdict.code, peer: peer,
                detail: "\(verificationText(verifyResult)); \(errors.text)", hint: verdict.hint)
        case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
            return LinkError(
                code: .certificateMissing, peer: peer, detail: errors.text,
                hint: "Only nodes with a certificate of the cluster's authority may connect here")
        case SSL_R_WRONG_VERSION_NUMBER, SSL_R_HTTP_REQUEST, SSL_R_HTTPS_PROXY_REQUEST,
            SSL_R_BAD_RECORD_TYPE, SSL_R_PACKET_LENGTH_TOO_LONG, SSL_R_ENCRYPTED_LENGTH_TOO_LONG,
            SSL_R_UNEXPECTED_MESSAGE, SSL_R_RECORD_LENGTH_MISMATCH:
            return LinkError(
                code: .notTLS, peer: peer, detail: errors.text,
                hint: "Something that does not speak the link's protocol uses this port")
        case SSL_R_UNSUPPORTED_PROTOCOL, SSL_R_NO_SHARED_CIPHER,
            SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
            return LinkError(
                code: .tlsVersion, peer: peer, detail: errors.text,
                hint: "The link takes TLS 1.3 only, within the system's crypto policy")
        default:
            return LinkError(code: .protocolViolation, peer: peer, detail: errors.text)
        }
    }

    /// The alert that the peer sent (RFC 8446, section 6), from OpenSSL's reason code.
    private static func alert(reason: Int32) -> (code: Code, hint: String)? {
        // OpenSSL numbers a received alert as 1000 (SSL_AD_REASON_OFFSET) plus its wire value.
        guard (1_000..<1_256).contains(reason) else { return nil }
        switch reason - SSL_AD_REASON_OFFSET {
        case SSL_AD_CERTIFICATE_EXPIRED:
            return (
                .certificateExpired,
                "This node's certificate has expired, or one of the two clocks is wrong: "
                    + "issue a new one and reload"
            )
        case SSL_AD_UNKNOWN_CA:
            return (
                .certificateUnknownAuthority,
                "The peer does not know the authority of this node's certificate: both nodes "
                    + "need the same ca.crt"
            )
        case SSL_AD_BAD_CERTIFICATE:
            return (
                .refusedByPeer,
                "The peer takes this node's certificate for another's: its names must include "
                    + "the node name that the peer expects"
            )
        case SSL_AD_CERTIFICATE_REVOKED, SSL_AD_UNSUPPORTED_CERTIFICATE,
            SSL_AD_CERTIFICATE_UNKNOWN, SSL_AD_DECRYPT_ERROR:
            return (.certificateInvalid, "The peer's log has the reason")
        case SSL_AD_CERTIFICATE_REQUIRED:
            return (.certificateMissing, "This node showed no certificate")
        case SSL_AD_PROTOCOL_VERSION, SSL_AD_HANDSHAKE_FAILURE:
            return (.tlsVersion, "The two systems' crypto policies have nothing in common")
        default:
            return (.refusedByPeer, "The peer's log has the reason")
        }
    }

    /// This side's verdict on the peer's certificate.
    private static func verdict(_ result: Int) -> (code: Code, hint: String) {
        switch Int32(truncatingIfNeeded: result) {
        case X509_V_ERR_CERT_HAS_EXPIRED:
            (
                .certificateExpired,
                "The peer's certificate has expired, or one of the two clocks is wrong"
            )
        case X509_V_ERR_CERT_NOT_YET_VALID:
            (.certificateNotYetValid, "One of the two clocks is wrong")
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
            X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN,
            X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, X509_V_ERR_CERT_SIGNATURE_FAILURE:
            (
                .certificateUnknownAuthority,
                "The peer's certificate is not of this cluster's authority: both nodes need the "
                    + "same ca.crt"
            )
        case X509_V_ERR_HOSTNAME_MISMATCH:
            (
                .wrongName,
                "The certificate is another node's: check the peer's address and node name here, "
                    + "and the certificate there"
            )
        default:
            (.certificateInvalid, "Show the peer's certificate with `sanadctl pki show`")
        }
    }

    private static func verificationText(_ result: Int) -> String {
        X509_verify_cert_error_string(result).map { String(cString: $0) } ?? "error \(result)"
    }
}
