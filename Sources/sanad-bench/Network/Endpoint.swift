import Glibc

/// The address of a plain HTTP server: `http://127.0.0.1:7401`.
///
/// The bench measures the daemons, not the client's TLS: it speaks plain HTTP on loopback, as it
/// does to the peers that it compares with.
struct Endpoint: Hashable, CustomStringConvertible {
    var host: String
    var port: UInt16

    init(host: String = "127.0.0.1", port: UInt16) {
        self.host = host
        self.port = port
    }

    /// Nil when the text is not `[http://]host:port[/…]`.
    init?(_ text: String) {
        var rest = Substring(text)
        if rest.hasPrefix("http://") { rest = rest.dropFirst("http://".count) }
        rest = rest.prefix { $0 != "/" }
        guard let colon = rest.lastIndex(of: ":"),
            let port = UInt16(rest[rest.index(after: colon)...])
        else { return nil }
        self.init(host: String(rest[..<colon]), port: port)
    }

    var description: String { "http://\(host):\(port)" }
}
