import Glibc
import Synchronization

/// A TCP proxy on a thread of its own that loses, delays and cuts on demand.
///
/// A cut direction is silent: what was sent stays in buffers and arrives when the cut is healed,
/// late, as after a repaired network. Connections stay open, and new ones are accepted and hear
/// nothing.
final class CutProxy: Sendable {
    /// Which way bytes go: `forward` from the side that dials.
    enum Direction: Sendable { case forward, backward }

    private struct Orders {
        var isForwardCut = false
        var isBackwardCut = false
        var forwardDelay: UInt64 = 0
        var backwardDelay: UInt64 = 0
        var isReset = false
        var isStopping = false
    }

    let port: UInt16
    private let target: Endpoint
    private let orders = Mutex(Orders())
    private let listener: Int32
    private let wakeRead: Int32
    private let wakeWrite: Int32

    /// Listens on `port` and dials `target` for each connection.
    init(port: UInt16, target: Endpoint) throws {
        self.port = port
        self.target = target
        listener = try Self.listen(port)
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw Failure("pipe: \(lastError())") }
        (wakeRead, wakeWrite) = (ends[0], ends[1])
        for end in ends { _ = fcntl(end, F_SETFL, O_NONBLOCK) }
        try startThread { [self] in run() }
    }

    func cut(_ directions: Direction...) {
        change { orders in
            if directions.contains(.forward) { orders.isForwardCut = true }
            if directions.contains(.backward) { orders.isBackwardCut = true }
        }
    }

    func heal() {
        change { orders in
            orders.isForwardCut = false
            orders.isBackwardCut = false
        }
    }

    /// Every byte of these directions arrives this much later.
    func delay(_ directions: Direction..., milliseconds: UInt64) {
        change { orders in
            let nanoseconds = milliseconds * 1_000_000
            if directions.contains(.forward) { orders.forwardDelay = nanoseconds }
            if directions.contains(.backward) { orders.backwardDelay = nanoseconds }
        }
    }

    /// Ends all connections, as a firewall that forgot them does.
    func reset() { change { $0.isReset = true } }

    func stop() { change { $0.isStopping = true } }

    private func change(_ body: (inout Orders) -> Void) {
        orders.withLock { body(&$0) }
        var byte: UInt8 = 1
        _ = write(wakeWrite, &byte, 1)
    }

    // MARK: The thread

    private func run() {
        var connections: [ProxyConnection] = []
        while true {
            let orders = self.orders.withLock { orders in
                defer { orders.isReset = false }
                return orders
            }
            if orders.isStopping { break }
            if orders.isReset { connections.removeAll() }
            let now = monotonicNanoseconds()
            for connection in connections {
                connection.forward.isCut = orders.isForwardCut
                connection.backward.isCut = orders.isBackwardCut
                connection.forward.delay = orders.forwardDelay
                connection.backward.delay = orders.backwardDelay
                connection.pass(now)
            }
            connections.removeAll { $0.isOver }
            wait(connections, now, &connections)
        }
        close(listener)
        close(wakeRead)
        close(wakeWrite)
    }

    private func wait(
        _ present: [ProxyConnection], _ now: UInt64, _ connections: inout [ProxyConnection]
    ) {
        var entries = [
            pollfd(fd: wakeRead, events: Int16(POLLIN), revents: 0),
            pollfd(fd: listener, events: Int16(POLLIN), revents: 0),
        ]
        for connection in present { entries += connection.interests }
        let due = present.compactMap(\.nextDue).min()
        let milliseconds = due.map { Int32(($0 - min($0, now)) / 1_000_000 + 1) } ?? 1_000
        _ = poll(&entries, nfds_t(entries.count), milliseconds)
        var bytes: UInt64 = 0
        while read(wakeRead, &bytes, 8) > 0 {}
        guard entries[1].revents & Int16(POLLIN) != 0 else { return }
        let descriptor = accept(listener, nil, nil)
        guard descriptor >= 0 else { return }
        if let connection = ProxyConnection(accepted: descriptor, target: target) {
            connections.append(connection)
        }
    }

    private static func listen(_ port: UInt16) throws -> Int32 {
        let descriptor = Glibc.socket(
            AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var one: Int32 = 1
        setsockopt(
            descriptor, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<Int32>.size))
        var address = loopback(port)
        let status = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard status == 0, Glibc.listen(descriptor, 64) == 0 else {
            throw Failure("port \(port): \(lastError())")
        }
        _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
        return descriptor
    }
}

/// 127.0.0.1 with a port.
func loopback(_ port: UInt16) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    return address
}
