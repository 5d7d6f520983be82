import Glibc

/// An answer as it came over the wire.
struct RawResponse: Sendable {
    var status: Int
    /// Names in lower case.
    var headers: [String: String]
    var body: [UInt8]

    var text: String { String(decoding: body, as: UTF8.self) }
}

/// A client that sends any bytes and reads answers, each call within a deadline.
final class RawClient {
    struct Failure: Error {
        var what: String
    }

    private let descriptor: Int32
    private var buffer: [UInt8] = []

    init(port: Int) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(UInt16(port).bigEndian)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let status = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, size) }
        }
        guard status == 0 else { throw Failure(what: "connect: \(errno)") }
        setUp()
    }

    init(path: String) throws {
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
        let size = socklen_t(MemoryLayout<sockaddr_un>.size)
        let status = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, size) }
        }
        guard status == 0 else { throw Failure(what: "connect: \(errno)") }
        setUp()
    }

    deinit { close(descriptor) }

    private func setUp() {
        var limit = timeval(tv_sec: 10, tv_usec: 0)
        let size = socklen_t(MemoryLayout<timeval>.size)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, size)
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, size)
        var on: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, 4)
    }

    func send(_ text: String) throws { try send(Array(text.utf8)) }

    func send(_ bytes: [UInt8]) throws {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw Failure(what: "send: \(errno)") }
            sent += count
        }
    }

    /// Ends the sending side.
    func finish() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// Sends a request with a body and reads its answer.
    func request(
        _ method: String, _ target: String, _ body: String = "", headers: String = ""
    ) throws -> RawResponse {
        let length =
            body.isEmpty && method != "PUT" && method != "POST"
            ? "" : "Content-Length: \(body.utf8.count)\r\n"
        try send("\(method) \(target) HTTP/1.1\r\nHost: h\r\n\(length)\(headers)\r\n\(body)")
        return try response(isHead: method == "HEAD")
    }

    /// Reads one answer; an interim answer counts as one.
    func response(isHead: Bool = false) throws -> RawResponse {
        let head = try line(until: "\r\n\r\n")
        let lines = head.split(separator: "\r\n")
        let parts = lines[0].split(separator: " ")
        guard parts.count >= 2, parts[0] == "HTTP/1.1", let status = Int(parts[1]) else {
            throw Failure(what: "status line: \(lines[0])")
        }
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            let pair = line.split(separator: ":", maxSplits: 1)
            headers[pair[0].lowercased()] = String(pair[1].drop { $0 == " " })
        }
        var answer = RawResponse(status: status, headers: headers, body: [])
        guard !isHead, status != 100, status != 304 else { return answer }
        if headers["transfer-encoding"] == "chunked" {
            while true {
                guard let size = Int(try line(until: "\r\n"), radix: 16) else {
                    throw Failure(what: "chunk size")
                }
                answer.body += try take(size)
                guard try take(2) == [0x0D, 0x0A] else { throw Failure(what: "chunk end") }
                if size == 0 { return answer }
            }
        }
        answer.body = try take(Int(headers["content-length"] ?? "0") ?? 0)
        return answer
    }

    /// Whether the server closes, without a reset and without another byte.
    func isClosedCleanly() throws -> Bool { try buffer.isEmpty && receive() == 0 }

    /// Reads the size and the bytes of the next chunk of an answer whose head was read.
    func head() throws -> String { try line(until: "\r\n\r\n") }

    func chunk() throws -> String {
        guard let size = Int(try line(until: "\r\n"), radix: 16) else {
            throw Failure(what: "chunk size")
        }
        let bytes = try take(size)
        _ = try take(2)
        return String(decoding: bytes, as: UTF8.self)
    }

    private func line(until end: String) throws -> String {
        let end = Array(end.utf8)
        while true {
            if let index = buffer.indices.first(where: { buffer[$0...].starts(with: end) }) {
                let text = String(decoding: buffer[..<index], as: UTF8.self)
                buffer.removeFirst(index + end.count)
                return text
            }
            guard try receive() > 0 else { throw Failure(what: "closed inside a head") }
        }
    }

    private func take(_ count: Int) throws -> [UInt8] {
        while buffer.count < count {
            guard try receive() > 0 else { throw Failure(what: "closed inside a body") }
        }
        defer { buffer.removeFirst(count) }
        return Array(buffer[..<count])
    }

    private func receive() throws -> Int {
        var bytes = [UInt8](repeating: 0, count: 64 << 10)
        let count = recv(descriptor, &bytes, bytes.count, 0)
        guard count >= 0 else { throw Failure(what: "recv: \(errno)") }
        buffer += bytes[..<count]
        return count
    }
}
