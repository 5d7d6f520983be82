import Foundation
import Logging
import SanadCore
import SanadLink

/// A certificate, key or authority of the configuration with which no peer would be reached.
public struct CredentialsFailure: Error, CustomStringConvertible {
    var error: LinkError
    public var description: String { "\(error)" }
}

enum LinkCredentials {
    /// Reads what the configuration names, and looks at it as a peer would.
    ///
    /// A start with an expired certificate goes on, and says so: clients are served, which a
    /// daemon that refuses to start could not do.
    static func load(
        certificate: String, privateKey: String, authority: String, node: NodeName, log: Logger
    ) throws -> TLSContext {
        let context: TLSContext
        do {
            context = try TLSContext(
                certificateFile: certificate, privateKeyFile: privateKey,
                authorityFile: authority, node: node)
        } catch {
            throw CredentialsFailure(error: error)
        }
        if context.certificateExpiryUnixSeconds <= Int64(Date.now.timeIntervalSince1970) {
            log.error(
                "the link's certificate has expired, and every peer refuses this node: renew it",
                ["file": "\(certificate)"])
        }
        return context
    }
}
