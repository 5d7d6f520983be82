import Foundation
import Glibc

/// Who types the command, for the audit trail.
enum Actor {
    /// A name in the audit trail has at most this many bytes.
    static let bytesMaximum = 64

    /// The user who became root with sudo, else who logged in, else whom the process runs as.
    static var name: String {
        pick(
            sudoUser: ProcessInfo.processInfo.environment["SUDO_USER"], login: login,
            user: getpwuid(getuid()).map { String(cString: $0.pointee.pw_name) },
            number: getuid())
    }

    static func pick(sudoUser: String?, login: String?, user: String?, number: uid_t) -> String {
        let name = [sudoUser, login, user].compactMap(\.self).first { !$0.isEmpty }
        var bytes = Array((name ?? "user \(number)").utf8.prefix(bytesMaximum))
        // A name that was cut inside of a character loses that character.
        while String(validating: bytes, as: UTF8.self) == nil { bytes.removeLast() }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static var login: String? {
        var name = [CChar](repeating: 0, count: 256)
        guard getlogin_r(&name, name.count) == 0 else { return nil }
        return String(decoding: name.prefix { $0 != 0 }.map(UInt8.init), as: UTF8.self)
    }
}
