import NIOCore
import NIOHTTP1
import SanadCore

// From a head to the work that it asks for.

extension RecordsConnection {
    func start(_ head: HTTPRequestHead) {
        requestNumber += 1
        requestStart = loop.now
        method = head.method
        isHTTP10 = head.version.major == 1 && head.version.minor == 0
        keepsAlive = head.isKeepAlive && !loop.isDraining
        headers = RequestHeaders()
        isRequestComplete = true
        hasBegunStream = false
        phase = .receiving
        do throws(Problem) {
            headers = try RequestHeaders(head.headers)
            isRequestComplete = !headers.hasBody
            try target.read(head.uri, control: isControl)
            guard target.route.allows(method) else {
                throw Problem.methodNotAllowed(target.route.allow)
            }
            try target.checkParameters(method)
            try checkHead()
        } catch {
            // A body that nobody reads would be taken for the next request.
            let hasBody =
                head.headers.contains(name: "content-length")
                || head.headers.contains(name: "transfer-encoding")
            isRequestComplete = !hasBody
            fail(hasBody ? error.closing : error)
        }
    }

    private func checkHead() throws(Problem) {
        if target.route == .bulk {
            try checkWritable()
            phase = .uploading
            sendContinueIfExpected()
            bulk = BulkUpload(
                connection: self,
                reportsProgress: try target.choice("progress", "false", "true"))
            bulk?.start()
            return
        }
        bodyLimit = Self.bodyLimit(target.route, method)
        if let length = headers.contentLength, length > UInt64(bodyLimit) {
            throw Problem.tooLarge(bodyLimitText)
        }
        guard headers.expectsContinue else { return }
        if method == .PUT || target.route == .transactions { try checkWritable() }
        sendContinueIfExpected()
    }

    /// Refuses a large body before it is sent; a small one meets the same check in the queue.
    private func checkWritable() throws(Problem) {
        guard !loop.gate.isWritable else { return }
        throw Problem.notPrimary(
            loop.gate.primaryHint, reason: "This node is not the primary. Ask the primary.")
    }

    private func sendContinueIfExpected() {
        guard headers.expectsContinue, headers.hasBody, !isHTTP10 else { return }
        out.clear()
        out.writeStaticString("HTTP/1.1 100 Continue\r\n\r\n")
        flushOut(last: false)
    }

    private static func bodyLimit(_ route: Route, _ method: HTTPMethod) -> Int {
        switch route {
        case .record: method == .PUT ? Limits.valueBytesMaximum : 0
        // Names and punctuation come on top of what is stored.
        case .transactions: Limits.transactionBytesMaximum + (2 << 20)
        case .command, .seal, .reload: 16 << 10
        default: 0
        }
    }

    /// Does what a complete request asks for.
    func perform() {
        switch target.route {
        case .record where method == .PUT: put()
        case .record where method == .DELETE: delete()
        case .transactions: commitTransaction()
        case .record, .list, .export, .changes: startRead()
        case .command, .seal, .reload, .history, .quarantine, .status: performControl()
        case .bulk: break
        }
    }
}

// Answers.

extension RecordsConnection {
    /// Starts an answer in `out`: status line, date, and what becomes of the connection.
    func beginAnswer(_ status: Int) {
        out.clear()
        out.writeStatusLine(status)
        out.writeBytes(loop.dateLine)
        if !keepsAlive {
            out.writeStaticString("Connection: close\r\n")
        } else if isHTTP10 {
            out.writeStaticString("Connection: keep-alive\r\n")
        }
    }

    func endHead(length: Int) {
        out.writeStaticString("Content-Length: ")
        out.writeDecimal(UInt64(length))
        out.writeStaticString("\r\n\r\n")
    }

    /// Ends the head of an answer whose length is not known: chunks, or for HTTP/1.0 the
    /// connection's end.
    func endHeadOfStream() {
        if !isHTTP10 { out.writeStaticString("Transfer-Encoding: chunked\r\n") }
        out.writeStaticString("\r\n")
    }

    /// Sends `out` as the whole answer.
    func sendAnswer() {
        flushOut(last: true)
        finishRequest()
    }

    /// Answers with a body that was built beforehand.
    func answer(
        _ status: Int, contentType: StaticString, body: ByteBuffer,
        headers: (inout ByteBuffer) -> Void = { _ in }
    ) {
        beginAnswer(status)
        out.writeStaticString("Content-Type: ")
        out.writeStaticString(contentType)
        out.writeStaticString("\r\n")
        headers(&out)
        endHead(length: body.readableBytes)
        if method != .HEAD { out.writeImmutableBuffer(body) }
        sendAnswer()
    }

    /// Answers a request with a problem, and closes when the problem or the unread body wants it.
    func fail(_ problem: Problem) {
        guard context != nil, phase != .closing else { return }
        // Inside an answer there is no other way to say it than to break off.
        guard !hasBegunStream else { return closeNow() }
        if problem.closes || !isRequestComplete { keepsAlive = false }
        var document = ByteBuffer()
        problem.write(into: &document)
        answer(problem.status, contentType: "application/problem+json", body: document) { out in
            if let seconds = problem.retryAfterSeconds {
                out.writeString("Retry-After: \(seconds)\r\n")
            }
            if let allow = problem.allow { out.writeString("Allow: \(allow)\r\n") }
            if let url = problem.primaryURL { out.writeString("Sanad-Primary: \(url)\r\n") }
        }
    }
}
