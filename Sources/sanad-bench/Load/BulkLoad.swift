import Glibc

/// One bulk import whose NDJSON stands in memory before the clock starts.
struct BulkLoad {
    struct Result {
        var rows: UInt64
        var bytes: Int
        var seconds: Double
        /// The answers of the connections, one each.
        var answers: [HTTPConnection.Response]

        var rowsPerSecond: Double { Double(rows) / seconds }
    }

    var endpoint: Endpoint
    var collection: String
    var rows: UInt64
    var connections = 1

    /// The lines of the rows from `first` on, in key order, as a table dump has them.
    static func lines(collection: String, first: UInt64, count: UInt64, seed: UInt64) -> [UInt8] {
        let head = Array(#"{"op":"put","collection":"\#(collection)","key":""#.utf8)
        let key = [UInt8](repeating: 0x6B, count: SampleRecord.keyBytes)
        let line = head + key + Array(#"","value":"#.utf8) + SampleRecord.value + Array("}\n".utf8)
        let valueOffset = line.count - 2 - SampleRecord.valueBytes
        var generator = SplitMix(seed: seed)
        return [UInt8](unsafeUninitializedCapacity: line.count * Int(count)) { buffer, written in
            guard let base = buffer.baseAddress else { return }
            for index in 0..<Int(count) {
                let start = base + index * line.count
                start.initialize(from: line, count: line.count)
                SampleRecord.write(key: first + UInt64(index), at: start + head.count)
                SampleRecord.write(randomValueAt: start + valueOffset, from: &generator)
            }
            written = line.count * Int(count)
        }
    }

    func run() throws -> Result {
        let share = (rows + UInt64(connections) - 1) / UInt64(connections)
        let streams = try (0..<UInt64(connections)).map { index in
            let first = index * share
            let lines = Self.lines(
                collection: collection, first: first, count: min(share, rows - first),
                seed: 11 + index)
            return try BulkStream(to: endpoint, body: lines)
        }
        let start = monotonicNanoseconds()
        try drive(streams)
        let seconds = Double(monotonicNanoseconds() - start) / 1e9
        let answers = try streams.map { try $0.answer() }
        for answer in answers where !answer.isSuccess {
            throw Failure("the bulk import was answered \(answer.status): \(answer.text)")
        }
        return Result(
            rows: rows, bytes: streams.reduce(0) { $0 + $1.bodyBytes }, seconds: seconds,
            answers: answers)
    }

    private func drive(_ streams: [BulkStream]) throws {
        var open = streams
        while !open.isEmpty {
            var polls = open.map { stream in
                pollfd(
                    fd: stream.socket.descriptor,
                    events: Int16(stream.hasMoreToSend ? POLLIN | POLLOUT : POLLIN), revents: 0)
            }
            guard poll(&polls, nfds_t(polls.count), 60_000) > 0 else {
                throw Failure("the bulk import made no progress for 60 s")
            }
            for (stream, poll) in zip(open, polls) {
                if poll.revents & Int16(POLLOUT) != 0 { try stream.sendMore() }
                if poll.revents & Int16(POLLIN | POLLHUP | POLLERR) != 0 {
                    try stream.receiveMore()
                }
            }
            open.removeAll(where: \.isFinished)
        }
    }
}

/// One connection of a bulk import: sends without waiting and reads what comes meanwhile.
private final class BulkStream {
    let socket: Socket
    let bodyBytes: Int
    private(set) var isFinished = false

    private let endpoint: Endpoint
    private let message: [UInt8]
    private var sent = 0
    private var received: [UInt8] = []
    private var isClosed = false

    init(to endpoint: Endpoint, body: [UInt8]) throws {
        self.endpoint = endpoint
        bodyBytes = body.count
        let head =
            "POST /v1/bulk HTTP/1.1\r\nHost: \(endpoint.host):\(endpoint.port)\r\n"
            + "Content-Type: application/x-ndjson\r\nContent-Length: \(body.count)\r\n\r\n"
        message = Array(head.utf8) + body
        socket = try Socket.connect(to: endpoint, timeoutSeconds: 30)
        socket.setNonBlocking()
    }

    var hasMoreToSend: Bool { sent < message.count && received.isEmpty }

    func sendMore() throws {
        let count = message.withUnsafeBytes { bytes in
            send(
                socket.descriptor, bytes.baseAddress.map { $0 + sent },
                min(1 << 20, bytes.count - sent), Int32(MSG_NOSIGNAL))
        }
        if count < 0, errno == EAGAIN || errno == EINTR { return }
        guard count > 0 else { throw Failure("send: \(lastError())") }
        sent += count
    }

    func receiveMore() throws {
        let count = try withUnsafeTemporaryAllocation(byteCount: 64 << 10, alignment: 8) { buffer in
            let count = try socket.receive(into: buffer)
            received.append(contentsOf: UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            return count
        }
        isClosed = count == 0
        if isClosed, received.isEmpty { throw Failure("\(endpoint) closed the connection") }
        isFinished = try isClosed || completeBody() != nil
    }

    func answer() throws -> HTTPConnection.Response {
        guard let head = try received.withUnsafeBytes({ try ResponseHead($0) }) else {
            throw Failure("\(endpoint) gave no answer to the bulk import")
        }
        let body = try completeBody() ?? Array(received[head.byteCount...])
        return HTTPConnection.Response(status: head.status, body: body)
    }

    /// The answer's body, with the sizes of its chunks left in; nil while it is not complete.
    private func completeBody() throws -> [UInt8]? {
        guard let head = try received.withUnsafeBytes({ try ResponseHead($0) }) else { return nil }
        let body = received[head.byteCount...]
        switch head.body {
        case .length(let length): return body.count >= length ? Array(body.prefix(length)) : nil
        case .chunked: return body.suffix(5).elementsEqual("0\r\n\r\n".utf8) ? Array(body) : nil
        case .untilClose: return isClosed ? Array(body) : nil
        }
    }
}
