internal import Glibc
internal import SanadCore

/// The eight bytes that each end sends first, inside TLS and before the LZ4 stream; so that a later
/// version is free to change everything that follows them.
enum Preamble {
    static let byteCount = 8
    static let version: UInt8 = 1
    static let bytes: [UInt8] = Array("SNDL".utf8) + [version, 0, 0, 0]

    static func check(_ received: [UInt8], peer: String) throws(LinkError) {
        guard received.prefix(4).elementsEqual("SNDL".utf8) else {
            throw LinkError(
                code: .linkVersion, peer: peer, detail: "no preamble of the link",
                hint: "Something else than a Sanad node answered with the cluster's certificate")
        }
        guard received[4] == version, received[5...].allSatisfy({ $0 == 0 }) else {
            throw LinkError(
                code: .linkVersion, peer: peer,
                detail: "the peer speaks link version \(received[4]), this node \(version)",
                hint: "Bring both nodes to the same release")
        }
    }
}

/// TLS and the preambles, one step at a time on a non-blocking socket.
///
/// ```
/// server:  TLS → send preamble → receive preamble → done
/// client:  TLS → receive preamble → send preamble → done
/// ```
/// The server speaks first: with TLS 1.3 a client's handshake is over before the server has looked
/// at its certificate, and only the server's preamble tells it that it was accepted. The client
/// sends nothing until then, so that no unread bytes make the server's kernel answer a refused
/// client with a reset that would overtake the alert.
final class LinkHandshake {
    private enum State {
        case tls
        case sendPreamble
        case receivePreamble
        case done
    }

    let session: TLSSession
    private let role: TLSRole
    private var state = State.tls
    private var unsent = Preamble.bytes
    private var received: [UInt8] = []
    /// The node that the peer's certificate names; nil before TLS is done.
    private(set) var node: NodeName?

    init(session: TLSSession, role: TLSRole) {
        self.session = session
        self.role = role
    }

    /// What to wait for before the next step.
    var events: Int16 { Int16(session.hasOutput ? POLLIN | POLLOUT : POLLIN) }

    /// Goes as far as the bytes allow; true when the connection is ready.
    func step() throws(LinkError) -> Bool {
        while true {
            let before = state
            try advance()
            let drained = try session.drain()
            if state == .done { return drained }
            if state != before { continue }
            switch try session.fill() {
            case .last, .more: continue
            case .nothing: return false
            case .end:
                throw LinkError(
                    code: .closed, peer: session.peer,
                    detail: "the peer hung up during the handshake",
                    hint: "The peer's log may have the reason")
            }
        }
    }

    private func advance() throws(LinkError) {
        switch state {
        case .tls:
            guard try session.handshake() else { return }
            let name = try session.verifiedName()
            node = name
            session.peer = name.text
            state = role == .server ? .sendPreamble : .receivePreamble
        case .sendPreamble:
            let written = try unsent.withLinkBytes { bytes throws(LinkError) in
                try session.write(bytes)
            }
            unsent.removeFirst(written)
            if unsent.isEmpty { state = role == .server ? .receivePreamble : .done }
        case .receivePreamble:
            var chunk = [UInt8](repeating: 0, count: Preamble.byteCount - received.count)
            let count = try chunk.withLinkMutableBytes { bytes throws(LinkError) in
                try session.read(into: bytes)
            }
            received += chunk.prefix(count)
            guard received.count == Preamble.byteCount else { return }
            try Preamble.check(received, peer: session.peer)
            state = role == .server ? .done : .sendPreamble
        case .done: return
        }
    }
}

extension [UInt8] {
    // The standard library's own closures do not carry a typed error.

    fileprivate func withLinkBytes<R>(
        _ body: (UnsafeRawBufferPointer) throws(LinkError) -> R
    ) throws(LinkError) -> R {
        let result: Result<R, LinkError> = withUnsafeBytes { bytes in
            do throws(LinkError) {
                return .success(try body(bytes))
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    fileprivate mutating func withLinkMutableBytes<R>(
        _ body: (UnsafeMutableRawBufferPointer) throws(LinkError) -> R
    ) throws(LinkError) -> R {
        let result: Result<R, LinkError> = withUnsafeMutableBytes { bytes in
            do throws(LinkError) {
                return .success(try body(bytes))
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }
}
