import Foundation
import Glibc

/// A small blocking HTTP client on a connection of its own: tests speak what any client speaks.
enum Http {
    struct Answer {
        var status: Int
        var body: String
    }

    /// - Returns: nil when there is nobody, or no answer within `seconds`.
    static func ask(
        _ method: String, port: UInt16, _ path: String, body: String = "", seconds: Int = 15
    ) -> Answer? {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var limit = timeval(tv_sec: seconds, tv_usec: 0)
        setsockopt(
            descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        guard connect(descriptor, port) else { return nil }
        let request =
            "\(method) \(path) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
        guard send(descriptor, Array(request.utf8)) else { return nil }
        return parse(receive(descriptor))
    }

    /// - Returns: nil when there is nobody, or no answer of code 200.
    static func json<Value: Decodable>(
        _ type: Value.Type, port: UInt16, _ path: String
    ) throws -> Value? {
        // The body may come in chunks; the JSON begins and ends with its braces.
        guard let answer = ask("GET", port: port, path), answer.status == 200,
            let first = answer.body.firstIndex(of: "{"), let last = answer.body.lastIndex(of: "}")
        else { return nil }
        return try JSONDecoder().decode(type, from: Data(answer.body[first...last].utf8))
    }

    private static func connect(_ descriptor: Int32, _ port: UInt16) -> Bool {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return withUnsafePointer(to: &address) { address in
            address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                Glibc.connect(descriptor, address, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }

    private static func send(_ descriptor: Int32, _ bytes: [UInt8]) -> Bool {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.send(
                    descriptor, $0.baseAddress?.advanced(by: sent), bytes.count - sent,
                    Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return false }
            sent += count
        }
        return true
    }

    private static func receive(_ descriptor: Int32) -> String {
        var received: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            guard count > 0 else { break }
            received += buffer[..<count]
        }
        return String(decoding: received, as: UTF8.self)
    }

    private static func parse(_ text: String) -> Answer? {
        guard let status = text.split(separator: " ").dropFirst().first.flatMap({ Int($0) }),
            let end = text.range(of: "\r\n\r\n")
        else { return nil }
        return Answer(status: status, body: String(text[end.upperBound...]))
    }
}
