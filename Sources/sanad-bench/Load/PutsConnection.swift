import Glibc

/// One keep-alive connection of the closed loop: one request out, one answer in.
///
/// The request is laid out once; each turn writes the key's and the value's digits into it. A turn
/// costs one send, one receive and no allocation.
final class PutsConnection {
    let socket: Socket
    private(set) var sentAt: UInt64 = 0
    private(set) var refusal: String?

    private let request: UnsafeMutableBufferPointer<UInt8>
    private let answer = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 8)
    private var answerBytes = 0
    private let keyOffset: Int
    private let valueOffset: Int

    init(to endpoint: Endpoint, collection: String, timeoutSeconds: Double) throws {
        socket = try Socket.connect(to: endpoint, timeoutSeconds: timeoutSeconds)
        let line = "PUT /v1/collections/\(collection)/records/"
        let headers =
            " HTTP/1.1\r\nHost: \(endpoint.host):\(endpoint.port)\r\n"
            + "Content-Type: application/json\r\nContent-Length: \(SampleRecord.valueBytes)\r\n\r\n"
        let key = String(repeating: "k", count: SampleRecord.keyBytes)
        let text = Array((line + key + headers).utf8) + SampleRecord.value
        keyOffset = line.utf8.count
        valueOffset = text.count - SampleRecord.valueBytes
        request = .allocate(capacity: text.count)
        _ = request.initialize(from: text)
    }

    deinit {
        request.deallocate()
        answer.deallocate()
    }

    /// Sends the next put; the answer is waited for by the caller.
    func sendNext(from generator: inout SplitMix) throws {
        guard let base = request.baseAddress else { return }
        SampleRecord.write(key: generator.next() % SampleRecord.keyCount, at: base + keyOffset)
        SampleRecord.write(randomValueAt: base + valueOffset, from: &generator)
        answerBytes = 0
        sentAt = monotonicNanoseconds()
        let count = send(socket.descriptor, base, request.count, Int32(MSG_NOSIGNAL))
        // With one small request under way, a socket's buffer always has room for the whole.
        guard count == request.count else { throw Failure("send: \(lastError())") }
    }

    /// Takes what has arrived; true when the answer is complete and says 2xx, false when it is
    /// not complete yet.
    func receiveAnswer() throws -> Bool {
        let space = UnsafeMutableRawBufferPointer(rebasing: answer[answerBytes...])
        let count = recv(socket.descriptor, space.baseAddress, space.count, 0)
        guard count > 0 else {
            if count < 0, errno == EAGAIN || errno == EINTR { return false }
            throw Failure(count == 0 ? "the server closed the connection" : lastError())
        }
        answerBytes += count
        let received = UnsafeRawBufferPointer(rebasing: answer[..<answerBytes])
        guard let head = try ResponseHead(received) else { return false }
        guard case .length(let length) = head.body else {
            throw Failure("a put's answer has no Content-Length")
        }
        guard received.count >= head.byteCount + length else { return false }
        if head.status / 100 != 2 {
            let body = received[head.byteCount...]
            throw Failure(
                "a put was answered \(head.status): \(String(decoding: body, as: UTF8.self))")
        }
        return true
    }
}
