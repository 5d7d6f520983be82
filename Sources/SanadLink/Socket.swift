internal import Glibc
internal import SanadCore

/// The monotonic clock that goes on while the host is suspended.
enum MonotonicClock {
    static func now() -> Instant {
        var time = timespec()
        let status = clock_gettime(CLOCK_BOOTTIME, &time)
        precondition(status == 0, "CLOCK_BOOTTIME is part of every Linux that this runs on")
        return Instant(nanoseconds: UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec))
    }
}

/// An open descriptor that is closed once, at the latest when its owner goes.
final class Socket {
    private(set) var descriptor: Int32

    init(descriptor: Int32) { self.descriptor = descriptor }

    deinit { close() }

    func close() {
        guard descriptor >= 0 else { return }
        _ = Glibc.close(descriptor)
        descriptor = -1
    }
}

/// TCP, below TLS.
enum TCP {
    /// Unsent bytes that the kernel takes ahead of the network. A heartbeat queues behind them, so
    /// they are few; what is sent and not yet acknowledged is not counted, so that the kernel's own
    /// tuning of the send buffer still fills a long fat link. A fixed `SO_SNDBUF` would end that.
    private static let unsentBytesMaximum: Int32 = 256 << 10
    /// Sent data that nobody acknowledges for this long ends the connection.
    private static let unacknowledgedMilliseconds: Int32 = 10_000
    /// Keep-alive for an idle connection: first probe after, between two, and how many.
    private static let keepAliveIdleSeconds: Int32 = 5
    private static let keepAliveIntervalSeconds: Int32 = 2
    private static let keepAliveProbes: Int32 = 3
    /// Connections that the kernel completes before the listener takes them.
    private static let backlog: Int32 = 64

    static func errorText(_ code: Int32) -> String { String(cString: strerror(code)) }

    /// Resolves `host`, which blocks for as long as the system's resolver does, and connects to its
    /// addresses in turn, each with its share of the time that is left.
    static func connect(
        host: String, port: UInt16, peer: String, deadline: Instant
    ) throws(LinkError) -> Socket {
        let addresses = try resolve(host: host, port: port, passive: false, peer: peer)
        var last = "no address"
        for (index, address) in addresses.enumerated() {
            let left = deadline.since(MonotonicClock.now())
            let share = MonotonicClock.now() + left / UInt64(addresses.count - index)
            let descriptor = socket(address.family, Int32(SOCK_STREAM.rawValue), 0)
            guard descriptor >= 0 else {
                last = errorText(errno)
                continue
            }
            let candidate = Socket(descriptor: descriptor)
            guard prepare(descriptor) else {
                last = errorText(errno)
                continue
            }
            let status = address.withPointer { Glibc.connect(descriptor, $0, $1) }
            if status == 0 { return candidate }
            guard errno == EINPROGRESS else {
                last = errorText(errno)
                continue
            }
            guard wait(descriptor, for: Int16(POLLOUT), until: share) else {
                last = errorText(ETIMEDOUT)
                continue
            }
            let failure = pendingError(descriptor)
            if failure == 0 { return candidate }
            last = errorText(failure)
        }
        let expired = MonotonicClock.now() >= deadline
        throw LinkError(
            code: expired ? .timeout : .unreachable, peer: peer,
            detail: "\(host) port \(port): \(last)",
            hint: "Check the peer's address, its process and the firewalls between")
    }

    /// Opens a listening socket and says at which port.
    static func listen(host: String, port: UInt16) throws(LinkError) -> (Socket, UInt16) {
        let name = "\(host):\(port)"
        let addresses = try resolve(host: host, port: port, passive: true, peer: name)
        guard let address = addresses.first else {
            throw LinkError(code: .io, peer: name, detail: "no address to listen at")
        }
        let descriptor = socket(address.family, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else {
            throw LinkError(code: .io, peer: name, detail: "socket: \(errorText(errno))")
        }
        let listener = Socket(descriptor: descriptor)
        set(descriptor, SOL_SOCKET, SO_REUSEADDR, 1)
        if address.family == AF_INET6 { set(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, 0) }
        guard setFlags(descriptor),
            address.withPointer({ Glibc.bind(descriptor, $0, $1) }) == 0,
            Glibc.listen(descriptor, backlog) == 0
        else {
            let code = errno
            throw LinkError(
                code: .io, peer: name, detail: "listen: \(errorText(code))",
                hint: code == EADDRINUSE ? "Another process listens at this port" : "")
        }
        return (listener, boundPort(descriptor))
    }

    /// Takes the next connection; nil with `errno` set when there is none.
    static func accept(_ listener: Int32) -> (Socket, address: String)? {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let descriptor = withUnsafeMutablePointer(to: &storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.accept(listener, $0, &length)
            }
        }
        guard descriptor >= 0 else { return nil }
        let accepted = Socket(descriptor: descriptor)
        guard prepare(descriptor) else { return nil }
        return (accepted, text(of: &storage, length: length))
    }

    /// Waits for an event on one descriptor; false when the deadline has passed.
    static func wait(_ descriptor: Int32, for events: Int16, until deadline: Instant) -> Bool {
        while true {
            let left = deadline.since(MonotonicClock.now())
            guard left > .zero else { return false }
            var entry = pollfd(fd: descriptor, events: events, revents: 0)
            if poll(&entry, 1, milliseconds(left)) > 0 { return true }
        }
    }

    /// A span as `poll` wants it, rounded up so that a wait does not spin at its end.
    static func milliseconds(_ span: Span) -> Int32 {
        Int32(clamping: span.wholeMilliseconds + 1)
    }

    // MARK: Options

    /// Sets what both ends of a connection need.
    private static func prepare(_ descriptor: Int32) -> Bool {
        let tcp = Int32(IPPROTO_TCP)
        set(descriptor, tcp, TCP_NODELAY, 1)
        set(descriptor, tcp, TCP_USER_TIMEOUT, unacknowledgedMilliseconds)
        set(descriptor, tcp, TCP_NOTSENT_LOWAT, unsentBytesMaximum)
        set(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1)
        set(descriptor, tcp, TCP_KEEPIDLE, keepAliveIdleSeconds)
        set(descriptor, tcp, TCP_KEEPINTVL, keepAliveIntervalSeconds)
        set(descriptor, tcp, TCP_KEEPCNT, keepAliveProbes)
        return setFlags(descriptor)
    }

    static func setFlags(_ descriptor: Int32) -> Bool {
        let flags = fcntl(descriptor, F_GETFL, 0)
        return flags >= 0 && fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) == 0
            && fcntl(descriptor, F_SETFD, FD_CLOEXEC) == 0
    }

    /// Sets an option whose absence only makes the connection slower to notice trouble.
    private static func set(_ descriptor: Int32, _ level: Int32, _ option: Int32, _ value: Int32) {
        var value = value
        _ = setsockopt(
            descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
    }

    private static func pendingError(_ descriptor: Int32) -> Int32 {
        var code: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        let status = getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &length)
        return status == 0 ? code : errno
    }
}

// MARK: - Addresses

/// One resolved address.
private struct Address {
    var family: Int32
    var storage: sockaddr_storage
    var length: socklen_t

    func withPointer<R>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> R) -> R {
        withUnsafePointer(to: storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, length) }
        }
    }
}

extension TCP {
    private static func resolve(
        host: String, port: UInt16, passive: Bool, peer: String
    ) throws(LinkError) -> [Address] {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_NUMERICSERV | (passive ? AI_PASSIVE : AI_ADDRCONFIG)
        var list: UnsafeMutablePointer<addrinfo>?
        let status = getaddrinfo(host, String(port), &hints, &list)
        guard status == 0 else {
            throw LinkError(
                code: .unreachable, peer: peer,
                detail: "\(host): \(String(cString: gai_strerror(status)))",
                hint: "Check the host name and the resolver")
        }
        defer { freeaddrinfo(list) }
        var addresses: [Address] = []
        var next = list
        while let entry = next?.pointee {
            next = entry.ai_next
            guard let source = entry.ai_addr,
                Int(entry.ai_addrlen) <= MemoryLayout<sockaddr_storage>.size
            else { continue }
            var storage = sockaddr_storage()
            withUnsafeMutableBytes(of: &storage) {
                $0.copyMemory(
                    from: UnsafeRawBufferPointer(start: source, count: Int(entry.ai_addrlen)))
            }
            addresses.append(
                Address(family: entry.ai_family, storage: storage, length: entry.ai_addrlen))
        }
        return addresses
    }

    private static func boundPort(_ descriptor: Int32) -> UInt16 {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        return withUnsafeMutablePointer(to: &storage) { pointer in
            let status = pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                getsockname(descriptor, $0, &length)
            }
            guard status == 0 else { return 0 }
            // IPv4 and IPv6 addresses have the port at the same place, in network byte order.
            return pointer.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
                UInt16(bigEndian: $0.pointee.sin_port)
            }
        }
    }

    /// The address and port in numbers.
    private static func text(of storage: inout sockaddr_storage, length: socklen_t) -> String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 128) { buffer in
            let host = buffer.baseAddress
            let service = host.map { $0 + 96 }
            let status = withUnsafePointer(to: storage) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    getnameinfo(
                        $0, length, host, 96, service, 32, NI_NUMERICHOST | NI_NUMERICSERV)
                }
            }
            guard status == 0, let host, let service else { return "unknown address" }
            return "\(String(cString: host)) port \(String(cString: service))"
        }
    }
}
