internal import COpenSSL
internal import Glibc
internal import SanadCore

enum TLSRole {
    case client
    case server
}

/// TLS over one non-blocking socket.
///
/// OpenSSL never sees the socket: it reads and writes two fixed rings (a BIO pair), and the bytes
/// go between the rings and the socket here. So one `send` carries many records instead of one
/// each, and, as it says `MSG_NOSIGNAL`, no signal is raised when the peer is gone.
final class TLSSession {
    /// Bytes of each ring: a compressed piece with its records fits, so that it leaves at once.
    private static let ringBytes = 192 << 10
    /// Records under one key before it is changed: AES-GCM keeps its margin up to 2^24.5 full
    /// records (RFC 8446, section 5.5), and OpenSSL does not count for us.
    private static let recordsPerKey = 1 << 22
    private static let recordBytes = 16 << 10

    private let ssl: OpaquePointer
    private let network: OpaquePointer
    private let socket: Socket
    private var records = 0
    /// Whom errors name: the expected node, or the address of a stranger.
    var peer: String

    var descriptor: Int32 { socket.descriptor }

    init(
        context: OpaquePointer, socket: Socket, role: TLSRole, names: [NodeName], peer: String
    ) throws(LinkError) {
        OpenSSLErrors.clear()
        guard let ssl = SSL_new(context) else {
            throw LinkError(code: .io, peer: peer, detail: OpenSSLErrors.drain().text)
        }
        var inner: OpaquePointer?
        var outer: OpaquePointer?
        let status = BIO_new_bio_pair(&inner, Self.ringBytes, &outer, Self.ringBytes)
        guard status == 1, let inner, let outer else {
            SSL_free(ssl)
            throw LinkError(code: .io, peer: peer, detail: OpenSSLErrors.drain().text)
        }
        SSL_set_bio(ssl, inner, inner)
        // The node's name must stand in the certificate as it is, as an alternative name.
        SSL_set_hostflags(
            ssl, UInt32(X509_CHECK_FLAG_NO_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT))
        var named = !names.isEmpty
        for name in names { named = named && SSL_add1_host(ssl, name.text) == 1 }
        guard named else {
            SSL_free(ssl)
            BIO_free(outer)
            throw LinkError(code: .io, peer: peer, detail: "no name to expect of the peer")
        }
        switch role {
        case .client: SSL_set_connect_state(ssl)
        case .server: SSL_set_accept_state(ssl)
        }
        self.ssl = ssl
        self.socket = socket
        self.peer = peer
        network = outer
    }

    deinit {
        SSL_free(ssl)
        BIO_free(network)
    }

    // MARK: TLS

    /// Goes on with the handshake; false while it waits for bytes.
    func handshake() throws(LinkError) -> Bool {
        OpenSSLErrors.clear()
        let status = SSL_do_handshake(ssl)
        if status == 1 { return true }
        try checkRetry(status)
        return false
    }

    /// The name under which the peer's certificate was accepted.
    func verifiedName() throws(LinkError) -> NodeName {
        guard Int32(truncatingIfNeeded: SSL_get_verify_result(ssl)) == X509_V_OK,
            let text = SSL_get0_peername(ssl), let name = NodeName(String(cString: text))
        else {
            throw LinkError(
                code: .wrongName, peer: peer, detail: "the certificate bears no expected name")
        }
        return name
    }

    /// Decrypts into `buffer`; zero when more bytes are needed first.
    func read(into buffer: UnsafeMutableRawBufferPointer) throws(LinkError) -> Int {
        OpenSSLErrors.clear()
        var count = 0
        let status = SSL_read_ex(ssl, buffer.baseAddress, buffer.count, &count)
        if status == 1 { return count }
        try checkRetry(status)
        return 0
    }

    /// Encrypts from `bytes`; zero when the ring must be drained first. The same bytes must then be
    /// offered again.
    func write(_ bytes: UnsafeRawBufferPointer) throws(LinkError) -> Int {
        OpenSSLErrors.clear()
        var count = 0
        let status = SSL_write_ex(ssl, bytes.baseAddress, bytes.count, &count)
        guard status == 1 else {
            try checkRetry(status)
            return 0
        }
        records += (count + Self.recordBytes - 1) / Self.recordBytes
        if records >= Self.recordsPerKey {
            records = 0
            _ = SSL_key_update(ssl, SSL_KEY_UPDATE_NOT_REQUESTED)
        }
        return count
    }

    /// Brings the change of keys forward, which otherwise takes tens of gigabytes.
    func changeKeyAtNextWrite() { records = Self.recordsPerKey }

    /// Says goodbye and closes the socket.
    func close() {
        guard descriptor >= 0 else { return }
        OpenSSLErrors.clear()
        _ = SSL_shutdown(ssl)
        OpenSSLErrors.clear()
        _ = try? drain()
        socket.close()
    }

    private func checkRetry(_ status: Int32) throws(LinkError) {
        switch SSL_get_error(ssl, status) {
        case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE: return
        case SSL_ERROR_ZERO_RETURN:
            throw LinkError(code: .closed, peer: peer, detail: "the peer closed the connection")
        default:
            let error = LinkError.tls(
                peer: peer, errors: OpenSSLErrors.drain(),
                verifyResult: SSL_get_verify_result(ssl))
            // The alert that tells the peer why is still in the ring.
            _ = try? drain()
            throw error
        }
    }

    // MARK: Socket

    enum Fill {
        /// Bytes arrived, and less than there was room for: the socket is empty now.
        case last
        case more
        case nothing
        case end
    }

    /// Moves bytes from the socket to the ring.
    func fill() throws(LinkError) -> Fill {
        var place: UnsafeMutablePointer<CChar>?
        let room = BIO_nwrite0(network, &place)
        guard room > 0, let start = place else { return .more }
        while true {
            let count = recv(descriptor, start, Int(room), 0)
            if count > 0 {
                _ = BIO_nwrite(network, &place, Int32(count))
                return count < room ? .last : .more
            }
            if count == 0 { return .end }
            switch errno {
            case EINTR: continue
            case EAGAIN: return .nothing
            default: throw ioError("receive")
            }
        }
    }

    /// True while encrypted bytes wait for the socket.
    var hasOutput: Bool { BIO_ctrl_pending(network) > 0 }

    /// Moves bytes from the ring to the socket; false when the socket takes no more now.
    func drain() throws(LinkError) -> Bool {
        while true {
            var place: UnsafeMutablePointer<CChar>?
            let available = BIO_nread0(network, &place)
            guard available > 0, let start = place else { return true }
            let count = send(descriptor, start, Int(available), Int32(MSG_NOSIGNAL))
            if count > 0 {
                _ = BIO_nread(network, &place, Int32(count))
                continue
            }
            switch errno {
            case EINTR: continue
            case EAGAIN: return false
            default: throw ioError("send")
            }
        }
    }

    private func ioError(_ operation: String) -> LinkError {
        let code = errno
        let gone = [ECONNRESET, EPIPE, ETIMEDOUT, EHOSTUNREACH, ENETUNREACH].contains(code)
        return LinkError(
            code: gone ? .closed : .io, peer: peer,
            detail: "\(operation): \(TCP.errorText(code))")
    }
}
