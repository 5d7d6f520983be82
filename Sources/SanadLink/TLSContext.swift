internal import COpenSSL
internal import Glibc
internal import SanadCore
internal import Synchronization

/// The certificate, the key and the authority of this node, ready for connections.
///
/// TLS 1.3 only, both ends show a certificate of the cluster's own authority, no resumption. The
/// algorithms are the system's policy. Connections keep the certificate that they were opened with.
public final class TLSContext: Sendable {
    public let certificateFile: String
    public let privateKeyFile: String
    public let authorityFile: String
    private let current: Mutex<LoadedContext>

    /// Reads the three PEM files.
    ///
    /// - Throws: ``LinkError/Code/credentials`` when a file cannot be used: unreadable, a key that
    ///   is not the certificate's, or a key that every user of the host can read.
    public init(
        certificateFile: String, privateKeyFile: String, authorityFile: String
    ) throws(LinkError) {
        self.certificateFile = certificateFile
        self.privateKeyFile = privateKeyFile
        self.authorityFile = authorityFile
        current = Mutex(
            try LoadedContext(
                certificateFile: certificateFile, privateKeyFile: privateKeyFile,
                authorityFile: authorityFile))
    }

    /// Reads the files again. New connections use what they hold; when they cannot be used, the
    /// context stays as it was.
    public func reload() throws(LinkError) {
        let loaded = try LoadedContext(
            certificateFile: certificateFile, privateKeyFile: privateKeyFile,
            authorityFile: authorityFile)
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
