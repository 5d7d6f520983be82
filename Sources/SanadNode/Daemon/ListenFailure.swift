import Glibc
import NIOCore
import SanadLink

/// An address of the configuration at which this process cannot listen.
struct ListenFailure: Error, CustomStringConvertible {
    /// The configuration key.
    var key: String
    var address: String
    var reason: String
    /// What to do.
    var hint: String

    init(key: String, address: String, _ error: any Error) {
        self.key = key
        self.address = address
        switch error {
        case let error as IOError:
            reason = String(cString: strerror(error.errnoCode))
            hint = Self.hint(error.errnoCode, key)
        case let error as LinkError:
            reason = error.detail
            hint = error.hint.isEmpty ? Self.hint(0, key) : "\(error.hint): stop it, or set \(key)"
        default:
            reason = "\(error)"
            hint = Self.hint(0, key)
        }
    }

    private static func hint(_ code: Int32, _ key: String) -> String {
        switch code {
        case EADDRINUSE: "Stop what listens there ('ss -ltnp' names it), or set another \(key)"
        case EADDRNOTAVAIL: "This host has no such address: set \(key) to one that it has"
        case ENOENT: "Make its directory, or set another \(key)"
        case EACCES, EPERM: "Let the daemon's user do this, or set another \(key)"
        default: "Set another \(key)"
        }
    }

    var description: String { "\(key): cannot listen at \(address): \(reason). \(hint)" }
}
