import Glibc

/// One TCP connection; the descriptor lives as long as the object.
final class Socket {
    let descriptor: Int32

    private init(descriptor: Int32) { self.descriptor = descriptor }

    deinit { close(descriptor) }

    /// Connects with `TCP_NODELAY`; reads, writes and the connecting itself are each given up after
    /// `timeoutSeconds`.
    static func connect(to endpoint: Endpoint, timeoutSeconds: Double) throws -> Socket {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(endpoint.host, String(endpoint.port), &hints, &list) == 0, let list else {
            throw Failure("\(endpoint): no such host")
        }
        defer { freeaddrinfo(list) }
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let descriptor = Glibc.socket(list.pointee.ai_family, type, 0)
        guard descriptor >= 0 else { throw Failure("socket: \(lastError())") }
        let socket = Socket(descriptor: descriptor)
        socket.setTimeout(seconds: timeoutSeconds)
        var one: Int32 = 1
        setsockopt(
            descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
        guard Glibc.connect(descriptor, list.pointee.ai_addr, list.pointee.ai_addrlen) == 0 else {
            throw Failure("\(endpoint): \(lastError())")
        }
        return socket
    }

    private func setTimeout(seconds: Double) {
        var time = timeval()
        time.tv_sec = Int(seconds)
        time.tv_usec = Int((seconds - seconds.rounded(.down)) * 1e6)
        let size = socklen_t(MemoryLayout<timeval>.size)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &time, size)
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &time, size)
    }

    func setNonBlocking() {
        let flags = fcntl(descriptor, F_GETFL)
        _ = fcntl(descriptor, F_SETFL, flags | O_NONBLOCK)
    }

    /// Sends everything, or throws; only for blocking sockets.
    func sendAll(_ bytes: UnsafeRawBufferPointer) throws {
        var sent = 0
        while sent < bytes.count {
            let count = send(
                descriptor, bytes.baseAddress.map { $0 + sent }, bytes.count - sent,
                Int32(MSG_NOSIGNAL))
            guard count > 0 else { throw Failure("send: \(lastError())") }
            sent += count
        }
    }

    /// Receives what is there, waiting for the first byte; 0 at the end of the stream.
    func receive(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        while true {
            let count = recv(descriptor, buffer.baseAddress, buffer.count, 0)
            if count >= 0 { return count }
            guard errno == EINTR else { throw Failure("receive: \(lastError())") }
        }
    }
}

/// The text of the calling thread's `errno`.
func lastError() -> String {
    String(cString: strerror(errno))
}

/// Ports of 127.0.0.1 that were free a moment ago, all different.
func freePorts(_ count: Int) throws -> [UInt16] {
    var holders: [Int32] = []
    defer { for holder in holders { close(holder) } }
    // Below those that the host gives to outgoing connections (`ip_local_port_range`): a daemon that is
    // killed and started again must find its port still free.
    var candidates = (UInt16(12_000)..<32_000).shuffled().makeIterator()
    return try (0..<count).map { _ in
        while let port = candidates.next() {
            let descriptor = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            holders.append(descriptor)
            var address = loopback(port)
            let isFree = withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                    bind(descriptor, pointer, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
                }
            }
            if isFree { return port }
        }
        throw Failure("no free port: \(lastError())")
    }
}
