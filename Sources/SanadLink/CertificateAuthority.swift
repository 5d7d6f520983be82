internal import COpenSSL
internal import Glibc
public import SanadCore

/// A small certificate authority, so that a cluster needs no other.
///
/// Keys are ECDSA on P-256, certificates as RFC 5280 wants them. Nothing is ever overwritten.
public enum CertificateAuthority {
    /// The files of an authority.
    public static let certificateFileName = "ca.crt"
    public static let keyFileName = "ca.key"

    /// Makes an authority for one cluster: `ca.crt` and `ca.key` (mode 0600) in `directory`, which
    /// is made with mode 0700 if it is not there.
    ///
    /// - Returns: The certificate's description.
    @discardableResult
    public static func create(
        directory: String, clusterName: String, validityDays: Int
    ) throws(LinkError) -> CertificateDescription {
        try create(
            directory: directory, clusterName: clusterName,
            validity: Validity(days: validityDays))
    }

    /// Issues a certificate for one node, fit for both ends of a link and for HTTPS: `<node>.crt`
    /// and `<node>.key` (mode 0600) in `outputDirectory`.
    ///
    /// Its names are `node`, which the link looks for, and `hosts`: DNS names and IP addresses. It
    /// ends with the authority's own certificate at the latest.
    ///
    /// - Returns: The certificate's description.
    @discardableResult
    public static func issue(
        directory: String, node: NodeName, hosts: [String] = [], outputDirectory: String,
        validityDays: Int
    ) throws(LinkError) -> CertificateDescription {
        try issue(
            directory: directory, node: node, hosts: hosts, outputDirectory: outputDirectory,
            validity: Validity(days: validityDays))
    }

    /// Reads the first certificate of a PEM file.
    public static func describe(_ file: String) throws(LinkError) -> CertificateDescription {
        CertificateDescription(try Certificate(reading: file))
    }

    static func create(
        directory: String, clusterName: String, validity: Validity
    ) throws(LinkError) -> CertificateDescription {
        guard (1...64).contains(clusterName.utf8.count) else {
            throw LinkError(
                code: .credentials, peer: directory,
                detail: "the cluster's name must have 1 to 64 bytes")
        }
        guard mkdir(directory, 0o700) == 0 || errno == EEXIST else {
            throw PEMFile.failure(directory)
        }
        let key = try PrivateKey()
        let certificate = try Certificate(key: key, validity: validity)
        try certificate.setSubject(organization: clusterName, commonName: "Sanad authority")
        try certificate.setIssuer(certificate)
        try certificate.add(NID_basic_constraints, "critical,CA:TRUE,pathlen:0")
        try certificate.add(NID_key_usage, "critical,keyCertSign,cRLSign")
        try certificate.add(NID_subject_key_identifier, "hash")
        try certificate.sign(with: key)
        try store(
            key: key, at: "\(directory)/\(keyFileName)", certificate: certificate,
            at: "\(directory)/\(certificateFileName)")
        return CertificateDescription(certificate)
    }

    static func issue(
        directory: String, node: NodeName, hosts: [String], outputDirectory: String,
        validity: Validity
    ) throws(LinkError) -> CertificateDescription {
        let authority = try Certificate(reading: "\(directory)/\(certificateFileName)")
        let authorityKey = try PrivateKey(reading: "\(directory)/\(keyFileName)")
        guard X509_check_private_key(authority.pointer, authorityKey.pointer) == 1 else {
            throw LinkError(
                code: .credentials, peer: "\(directory)/\(keyFileName)",
                detail: OpenSSLErrors.drain().text,
                hint: "It is not the key of \(certificateFileName)")
        }
        let end = CertificateDescription(authority).notAfterUnixSeconds
        let key = try PrivateKey()
        let certificate = try Certificate(key: key, validity: validity.ending(by: end))
        try certificate.setSubject(organization: nil, commonName: node.text)
        try certificate.setIssuer(authority)
        try certificate.add(NID_basic_constraints, "critical,CA:FALSE")
        try certificate.add(NID_key_usage, "critical,digitalSignature")
        try certificate.add(NID_ext_key_usage, "serverAuth,clientAuth")
        try certificate.add(NID_subject_key_identifier, "hash")
        try certificate.add(NID_authority_key_identifier, "keyid:always", issuer: authority)
        try certificate.addAlternativeNames([node.text] + hosts)
        try certificate.sign(with: authorityKey)
        try store(
            key: key, at: "\(outputDirectory)/\(node).key", certificate: certificate,
            at: "\(outputDirectory)/\(node).crt")
        return CertificateDescription(certificate)
    }

    /// Writes both files, or none.
    private static func store(
        key: PrivateKey, at keyPath: String, certificate: Certificate, at certificatePath: String
    ) throws(LinkError) {
        try PEMFile.create(keyPath, mode: 0o600, text: key.pem())
        do {
            try PEMFile.create(certificatePath, mode: 0o644, text: certificate.pem())
        } catch {
            // The key was made a moment ago and nothing was signed with it that anyone has.
            unlink(keyPath)
            throw error
        }
    }
}

/// The time in which a certificate holds.
struct Validity {
    var notBeforeUnixSeconds: Int64
    var notAfterUnixSeconds: Int64

    /// Hosts whose clocks are a little behind must take a certificate that was just made.
    private static let clockToleranceSeconds: Int64 = 300
    private static let secondsPerDay: Int64 = 86_400

    init(notBeforeUnixSeconds: Int64, notAfterUnixSeconds: Int64) {
        self.notBeforeUnixSeconds = notBeforeUnixSeconds
        self.notAfterUnixSeconds = notAfterUnixSeconds
    }

    /// From now on. A number of days that is not positive makes an expired certificate, which
    /// tests want.
    init(days: Int) {
        let now = Int64(time(nil))
        let end = now + Int64(clamping: days).clamped(to: -36_500...36_500) * Self.secondsPerDay
        self.init(
            notBeforeUnixSeconds: min(now, end) - Self.clockToleranceSeconds,
            notAfterUnixSeconds: end)
    }

    func ending(by limit: Int64) -> Validity {
        Validity(
            notBeforeUnixSeconds: notBeforeUnixSeconds,
            notAfterUnixSeconds: min(notAfterUnixSeconds, limit))
    }
}

extension Int64 {
    fileprivate func clamped(to range: ClosedRange<Int64>) -> Int64 {
        Swift.min(Swift.max(self, range.lowerBound), range.upperBound)
    }
}
