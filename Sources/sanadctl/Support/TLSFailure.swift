/// Why there is no TLS connection, in words for a person.
enum TLSFailure {
    /// - Parameters:
    ///   - place: whom the client wanted to talk to.
    ///   - reason: the TLS library's words.
    static func failure(_ place: String, _ reason: String) -> Failure {
        if reason.contains("WRONG_VERSION_NUMBER") || reason.contains("HTTP_REQUEST") {
            return Failure(
                .unavailable, "\(place) does not speak TLS",
                next: "ask with http://, or name the port that has a certificate")
        }
        return Failure(
            .unavailable, "no TLS connection to \(place): \(withoutSources(reason))",
            next: "name the authority that signed the server's certificate with --ca")
    }

    /// Leaves out where in its own sources the library noticed it: ` at /path/file.cc:12`.
    static func withoutSources(_ reason: String) -> String {
        var result = ""
        var rest = reason[...]
        while let range = rest.firstRange(of: " at /") {
            result += rest[..<range.lowerBound]
            rest = rest[range.upperBound...].drop { $0 != "]" && $0 != ")" && $0 != "," }
        }
        return result + rest
    }
}
