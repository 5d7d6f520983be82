import Glibc

/// What the test's host refused.
public struct HostFailure: Error, CustomStringConvertible {
    public var description: String

    public init(description: String) { self.description = description }
}

/// A TCP port of 127.0.0.1 that nobody listens on now.
///
/// - Throws: ``HostFailure`` when the host has none.
public func freePort() throws -> UInt16 {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isBound = withUnsafeMutablePointer(to: &address) { address in
        address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
            bind(descriptor, address, length) == 0
                && getsockname(descriptor, address, &length) == 0
        }
    }
    guard isBound else { throw HostFailure(description: "no free port: errno \(errno)") }
    return UInt16(bigEndian: address.sin_port)
}
