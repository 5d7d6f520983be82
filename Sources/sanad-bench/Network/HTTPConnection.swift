import Glibc

/// One blocking keep-alive connection, one request at a time.
final class HTTPConnection {
    struct Response {
        var status: Int
        var body: [UInt8]

        var isSuccess: Bool { (200..<300).contains(status) }

        var text: String { String(decoding: body, as: UTF8.self) }
    }

    let endpoint: Endpoint
    private let socket: Socket
    private let chunk = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 8)
    private var pending: [UInt8] = []

    init(to endpoint: Endpoint, timeoutSeconds: Double) throws {
        self.endpoint = endpoint
        socket = try Socket.connect(to: endpoint, timeoutSeconds: timeoutSeconds)
    }

    deinit { chunk.deallocate() }

    /// Sends one request and reads its whole answer.
    func request(_ method: String, _ path: String, body: [UInt8]? = nil) throws -> Response {
        var collected: [UInt8] = []
        let status = try request(method, path, body: body) { collected.append(contentsOf: $0) }
        return Response(status: status, body: collected)
    }

    /// Sends one request and hands out the answer's body as it comes.
    func request(
        _ method: String, _ path: String, body: [UInt8]? = nil,
        receive: (UnsafeRawBufferPointer) throws -> Void
    ) throws -> Int {
        var head = "\(method) \(path) HTTP/1.1\r\nHost: \(endpoint.host):\(endpoint.port)\r\n"
        if let body {
            head += "Content-Type: application/json\r\nContent-Length: \(body.count)\r\n"
        }
        let message = Array((head + "\r\n").utf8) + (body ?? [])
        try message.withUnsafeBytes { try socket.sendAll($0) }
        return try readResponse(receive)
    }

    private func readResponse(_ receive: (UnsafeRawBufferPointer) throws -> Void) throws -> Int {
        while true {
            if let head = try pending.withUnsafeBytes({ try ResponseHead($0) }) {
                pending.removeFirst(head.byteCount)
                // A server may tell of progress before its answer.
                if head.status / 100 == 1 { continue }
                try readBody(head.body, receive)
                return head.status
            }
            guard try fill() else { throw Failure("\(endpoint) closed the connection") }
        }
    }

    private func readBody(
        _ body: ResponseHead.Body, _ receive: (UnsafeRawBufferPointer) throws -> Void
    ) throws {
        switch body {
        case .length(let length): try pass(length, receive)
        case .untilClose:
            repeat { try pass(pending.count, receive) } while try fill()
        case .chunked:
            while true {
                let size = try readChunkSize()
                try pass(size, receive)
                try pass(2) { _ in }
                if size == 0 { return }
            }
        }
    }

    private func readChunkSize() throws -> Int {
        while true {
            if let newline = pending.firstIndex(of: 0x0A) {
                let digits = pending[..<newline].prefix { $0 != 0x0D && $0 != 0x3B }
                pending.removeFirst(newline + 1)
                guard let size = Int(String(decoding: digits, as: UTF8.self), radix: 16), size >= 0
                else { throw Failure("\(endpoint): a chunk without a size") }
                return size
            }
            guard try fill() else { throw Failure("\(endpoint) closed the connection") }
        }
    }

    /// Hands out the next `count` bytes of the stream, in as many pieces as they come.
    private func pass(
        _ count: Int, _ receive: (UnsafeRawBufferPointer) throws -> Void
    ) throws {
        var left = count
        while left > 0 {
            if pending.isEmpty, try !fill() {
                throw Failure("\(endpoint) closed the connection in the middle of an answer")
            }
            let piece = min(left, pending.count)
            try pending.withUnsafeBytes {
                try receive(UnsafeRawBufferPointer(rebasing: $0[..<piece]))
            }
            pending.removeFirst(piece)
            left -= piece
        }
    }

    private func fill() throws -> Bool {
        let count = try socket.receive(into: chunk)
        pending.append(contentsOf: UnsafeRawBufferPointer(rebasing: chunk[..<count]))
        return count > 0
    }
}

/// One request on a connection of its own.
func fetch(_ endpoint: Endpoint, _ path: String, timeoutSeconds: Double = 5) throws
    -> HTTPConnection.Response
{
    try HTTPConnection(to: endpoint, timeoutSeconds: timeoutSeconds).request("GET", path)
}
