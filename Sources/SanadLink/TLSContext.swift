internal import COpenSSL
internal import Glibc
public import SanadCore
internal import Synchronization

/// The certificate, the key and the authority of this node, ready for connections.
///
/// TLS 1.3 only, both ends show a certificate of the cluster's own authority, no resumption. The
/// algorithms are the system's policy. Connections keep the certificate that they were opened with.
public final class TLSContext: Sendable {
    public let certificateFile: String
    public let privateKeyFile: String
    public let authorityFile: String
    private let node: NodeName?
    private let current: Mutex<LoadedContext>

    /// Reads the three PEM files.
    ///
    /// An expired certificate is taken: a node that starts with it serves its clients, and its peer
    /// refuses it and says why.
    ///
    /// - Parameter node: whose certificate it has to be, signed by the authority; nil to leave that
    ///   to the other end.
    /// - Throws: ``LinkError/Code/credentials`` when a file cannot be used: unreadable, a key that
    ///   is not the certificate's, or a key that every user of the host can read;
    ///   ``LinkError/Code/wrongName`` and ``LinkError/Code/certificateUnknownAuthority`` when no
    ///   peer would accept it.
    public init(
        certificateFile: String, privateKeyFile: String, authorityFile: String,
        node: NodeName? = nil
    ) throws(LinkError) {
        self.certificateFile = certificateFile
        self.privateKeyFile = privateKeyFile
        self.authorityFile = authorityFile
        self.node = node
        let loaded = try LoadedContext(
            certificateFile: certificateFile, privateKeyFile: privateKeyFile,
            authorityFile: authorityFile)
        if let node { try loaded.check(isFor: node, certificateFile, authorityFile) }
        current = Mutex(loaded)
    }

    /// Reads the files again. New connections use what they hold; when they cannot be used, or the
    /// certificate is not valid now, the context stays as it was.
    public func reload() throws(LinkError) {
        let loaded = try LoadedContext(
            certificateFile: certificateFile, privateKeyFile: privateKeyFile,
            authorityFile: authorityFile)
        if let node {
            try loaded.check(isFor: node, certificateFile, authorityFile)
            try loaded.checkValidity(certificateFile)
        }
        current.withLock { $0 = loaded }
    }

    /// The end of validity of this node's own certificate.
    public var certificateExpiryUnixSeconds: Int64 {
        current.withLock { $0.notAfterUnixSeconds }
    }

    /// Starts TLS over a connected socket, with a peer whose certificate must bear one of `names`.
    func makeSession(
        socket: Socket, role: TLSRole, names: [NodeName], peer: String
    ) throws(LinkError) -> TLSSession {
        let context = current.withLock { $0 }
        // A reload in the meantime must not free the context before the session has its own
        // reference to it.
        defer { withExtendedLifetime(context) {} }
        return try TLSSession(
            context: context.pointer, socket: socket, role: role, names: names, peer: peer)
    }
}

/// One `SSL_CTX` and what was read with it.
///
/// `@unchecked Sendable`: nothing changes the `SSL_CTX` after `init`, and OpenSSL locks what
/// `SSL_new` touches in it.
private final class LoadedContext: @unchecked Sendable {
    let pointer: OpaquePointer
    let notAfterUnixSeconds: Int64

    init(certificateFile: String, privateKeyFile: String, authorityFile: String) throws(LinkError) {
        try Self.checkPermissions(privateKeyFile)
        OpenSSLErrors.clear()
        guard let context = SSL_CTX_new(TLS_method()) else {
            throw LinkError(code: .io, peer: "OpenSSL", detail: OpenSSLErrors.drain().text)
        }
        do throws(LinkError) {
            try Self.configure(context)
            try Self.check(
                SSL_CTX_use_certificate_chain_file(context, certificateFile), certificateFile,
                "It must hold this node's certificate in PEM")
            try Self.check(
                SSL_CTX_use_PrivateKey_file(context, privateKeyFile, SSL_FILETYPE_PEM),
                privateKeyFile, "It must hold the key of \(certificateFile), PEM, no passphrase")
            try Self.check(
                SSL_CTX_check_private_key(context), privateKeyFile,
                "It is not the key of \(certificateFile)")
            try Self.check(
                SSL_CTX_load_verify_file(context, authorityFile), authorityFile,
                "It must hold the cluster's ca.crt in PEM")
            guard let certificate = SSL_CTX_get0_certificate(context),
                let notAfter = CertificateDescription.unixSeconds(X509_get0_notAfter(certificate))
            else {
                throw LinkError(
                    code: .credentials, peer: certificateFile, detail: "no end of validity")
            }
            notAfterUnixSeconds = notAfter
            pointer = context
        } catch {
            SSL_CTX_free(context)
            throw error
        }
    }

    deinit { SSL_CTX_free(pointer) }

    private static func configure(_ context: OpaquePointer) throws(LinkError) {
        guard sanad_ssl_ctx_require_tls13(context) == 1 else {
            throw LinkError(
                code: .tlsVersion, peer: "OpenSSL", detail: OpenSSLErrors.drain().text,
                hint: "The system's crypto policy forbids TLS 1.3")
        }
        // A resumed session would skip the check of a certificate that has since expired.
        sanad_ssl_ctx_disable_session_cache(context)
        SSL_CTX_set_num_tickets(context, 0)
        // The bytes to write stay the same until they are written, but not at the same address.
        sanad_ssl_ctx_set_mode(
            context, Int(SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER))
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nil)
        // Without a callback OpenSSL would ask for a passphrase at the terminal.
        SSL_CTX_set_default_passwd_cb(context) { _, _, _, _ in -1 }
    }

    /// What the peer will look at: the name, and the authority's signature.
    func check(
        isFor node: NodeName, _ file: String, _ authorityFile: String
    ) throws(LinkError) {
        OpenSSLErrors.clear()
        let certificate = SSL_CTX_get0_certificate(pointer)
        guard
            X509_check_host(
                certificate, node.text, 0,
                UInt32(X509_CHECK_FLAG_NO_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT), nil)
                == 1
        else {
            let names = certificate.map { CertificateDescription.alternativeNames($0) } ?? []
            throw LinkError(
                code: .wrongName, peer: file,
                detail: "it is not for \(node), but for "
                    + (names.isEmpty ? "nobody" : names.joined(separator: ", ")),
                hint: "Put the certificate that 'sanadctl pki issue \(node)' made there")
        }
        guard let work = X509_STORE_CTX_new() else {
            throw LinkError(code: .io, peer: "OpenSSL", detail: OpenSSLErrors.drain().text)
        }
        defer { X509_STORE_CTX_free(work) }
        let isReady = X509_STORE_CTX_init(
            work, SSL_CTX_get_cert_store(pointer), certificate, sanad_ssl_ctx_chain(pointer))
        // Whether it is valid now is another question, with another answer.
        X509_STORE_CTX_set_flags(work, UInt(X509_V_FLAG_NO_CHECK_TIME))
        guard isReady == 1, X509_verify_cert(work) == 1 else {
            let reason = X509_verify_cert_error_string(Int(X509_STORE_CTX_get_error(work)))
            throw LinkError(
                code: .certificateUnknownAuthority, peer: file,
                detail: "it is not signed by the authority in \(authorityFile): "
                    + (reason.map { String(cString: $0) } ?? "not verified"),
                hint: "Issue it with the cluster's own authority, or put that authority's ca.crt "
                    + "there, the same on every node")
        }
    }

    func checkValidity(_ file: String) throws(LinkError) {
        let certificate = SSL_CTX_get0_certificate(pointer)
        guard X509_cmp_current_time(X509_get0_notAfter(certificate)) > 0 else {
            throw LinkError(
                code: .certificateExpired, peer: file, detail: "its validity has ended",
                hint: "Issue a new one with 'sanadctl pki issue', and check this host's clock")
        }
        guard X509_cmp_current_time(X509_get0_notBefore(certificate)) < 0 else {
            throw LinkError(
                code: .certificateNotYetValid, peer: file, detail: "its validity has not begun",
                hint: "Check this host's clock, and that of the machine that issued it")
        }
    }

    private static func check(
        _ status: Int32, _ file: String, _ hint: String
    ) throws(LinkError) {
        guard status != 1 else { return }
        throw LinkError(
            code: .credentials, peer: file, detail: OpenSSLErrors.drain().text, hint: hint)
    }

    /// A key that every user of the host can read is no secret.
    private static func checkPermissions(_ file: String) throws(LinkError) {
        var status = stat()
        guard stat(file, &status) == 0 else {
            throw LinkError(
                code: .credentials, peer: file, detail: TCP.errorText(errno),
                hint: "The private key must be readable by the daemon")
        }
        guard status.st_mode & 0o007 == 0 else {
            throw LinkError(
                code: .credentials, peer: file,
                detail: "mode \(String(status.st_mode & 0o777, radix: 8)) lets every user in",
                hint: "Run: chmod 0600 \(file). If others had access to it, issue a new key")
        }
    }
}
