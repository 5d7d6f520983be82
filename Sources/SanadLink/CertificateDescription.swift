internal import COpenSSL
internal import Glibc

/// What a certificate file says, for a person.
public struct CertificateDescription: Sendable, Equatable {
    /// Distinguished names as in RFC 2253.
    public var subject: String
    public var issuer: String
    /// Alternative names, as `DNS:…` and `IP:…`.
    public var names: [String]
    public var notBeforeUnixSeconds: Int64
    public var notAfterUnixSeconds: Int64
    /// In hexadecimal.
    public var serialNumber: String
    /// True for an authority's own certificate.
    public var isAuthority: Bool
    /// SHA-256 of the certificate, in hexadecimal.
    public var fingerprint: String

    /// Takes the owner, not its pointer: the owner must not be freed while it is read.
    init(_ certificate: Certificate) {
        self = withExtendedLifetime(certificate) { Self(reading: certificate.pointer) }
    }

    private init(reading certificate: OpaquePointer) {
        subject = Self.text(X509_get_subject_name(certificate))
        issuer = Self.text(X509_get_issuer_name(certificate))
        names = Self.alternativeNames(certificate)
        notBeforeUnixSeconds = Self.unixSeconds(X509_get0_notBefore(certificate)) ?? 0
        notAfterUnixSeconds = Self.unixSeconds(X509_get0_notAfter(certificate)) ?? 0
        serialNumber = Self.serial(certificate)
        isAuthority = X509_check_ca(certificate) == 1
        fingerprint = Self.fingerprint(certificate)
    }

    /// Seconds since 1970 of a certificate's time, which is always in UTC.
    static func unixSeconds(_ time: UnsafePointer<ASN1_TIME>?) -> Int64? {
        var parts = tm()
        guard let time, ASN1_TIME_to_tm(time, &parts) == 1 else { return nil }
        return Int64(timegm(&parts))
    }

    private static func text(_ name: OpaquePointer?) -> String {
        guard let name, let memory = BIO_new(BIO_s_mem()) else { return "" }
        defer { BIO_free(memory) }
        _ = sanad_x509_name_print(memory, name)
        return string(in: memory)
    }

    static func string(in memory: OpaquePointer) -> String {
        var start: UnsafeMutablePointer<CChar>?
        let count = sanad_bio_memory(memory, &start)
        guard count > 0, let start else { return "" }
        return String(
            decoding: UnsafeRawBufferPointer(start: start, count: count), as: UTF8.self)
    }

    static func alternativeNames(_ certificate: OpaquePointer) -> [String] {
        guard
            let raw = X509_get_ext_d2i(certificate, NID_subject_alt_name, nil, nil)
        else { return [] }
        let list = OpaquePointer(raw)
        defer { GENERAL_NAMES_free(list) }
        return (0..<sanad_general_names_count(list)).compactMap { index in
            guard let name = sanad_general_names_at(list, index) else { return nil }
            var type: Int32 = 0
            guard let value = GENERAL_NAME_get0_value(name, &type) else { return nil }
            let bytes = octets(value.assumingMemoryBound(to: ASN1_STRING.self))
            switch type {
            case GEN_DNS: return "DNS:" + String(decoding: bytes, as: UTF8.self)
            case GEN_IPADD: return "IP:" + address(bytes)
            default: return nil
            }
        }
    }

    private static func octets(_ value: UnsafePointer<ASN1_STRING>) -> [UInt8] {
        Array(
            UnsafeBufferPointer(
                start: ASN1_STRING_get0_data(value), count: Int(ASN1_STRING_length(value))))
    }

    private static func address(_ bytes: [UInt8]) -> String {
        let family = bytes.count == 4 ? AF_INET : AF_INET6
        guard bytes.count == 4 || bytes.count == 16 else { return hexadecimal(bytes) }
        return withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { buffer in
            inet_ntop(family, bytes, buffer.baseAddress, socklen_t(buffer.count))
                .map { String(cString: $0) } ?? hexadecimal(bytes)
        }
    }

    private static func serial(_ certificate: OpaquePointer) -> String {
        guard let number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), nil) else {
            return ""
        }
        defer { BN_free(number) }
        guard let text = BN_bn2hex(number) else { return "" }
        defer { CRYPTO_free(text, #file, #line) }
        return String(cString: text)
    }

    private static func fingerprint(_ certificate: OpaquePointer) -> String {
        var digest = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
        var count: UInt32 = 0
        guard X509_digest(certificate, EVP_sha256(), &digest, &count) == 1 else { return "" }
        return hexadecimal(Array(digest.prefix(Int(count))))
    }

    private static func hexadecimal(_ bytes: [UInt8]) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}
