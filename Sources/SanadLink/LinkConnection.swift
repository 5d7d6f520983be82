internal import Glibc
public import SanadCore

/// Bytes and packets of one connection since it began.
public struct LinkCounters: Sendable, Equatable {
    /// Packets with their headers, before compression.
    public var plainBytesSent: UInt64 = 0
    public var plainBytesReceived: UInt64 = 0
    /// The same compressed, as given to TLS; TLS adds about 22 bytes to each 16 KiB.
    public var wireBytesSent: UInt64 = 0
    public var wireBytesReceived: UInt64 = 0
    public var packetsSent: UInt64 = 0
    public var packetsReceived: UInt64 = 0

    public init() {}
}

/// A mutually authenticated, compressed connection to one peer.
///
/// The socket does not block: the owner polls ``descriptor``, calls ``receive(_:)`` when it is
/// readable, and ``flush()`` after queueing and when it is writable. The owner's first call is
/// ``receive(_:)``, without polling: the peer's first packets may have come in with the handshake.
/// After an error the connection is closed, and every further call throws that error again.
///
/// `@unchecked Sendable`: it belongs to one thread at a time, which alone calls its methods. The
/// thread that made it hands it over once, through something that orders memory (a lock, a mailbox,
/// the start of a thread), and does not touch it again.
public final class LinkConnection: @unchecked Sendable {
    /// Bytes, before or after decompression, after which ``receive(_:)`` gives its thread back.
    static let receiveBytesMaximum: UInt64 = 4 << 20
    /// Plain bytes after which ``flush()`` gives its thread back.
    public static let flushBytesMaximum: UInt64 = 4 << 20
    private static let readBytes = 64 << 10

    /// The node that the peer's certificate names.
    public let peer: NodeName
    public private(set) var counters = LinkCounters()

    private let session: TLSSession
    private var compressor: Compressor
    private var decompressor: Decompressor
    private var decoder = PacketDecoder()
    private var queue = SendQueue()
    private let readBuffer: UnsafeMutableRawBufferPointer
    /// What ended the stream behind bytes that are still to be handed out.
    private var readFailure: LinkError?
    /// Why the connection is closed; nil while it is open.
    private var failure: LinkError?

    init(session: TLSSession, peer: NodeName) throws(LinkError) {
        do {
            compressor = try Compressor()
            decompressor = try Decompressor()
        } catch {
            throw LinkError(code: .io, peer: peer.text, detail: error.detail)
        }
        self.session = session
        self.peer = peer
        readBuffer = .allocate(byteCount: Self.readBytes, alignment: 64)
    }

    deinit {
        session.close()
        readBuffer.deallocate()
    }

    /// Resolves, connects, and goes through TLS and the link's handshake. Blocks, for `timeout` at
    /// most beyond what the system's resolver takes: to be called on a thread of its own.
    ///
    /// When it returns, the server has accepted this node's certificate.
    ///
    /// - Throws: ``LinkError/Code/wrongName`` unless the peer's certificate names `peer`, and
    ///   whatever else keeps the two apart, with what an operator can do about it.
    public static func connect(
        host: String, port: UInt16, context: TLSContext, peer: NodeName, timeout: Span
    ) throws(LinkError) -> LinkConnection {
        let deadline = MonotonicClock.now() + timeout
        let socket = try TCP.connect(host: host, port: port, peer: peer.text, deadline: deadline)
        let session = try context.makeSession(
            socket: socket, role: .client, names: [peer], peer: peer.text)
        let handshake = LinkHandshake(session: session, role: .client)
        while try !handshake.step() {
            guard TCP.wait(session.descriptor, for: handshake.events, until: deadline) else {
                throw LinkError(
                    code: .timeout, peer: peer.text,
                    detail: "no TLS handshake with \(host) port \(port) within "
                        + "\(timeout.wholeMilliseconds) ms",
                    hint: "The peer's process may be stopped or overloaded")
            }
        }
        return try LinkConnection(session: session, peer: peer)
    }

    /// What to poll; -1 once the connection is closed.
    public var descriptor: Int32 { session.descriptor }

    public var isOpen: Bool { session.descriptor >= 0 }

    // MARK: Sending

    /// Queues a message. It is sent before all pieces of frames that are not on their way yet.
    ///
    /// - Precondition: 1 to `Limits.messageBytesMaximum` bytes.
    public func enqueue(control message: [UInt8]) {
        precondition((1...Limits.messageBytesMaximum).contains(message.count))
        guard isOpen else { return }
        guard queue.messageCount < Limits.controlQueueMessagesMaximum else {
            fail(
                LinkError(
                    code: .tooLarge, peer: peer.text,
                    detail: "\(queue.messageCount) messages wait: the peer does not read"))
            return
        }
        queue.append(message: message)
    }

    /// Queues a frame, in order behind those before it.
    ///
    /// It is not copied; it is cut into pieces while it is sent. The caller bounds how much waits.
    ///
    /// - Precondition: 1 to `Limits.frameBytesMaximum` bytes.
    public func enqueue(frame: [UInt8]) {
        precondition((1...Limits.frameBytesMaximum).contains(frame.count))
        guard isOpen else { return }
        queue.append(frame: frame)
    }

    /// True while anything, compressed or not, has yet to reach the socket.
    public var hasQueued: Bool {
        isOpen && (!queue.isEmpty || compressor.pendingBytes > 0 || session.hasOutput)
    }

    /// Writes as much as the socket takes now, up to about `plainBytesMaximum`.
    ///
    /// - Returns: True when everything is out; else the caller polls for `POLLOUT`.
    public func flush(
        plainBytesMaximum: UInt64 = LinkConnection.flushBytesMaximum
    ) throws(LinkError) -> Bool {
        try checkOpen()
        do throws(LinkError) {
            let end = counters.plainBytesSent + plainBytesMaximum
            while true {
                try encrypt()
                guard try session.drain() else { return false }
                if compressor.pendingBytes > 0 { continue }
                if queue.isEmpty { return true }
                if counters.plainBytesSent >= end { return false }
                try compressBatch()
            }
        } catch {
            throw fail(error)
        }
    }

    /// Gives compressed bytes to TLS until its ring is full.
    private func encrypt() throws(LinkError) {
        while compressor.pendingBytes > 0 {
            let written = try compressor.withPending { bytes throws(LinkError) in
                try session.write(bytes)
            }
            guard written > 0 else { return }
            compressor.consume(written)
            counters.wireBytesSent += UInt64(written)
        }
    }

    /// Compresses the next packets. It is called only when all before them has left for the socket:
    /// what is compressed cannot be overtaken any more.
    private func compressBatch() throws(LinkError) {
        while let count = queue.nextPayloadBytes, compressor.hasRoom(forPayload: count) {
            queue.takeNext { compressor.stage($0, $1) }
            counters.packetsSent += 1
        }
        counters.plainBytesSent += UInt64(compressor.stagedBytes)
        do {
            try compressor.compress()
        } catch {
            throw LinkError(code: .io, peer: peer.text, detail: error.detail)
        }
    }

    // MARK: Receiving

    /// Reads what has arrived, up to 4 MiB, and hands out the packets that it completes.
    ///
    /// `body` may queue messages and frames. An error that it throws says that the layer above
    /// cannot take the packet: the connection is closed, with that error if it is a ``LinkError``
    /// and else with ``LinkError/Code/protocolViolation``. What came before the peer's goodbye is
    /// handed out before the call throws ``LinkError/Code/closed``.
    ///
    /// - Returns: True when more is likely to be waiting, some of it perhaps where `poll` does not
    ///   see it: the caller has to call again without polling.
    @discardableResult
    public func receive(_ body: (LinkPacket) throws -> Void) throws(LinkError) -> Bool {
        try checkOpen()
        do throws(LinkError) {
            let plainEnd = counters.plainBytesReceived + Self.receiveBytesMaximum
            let wireEnd = counters.wireBytesReceived + Self.receiveBytesMaximum
            var socketIsEmpty = false
            while true {
                let count = try decrypt()
                if count > 0 {
                    counters.wireBytesReceived += UInt64(count)
                    try decompress(count, body)
                    guard isOpen else { return false }
                    if counters.plainBytesReceived >= plainEnd
                        || counters.wireBytesReceived >= wireEnd
                    {
                        return true
                    }
                    continue
                }
                if socketIsEmpty { return false }
                switch try session.fill() {
                case .last: socketIsEmpty = true
                case .more: break
                case .nothing: return false
                case .end:
                    throw LinkError(
                        code: .closed, peer: peer.text,
                        detail: "the peer's end of the connection is gone without a goodbye")
                }
            }
        } catch {
            throw fail(error)
        }
    }

    /// Gathers what TLS has, so that LZ4 finds whole blocks rather than records; zero when more
    /// bytes are needed from the socket.
    private func decrypt() throws(LinkError) -> Int {
        if let readFailure { throw readFailure }
        var count = 0
        while count < readBuffer.count {
            do {
                let got = try session.read(
                    into: UnsafeMutableRawBufferPointer(rebasing: readBuffer[count...]))
                guard got > 0 else { break }
                count += got
            } catch {
                guard count > 0 else { throw error }
                readFailure = error
                break
            }
        }
        return count
    }

    private func decompress(
        _ count: Int, _ body: (LinkPacket) throws -> Void
    ) throws(LinkError) {
        do {
            let input = UnsafeRawBufferPointer(rebasing: readBuffer[0..<count])
            try decompressor.decompress(input) { plain in
                counters.plainBytesReceived += UInt64(plain.count)
                try decoder.feed(plain) { packet in
                    counters.packetsReceived += 1
                    try body(packet)
                }
            }
        } catch let error as LinkError {
            throw error
        } catch let error as ProtocolViolation {
            throw LinkError(code: .protocolViolation, peer: peer.text, detail: error.detail)
        } catch {
            throw LinkError(code: .protocolViolation, peer: peer.text, detail: "\(error)")
        }
    }

    // MARK: Closing

    /// Says goodbye, as far as the socket takes it at once, and closes. What is queued is dropped.
    public func close() {
        guard isOpen else { return }
        session.close()
        queue.removeAll()
    }

    private func checkOpen() throws(LinkError) {
        if let failure { throw failure }
        guard isOpen else {
            throw LinkError(
                code: .closed, peer: peer.text, detail: "this node closed the connection")
        }
    }

    /// Closes the connection for good.
    @discardableResult
    private func fail(_ error: LinkError) -> LinkError {
        if failure == nil { failure = error }
        close()
        return error
    }
}
