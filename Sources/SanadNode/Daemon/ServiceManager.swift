import Glibc

/// What systemd is told through its notify socket (sd_notify(3)); nothing when there is none.
public struct ServiceManager: Sendable {
    private let path: String?
    /// Half of `WatchdogSec=`, or nil when no watchdog is set.
    public let watchdogMilliseconds: UInt64?

    public init(environment: [String: String]) {
        path = environment["NOTIFY_SOCKET"]
        watchdogMilliseconds =
            environment["WATCHDOG_USEC"].flatMap { UInt64($0) }.map { $0 / 2_000 }
    }

    public func ready() { send("READY=1") }
    public func stopping() { send("STOPPING=1") }
    public func watchdog() { send("WATCHDOG=1") }

    /// `Type=notify-reload` wants the time of the reload's beginning on `CLOCK_MONOTONIC`.
    public func reloading() {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        send("RELOADING=1\nMONOTONIC_USEC=\(time.tv_sec * 1_000_000 + time.tv_nsec / 1_000)")
    }

    private func send(_ text: String) {
        guard let path, !path.isEmpty else { return }
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var name = Array(path.utf8)
        // An abstract socket's name begins with a zero byte, which systemd writes as `@`.
        if name[0] == UInt8(ascii: "@") { name[0] = 0 }
        guard name.count < MemoryLayout.size(ofValue: address.sun_path) else { return }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name) }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + name.count)
        var bytes = Array(text.utf8)
        withUnsafePointer(to: &address) { address in
            address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                _ = sendto(
                    descriptor, &bytes, bytes.count, Int32(MSG_NOSIGNAL), address, length)
            }
        }
    }
}
