import Foundation
import Glibc
import SanadNode

/// Looks at the network, for `doctor`.
enum Network {
    /// How one address answered.
    private enum Attempt {
        case reached
        case failed(String)
    }

    /// Opens a TCP connection to an endpoint and closes it again.
    ///
    /// - Returns: nil when it could be opened, otherwise the reason.
    static func connectionProblem(
        to endpoint: Endpoint, timeoutMilliseconds: Int32 = 3_000
    ) -> String? {
        firstProblem(endpoint, passive: false) { address in
            let socket = makeSocket(address)
            guard socket >= 0 else { return .failed(text(errno)) }
            defer { close(socket) }
            if connect(socket, address.ai_addr, address.ai_addrlen) == 0 { return .reached }
            guard errno == EINPROGRESS else { return .failed(text(errno)) }
            var waiting = pollfd(fd: socket, events: Int16(POLLOUT), revents: 0)
            guard poll(&waiting, 1, timeoutMilliseconds) == 1 else {
                return .failed("no answer within \(timeoutMilliseconds / 1_000) s")
            }
            var code: Int32 = 0
            var length = socklen_t(MemoryLayout<Int32>.size)
            guard getsockopt(socket, SOL_SOCKET, SO_ERROR, &code, &length) == 0, code == 0 else {
                return .failed(text(code))
            }
            return .reached
        }
    }

    /// Binds an address and lets it go again.
    ///
    /// - Returns: nil when a daemon could listen there now, otherwise the reason.
    static func listenProblem(at endpoint: Endpoint) -> String? {
        firstProblem(endpoint, passive: true) { address in
            let socket = makeSocket(address)
            guard socket >= 0 else { return .failed(text(errno)) }
            defer { close(socket) }
            // As daemons do: an old connection that still fades out is no obstacle.
            var enabled: Int32 = 1
            let length = socklen_t(MemoryLayout<Int32>.size)
            setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &enabled, length)
            return bind(socket, address.ai_addr, address.ai_addrlen) == 0
                ? .reached : .failed(text(errno))
        }
    }

    private static func makeSocket(_ address: addrinfo) -> Int32 {
        let kind = SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue
        return socket(address.ai_family, Int32(kind), 0)
    }

    /// Tries the endpoint's addresses in turn until one does.
    private static func firstProblem(
        _ endpoint: Endpoint, passive: Bool, _ attempt: (addrinfo) -> Attempt
    ) -> String? {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = passive ? AI_PASSIVE : AI_ADDRCONFIG
        var list: UnsafeMutablePointer<addrinfo>?
        let status = getaddrinfo(endpoint.host, String(endpoint.port), &hints, &list)
        guard status == 0 else { return String(cString: gai_strerror(status)) }
        defer { freeaddrinfo(list) }
        var problem = "the name has no address"
        var next = list
        while let address = next?.pointee {
            switch attempt(address) {
            case .reached: return nil
            case .failed(let reason): problem = reason
            }
            next = address.ai_next
        }
        return problem
    }

    private static func text(_ code: Int32) -> String { String(cString: strerror(code)) }
}
