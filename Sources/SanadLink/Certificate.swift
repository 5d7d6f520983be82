internal import COpenSSL
internal import Glibc

/// A private key, freed with its owner.
final class PrivateKey {
    let pointer: OpaquePointer

    /// Makes a key on P-256.
    init() throws(LinkError) {
        OpenSSLErrors.clear()
        guard let pointer = sanad_generate_p256_key() else {
            throw LinkError(code: .io, peer: "new key", detail: OpenSSLErrors.drain().text)
        }
        self.pointer = pointer
    }

    init(reading file: String) throws(LinkError) {
        let memory = try PEMFile.open(file)
        defer { BIO_free(memory) }
        // Without a callback OpenSSL would ask for a passphrase at the terminal.
        guard let pointer = PEM_read_bio_PrivateKey(memory, nil, { _, _, _, _ in -1 }, nil) else {
            throw LinkError(
                code: .credentials, peer: file, detail: OpenSSLErrors.drain().text,
                hint: "It must hold a private key in PEM, without a passphrase")
        }
        self.pointer = pointer
    }

    deinit { EVP_PKEY_free(pointer) }

    func pem() throws(LinkError) -> String {
        try PEMFile.text { PEM_write_bio_PrivateKey($0, pointer, nil, nil, 0, nil, nil) }
    }
}

/// A certificate, freed with its owner.
final class Certificate {
    let pointer: OpaquePointer

    init(reading file: String) throws(LinkError) {
        let memory = try PEMFile.open(file)
        defer { BIO_free(memory) }
        guard let pointer = PEM_read_bio_X509(memory, nil, nil, nil) else {
            throw LinkError(
                code: .credentials, peer: file, detail: OpenSSLErrors.drain().text,
                hint: "It must hold a certificate in PEM")
        }
        self.pointer = pointer
    }

    /// Starts a certificate for `key`: version 3, with a random serial number.
    init(key: PrivateKey, validity: Validity) throws(LinkError) {
        OpenSSLErrors.clear()
        guard let pointer = X509_new() else { throw Self.failure() }
        self.pointer = pointer
        // The version field counts from zero (RFC 5280, section 4.1.2.1).
        try check(X509_set_version(pointer, 2))
        try setSerialNumber()
        var begin = time_t(validity.notBeforeUnixSeconds)
        var end = time_t(validity.notAfterUnixSeconds)
        guard X509_time_adj_ex(X509_getm_notBefore(pointer), 0, 0, &begin) != nil,
            X509_time_adj_ex(X509_getm_notAfter(pointer), 0, 0, &end) != nil
        else { throw Self.failure() }
        try check(X509_set_pubkey(pointer, key.pointer))
    }

    deinit { X509_free(pointer) }

    /// Twenty bytes at most and positive (RFC 5280, section 4.1.2.2): 159 random bits.
    private func setSerialNumber() throws(LinkError) {
        guard let number = BN_new() else { throw Self.failure() }
        defer { BN_free(number) }
        try check(BN_rand(number, 159, Int32(BN_RAND_TOP_ANY), Int32(BN_RAND_BOTTOM_ANY)))
        guard BN_to_ASN1_INTEGER(number, X509_get_serialNumber(pointer)) != nil else {
            throw Self.failure()
        }
    }

    func setSubject(organization: String?, commonName: String) throws(LinkError) {
        let name = X509_get_subject_name(pointer)
        if let organization { try add(to: name, NID_organizationName, organization) }
        try add(to: name, NID_commonName, commonName)
    }

    private func add(
        to name: OpaquePointer?, _ field: Int32, _ text: String
    ) throws(LinkError) {
        let bytes = Array(text.utf8)
        try check(
            X509_NAME_add_entry_by_NID(
                name, field, MBSTRING_FLAG, bytes, Int32(bytes.count), -1, 0))
    }

    func setIssuer(_ issuer: Certificate) throws(LinkError) {
        try check(X509_set_issuer_name(pointer, X509_get_subject_name(issuer.pointer)))
    }

    /// Adds an extension whose value is constant text.
    func add(_ extensionID: Int32, _ value: String, issuer: Certificate? = nil) throws(LinkError) {
        try check(
            sanad_x509_add_extension(
                pointer, (issuer ?? self).pointer, extensionID, value))
    }

    /// Adds DNS names and IP addresses, each as its own type; given as data, so that no character
    /// in them can mean anything else.
    func addAlternativeNames(_ names: [String]) throws(LinkError) {
        guard let list = GENERAL_NAMES_new() else { throw Self.failure() }
        defer { GENERAL_NAMES_free(list) }
        for text in names {
            guard let name = GENERAL_NAME_new() else { throw Self.failure() }
            let isSet = try Self.set(name, to: text)
            guard isSet, sanad_general_names_push(list, name) != 0 else {
                GENERAL_NAME_free(name)
                throw LinkError(
                    code: .credentials, peer: text, detail: "not a host name or an IP address",
                    hint: "Give names such as rabat.example.org or 192.0.2.1")
            }
        }
        try check(
            X509_add1_ext_i2d(pointer, NID_subject_alt_name, UnsafeMutableRawPointer(list), 0, 0))
    }

    private static func set(
        _ name: UnsafeMutablePointer<GENERAL_NAME>, to text: String
    ) throws(LinkError) -> Bool {
        if let address = a2i_IPADDRESS(text) {
            GENERAL_NAME_set0_value(name, GEN_IPADD, address)
            return true
        }
        OpenSSLErrors.clear()
        guard isHostName(text) else { return false }
        guard let value = ASN1_STRING_type_new(V_ASN1_IA5STRING) else { throw failure() }
        let bytes = Array(text.utf8)
        guard ASN1_STRING_set(value, bytes, Int32(bytes.count)) == 1 else {
            ASN1_STRING_free(value)
            throw failure()
        }
        GENERAL_NAME_set0_value(name, GEN_DNS, value)
        return true
    }

    /// Labels of letters, digits and hyphens, 253 bytes in all (RFC 1123, section 2.1).
    private static func isHostName(_ text: String) -> Bool {
        let labels = text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        return text.utf8.count <= 253
            && labels.allSatisfy { label in
                (1...63).contains(label.count)
                    && label.first != UInt8(ascii: "-") && label.last != UInt8(ascii: "-")
                    && label.allSatisfy { byte in
                        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
                            || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                            || byte == UInt8(ascii: "-")
                    }
            }
    }

    func sign(with key: PrivateKey) throws(LinkError) {
        guard X509_sign(pointer, key.pointer, EVP_sha256()) > 0 else { throw Self.failure() }
    }

    func pem() throws(LinkError) -> String {
        try PEMFile.text { PEM_write_bio_X509($0, pointer) }
    }

    private func check(_ status: Int32) throws(LinkError) {
        guard status == 1 else { throw Self.failure() }
    }

    private static func failure() -> LinkError {
        LinkError(code: .io, peer: "new certificate", detail: OpenSSLErrors.drain().text)
    }
}

/// Files of PEM text.
enum PEMFile {
    static func open(_ path: String) throws(LinkError) -> OpaquePointer {
        OpenSSLErrors.clear()
        guard let file = BIO_new_file(path, "r") else {
            throw LinkError(
                code: .credentials, peer: path, detail: OpenSSLErrors.drain().text)
        }
        return file
    }

    static func text(_ write: (OpaquePointer) -> Int32) throws(LinkError) -> String {
        OpenSSLErrors.clear()
        guard let memory = BIO_new(BIO_s_mem()) else {
            throw LinkError(code: .io, peer: "PEM", detail: OpenSSLErrors.drain().text)
        }
        defer { BIO_free(memory) }
        guard write(memory) == 1 else {
            throw LinkError(code: .io, peer: "PEM", detail: OpenSSLErrors.drain().text)
        }
        return CertificateDescription.string(in: memory)
    }

    /// Writes a new file to the disk; an existing one is left as it is.
    static func create(_ path: String, mode: mode_t, text: String) throws(LinkError) {
        let descriptor = Glibc.open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
        guard descriptor >= 0 else { throw failure(path) }
        let bytes = Array(text.utf8)
        let isWritten =
            write(descriptor, bytes, bytes.count) == bytes.count && fsync(descriptor) == 0
        let code = errno
        close(descriptor)
        guard isWritten else {
            unlink(path)
            throw LinkError(code: .io, peer: path, detail: "write: \(TCP.errorText(code))")
        }
    }

    /// Why a file could not be made, from `errno`.
    static func failure(_ path: String) -> LinkError {
        let code = errno
        return LinkError(
            code: code == EEXIST ? .alreadyExists : .io, peer: path,
            detail: TCP.errorText(code),
            hint: code == EEXIST ? "Nothing is overwritten: move the old file away first" : "")
    }
}
