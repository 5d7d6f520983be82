import NIOCore
import NIOSSL
import Synchronization

/// The certificate of the HTTPS listeners, read again on demand.
///
/// Connections that are open keep the one they began with.
public final class ServerCertificate: Sendable {
    private let certificatePath: String
    private let keyPath: String
    private let loaded: Mutex<Loaded>

    private struct Loaded {
        var context: NIOSSLContext
        var override: NIOSSLContextConfigurationOverride
    }

    /// Reads a certificate chain and its private key, both PEM.
    public init(certificatePath: String, keyPath: String) throws {
        self.certificatePath = certificatePath
        self.keyPath = keyPath
        loaded = Mutex(try Self.load(certificatePath: certificatePath, keyPath: keyPath))
    }

    var context: NIOSSLContext { loaded.withLock { $0.context } }

    /// Reads both files again.
    ///
    /// - Throws: when they are not usable; the old certificate stays.
    public func reload() throws {
        let new = try Self.load(certificatePath: certificatePath, keyPath: keyPath)
        loaded.withLock { $0 = new }
    }

    /// For servers that keep one configuration: each handshake asks for the certificate of now.
    func configurationThatReloads() throws -> TLSConfiguration {
        var configuration = try Self.configuration(
            certificatePath: certificatePath, keyPath: keyPath)
        configuration.sslContextCallback = { [self] _, promise in
            promise.succeed(loaded.withLock { $0.override })
        }
        return configuration
    }

    private static func load(certificatePath: String, keyPath: String) throws -> Loaded {
        let configuration = try configuration(certificatePath: certificatePath, keyPath: keyPath)
        var override = NIOSSLContextConfigurationOverride()
        override.certificateChain = configuration.certificateChain
        override.privateKey = configuration.privateKey
        return Loaded(
            context: try NIOSSLContext(configuration: configuration), override: override)
    }

    private static func configuration(
        certificatePath: String, keyPath: String
    ) throws -> TLSConfiguration {
        let chain = try NIOSSLCertificate.fromPEMFile(certificatePath)
        let key = try NIOSSLPrivateKey(file: keyPath, format: .pem)
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
        configuration.minimumTLSVersion = .tlsv12
        configuration.applicationProtocols = ["http/1.1"]
        return configuration
    }
}
