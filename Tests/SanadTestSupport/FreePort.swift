import Glibc
import Synchronization

/// What the test's host refused.
public struct HostFailure: Error, CustomStringConvertible {
    public var description: String

    public init(description: String) { self.description = description }
}

/// The ports that are tried, below those that the host gives to outgoing connections
/// (`ip_local_port_range`, from 32,768 on): a daemon that is killed and started again must find its
/// port still free.
private let candidates: Range<UInt32> = 12_000..<32_000

/// Goes around among the candidates, so that no two tests of a process get the same port; other
/// processes begin elsewhere.
private let counter = Atomic<UInt32>(UInt32.random(in: candidates))

/// A TCP port of 127.0.0.1 that nobody listens on now.
///
/// - Throws: ``HostFailure`` when the host has none.
public func freePort() throws -> UInt16 {
    for _ in candidates {
        let next = counter.add(1, ordering: .relaxed).oldValue
        let port = UInt16(candidates.lowerBound + next % UInt32(candidates.count))
        if isFree(port) { return port }
    }
    throw HostFailure(description: "no free port from \(candidates)")
}

private func isFree(_ port: UInt16) -> Bool {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    return withUnsafePointer(to: &address) { address in
        address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
            bind(descriptor, address, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
        }
    }
}
