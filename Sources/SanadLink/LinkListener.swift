internal import Glibc
public import SanadCore
internal import Synchronization

/// Takes connections of peers at one port, on a thread of its own.
///
/// Handshakes go on side by side, `Limits.pendingHandshakesMaximum` at most, each for
/// `Limits.handshakeTimeout` at most. When all places are taken, a newcomer takes that of the
/// oldest, once that one has had half a second: strangers that connect and stay silent lose their
/// places, and cannot keep a peer out. Others wait in the kernel's queue.
public final class LinkListener: Sendable {
    /// The port, also when the system chose it.
    public let boundPort: UInt16
    private let stopSignal: StopSignal
    private let thread: Mutex<pthread_t?>

    /// Listens at `host` (a numeric address or a name; `::` for all) and `port` (0 for any free
    /// one).
    ///
    /// - Parameters:
    ///   - peers: The nodes that may connect; a certificate must name one of them.
    ///   - accepted: Is given each finished connection, which is its own from then on.
    ///   - refused: Is told why a handshake failed; `peer` of the error is the address until the
    ///     certificate has named a node.
    ///
    /// Both are called on the listener's thread and must not block.
    public init(
        host: String, port: UInt16, context: TLSContext, peers: [NodeName],
        accepted: @escaping @Sendable (LinkConnection) -> Void,
        refused: @escaping @Sendable (LinkError) -> Void
    ) throws(LinkError) {
        let (socket, boundPort) = try TCP.listen(host: host, port: port)
        let stopSignal = try StopSignal()
        self.boundPort = boundPort
        self.stopSignal = stopSignal
        let loop = ListenerLoop(
            socket: socket, stop: stopSignal, context: context, peers: peers,
            accepted: accepted, refused: refused)
        thread = Mutex(try Self.start(loop))
    }

    deinit { stop() }

    /// Closes the port and all unfinished handshakes, and waits for the thread to end.
    ///
    /// - Precondition: not called on the listener's own thread.
    public func stop() {
        let running = thread.withLock { thread in
            defer { thread = nil }
            return thread
        }
        guard let running else { return }
        precondition(pthread_equal(running, pthread_self()) == 0, "a listener cannot stop itself")
        stopSignal.raise()
        pthread_join(running, nil)
    }

    private static func start(_ loop: ListenerLoop) throws(LinkError) -> pthread_t {
        var thread = pthread_t()
        // The new thread takes the reference over.
        let context = Unmanaged.passRetained(loop)
        let status = pthread_create(
            &thread, nil,
            { raw in
                guard let raw else { return nil }
                Unmanaged<ListenerLoop>.fromOpaque(raw).takeRetainedValue().run()
                return nil
            }, context.toOpaque())
        guard status == 0 else {
            context.release()
            throw LinkError(
                code: .io, peer: "listener", detail: "thread: \(TCP.errorText(status))")
        }
        return thread
    }
}

/// A pipe whose end wakes the listener's thread.
private final class StopSignal: Sendable {
    let readEnd: Int32
    private let writeEnd: Int32

    init() throws(LinkError) {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else {
            throw LinkError(
                code: .io, peer: "listener", detail: "pipe: \(TCP.errorText(errno))")
        }
        readEnd = ends[0]
        writeEnd = ends[1]
        _ = TCP.setFlags(readEnd)
        _ = TCP.setFlags(writeEnd)
    }

    deinit {
        close(readEnd)
        close(writeEnd)
    }

    func raise() {
        var byte: UInt8 = 1
        _ = write(writeEnd, &byte, 1)
    }
}

/// The listener's thread.
private final class ListenerLoop {
    /// One connection that is not, or not yet, handed over.
    private struct Pending {
        let handshake: LinkHandshake
        let began: Instant
        var deadline: Instant
        /// Refused, and read to its end, so that the kernel's reset does not overtake the alert.
        var isRefused = false
    }

    /// What a connection has at least before a newer one may take its place: many round trips.
    private static let grace = Span.milliseconds(500)
    /// How long a refused peer may take to read why.
    private static let farewell = Span.seconds(1)
    /// The pause when the system has no descriptor to give.
    private static let pause = Span.milliseconds(100)

    private let socket: Socket
    private let stop: StopSignal
    private let context: TLSContext
    private let peers: [NodeName]
    private let accepted: @Sendable (LinkConnection) -> Void
    private let refused: @Sendable (LinkError) -> Void
    private var pending: [Pending] = []
    private var acceptsAgainAt = Instant.zero

    init(
        socket: Socket, stop: StopSignal, context: TLSContext, peers: [NodeName],
        accepted: @escaping @Sendable (LinkConnection) -> Void,
        refused: @escaping @Sendable (LinkError) -> Void
    ) {
        self.socket = socket
        self.stop = stop
        self.context = context
        self.peers = peers
        self.accepted = accepted
        self.refused = refused
        pending.reserveCapacity(Limits.pendingHandshakesMaximum)
    }

    func run() {
        while true {
            let now = MonotonicClock.now()
            let mayAccept = now >= acceptsAgainAt && hasPlace(at: now)
            var entries = [pollfd(fd: stop.readEnd, events: Int16(POLLIN), revents: 0)]
            for one in pending {
                entries.append(
                    pollfd(
                        fd: one.handshake.session.descriptor, events: one.handshake.events,
                        revents: 0))
            }
            if mayAccept {
                entries.append(pollfd(fd: socket.descriptor, events: Int16(POLLIN), revents: 0))
            }
            let ready = poll(&entries, nfds_t(entries.count), timeout(from: now, mayAccept))
            if ready < 0, errno != EINTR {
                refused(
                    LinkError(
                        code: .io, peer: "listener", detail: "poll: \(TCP.errorText(errno))"))
                return
            }
            if entries[0].revents != 0 { return }
            advance(entries)
            if mayAccept, let last = entries.last, last.revents != 0 { acceptNext() }
        }
    }

    // MARK: Places

    private func hasPlace(at now: Instant) -> Bool {
        pending.count < Limits.pendingHandshakesMaximum
            || pending.contains { $0.began + Self.grace <= now }
    }

    /// Until something has to be done without an event; -1 for ever.
    private func timeout(from now: Instant, _ mayAccept: Bool) -> Int32 {
        var next = pending.map(\.deadline).min() ?? .never
        if !mayAccept {
            let place = pending.map { $0.began + Self.grace }.min() ?? .zero
            next = min(next, max(place, acceptsAgainAt))
        }
        return next == .never ? -1 : TCP.milliseconds(next.since(now))
    }

    private func acceptNext() {
        guard let (connection, address) = TCP.accept(socket.descriptor) else {
            let code = errno
            // Another process' lack of memory or descriptors must not make this loop spin.
            if [EMFILE, ENFILE, ENOBUFS, ENOMEM].contains(code) {
                acceptsAgainAt = MonotonicClock.now() + Self.pause
                refused(
                    LinkError(
                        code: .io, peer: "listener", detail: "accept: \(TCP.errorText(code))",
                        hint: "Raise the limit of open files"))
            }
            return
        }
        if pending.count >= Limits.pendingHandshakesMaximum { evictOldest() }
        let now = MonotonicClock.now()
        do {
            let session = try context.makeSession(
                socket: connection, role: .server, names: peers, peer: address)
            pending.append(
                Pending(
                    handshake: LinkHandshake(session: session, role: .server), began: now,
                    deadline: now + Limits.handshakeTimeout))
        } catch {
            refused(error)
        }
    }

    /// The oldest is the first: new ones are appended.
    private func evictOldest() {
        let oldest = pending.removeFirst()
        guard !oldest.isRefused else { return }
        refused(
            LinkError(
                code: .timeout, peer: oldest.handshake.session.peer,
                detail: "its place was given to a newer connection: "
                    + "\(Limits.pendingHandshakesMaximum) handshakes were under way"))
    }

    // MARK: Steps

    /// Takes each connection one step further, and keeps those that need more.
    private func advance(_ entries: [pollfd]) {
        let now = MonotonicClock.now()
        var kept: [Pending] = []
        kept.reserveCapacity(Limits.pendingHandshakesMaximum)
        for (index, one) in pending.enumerated() {
            let hasEvent = entries[index + 1].revents != 0
            if let rest = one.isRefused
                ? readOut(one, hasEvent: hasEvent, now: now)
                : step(one, hasEvent: hasEvent, now: now)
            {
                kept.append(rest)
            }
        }
        pending = kept
    }

    private func step(_ one: Pending, hasEvent: Bool, now: Instant) -> Pending? {
        do {
            if hasEvent, try one.handshake.step(), let node = one.handshake.node {
                accepted(try LinkConnection(session: one.handshake.session, peer: node))
                return nil
            }
        } catch {
            refused(error)
            guard error.code != .closed else { return nil }
            var rest = one
            rest.isRefused = true
            rest.deadline = now + Self.farewell
            shutdown(one.handshake.session.descriptor, Int32(SHUT_WR))
            return rest
        }
        guard now >= one.deadline else { return one }
        refused(
            LinkError(
                code: .timeout, peer: one.handshake.session.peer,
                detail: "no handshake within \(Limits.handshakeTimeout.wholeMilliseconds) ms"))
        return nil
    }

    /// Throws away what a refused peer still sends; nil when it is done or out of time.
    private func readOut(_ one: Pending, hasEvent: Bool, now: Instant) -> Pending? {
        guard now < one.deadline else { return nil }
        guard hasEvent else { return one }
        let isOpen = withUnsafeTemporaryAllocation(byteCount: 4_096, alignment: 8) { scrap in
            let count = recv(one.handshake.session.descriptor, scrap.baseAddress, scrap.count, 0)
            return count > 0 || (count < 0 && [EAGAIN, EINTR].contains(errno))
        }
        return isOpen ? one : nil
    }
}
