import Glibc

/// One connection through a `CutProxy`, used by the proxy's thread only.
final class ProxyConnection {
    /// Bytes on their way from one socket to the other.
    struct Lane {
        var isCut = false
        var delay: UInt64 = 0
        var waiting: [(due: UInt64, bytes: [UInt8])] = []
        var waitingBytes = 0
        var isEnded = false

        /// No more is read while so much waits: the sender's own buffers fill up then.
        static let bytesMaximum = 8 << 20

        var mayRead: Bool { !isEnded && !isCut && waitingBytes < Self.bytesMaximum }

        func maySend(_ now: UInt64) -> Bool {
            guard let first = waiting.first else { return false }
            return !isCut && first.due <= now
        }
    }

    var forward = Lane()
    var backward = Lane()
    private(set) var isOver = false
    private let client: Int32
    private let server: Int32
    private var buffer = [UInt8](repeating: 0, count: 64 << 10)

    init?(accepted client: Int32, target: Endpoint) {
        self.client = client
        server = Glibc.socket(
            AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var one: Int32 = 1
        for descriptor in [client, server] {
            _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
            _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
            setsockopt(
                descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one,
                socklen_t(MemoryLayout<Int32>.size))
        }
        var address = loopback(target.port)
        let status = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(server, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard status == 0 || errno == EINPROGRESS else {
            close(client)
            close(server)
            return nil
        }
    }

    deinit {
        // A reset, so that both sides know at once.
        var linger = linger(l_onoff: 1, l_linger: 0)
        for descriptor in [client, server] {
            setsockopt(
                descriptor, SOL_SOCKET, SO_LINGER, &linger,
                socklen_t(MemoryLayout<Glibc.linger>.size))
            close(descriptor)
        }
    }

    /// Reads and writes what can be.
    func pass(_ now: UInt64) {
        pass(&forward, from: client, to: server, now)
        pass(&backward, from: server, to: client, now)
        // With a cut nobody may notice that the other side has gone.
        guard !forward.isCut, !backward.isCut else { return }
        if [forward, backward].contains(where: { $0.isEnded && $0.waiting.isEmpty }) {
            isOver = true
        }
    }

    private func pass(_ lane: inout Lane, from source: Int32, to sink: Int32, _ now: UInt64) {
        while lane.mayRead {
            let count = recv(source, &buffer, buffer.count, 0)
            guard count > 0 else {
                if count == 0 || (errno != EAGAIN && errno != ENOTCONN) { lane.isEnded = true }
                break
            }
            lane.waiting.append((now + lane.delay, Array(buffer[..<count])))
            lane.waitingBytes += count
        }
        while lane.maySend(now), let first = lane.waiting.first {
            let count = send(sink, first.bytes, first.bytes.count, Int32(MSG_NOSIGNAL))
            guard count > 0 else {
                if errno != EAGAIN, errno != ENOTCONN { isOver = true }
                return
            }
            lane.waitingBytes -= count
            if count == first.bytes.count {
                lane.waiting.removeFirst()
            } else {
                lane.waiting[0].bytes.removeFirst(count)
            }
        }
    }

    /// When held-back bytes are due.
    var nextDue: UInt64? {
        [forward, backward].compactMap { $0.isCut ? nil : $0.waiting.first?.due }.min()
    }

    var interests: [pollfd] {
        func interest(_ descriptor: Int32, reads: Lane, writes: Lane) -> pollfd {
            let events =
                (reads.mayRead ? Int16(POLLIN) : 0)
                | (writes.maySend(monotonicNanoseconds()) ? Int16(POLLOUT) : 0)
            // A socket whose other end has gone always has something to tell: while nothing is
            // wanted from it, it is not asked.
            return pollfd(fd: events == 0 ? -1 : descriptor, events: events, revents: 0)
        }
        return [
            interest(client, reads: forward, writes: backward),
            interest(server, reads: backward, writes: forward),
        ]
    }
}

/// Starts a thread that ends with its body.
func startThread(_ body: @escaping @Sendable () -> Void) throws {
    final class Box: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    var thread = pthread_t()
    let box = Unmanaged.passRetained(Box(body))
    let status = pthread_create(
        &thread, nil,
        { argument in
            guard let argument else { return nil }
            Unmanaged<Box>.fromOpaque(argument).takeRetainedValue().body()
            return nil
        }, box.toOpaque())
    guard status == 0 else { throw Failure("pthread_create: \(status)") }
    pthread_detach(thread)
}
