import NIOCore
import NIOHTTP1
import SanadCore

/// One client connection: takes requests one at a time, in order, and answers each before the next.
///
/// ```
/// idle ── head ──▶ receiving ── end ──▶ answering ── answer ──▶ idle
///   ╰─ head of a bulk ─▶ uploading ── end ──────╯  ╰─ answer that closes ─▶ closing
/// ```
///
/// Requests that a client sent ahead wait in `queue`; while one waits, nothing more is read.
final class RecordsConnection: ChannelDuplexHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    enum Phase {
        case idle
        case receiving
        case uploading
        case answering
        case closing
    }

    let loop: RecordsLoop
    /// Whether the control routes are served on this connection.
    let isControl: Bool
    var registryIndex: Int?
    /// Nil once the connection is gone.
    var context: ChannelHandlerContext?
    var phase = Phase.idle

    // The request under way.
    var requestNumber: UInt64 = 0
    var method = HTTPMethod.GET
    var target = RequestTarget()
    var headers = RequestHeaders()
    var keepsAlive = true
    var isHTTP10 = false
    /// False while the rest of the request's body is not read.
    var isRequestComplete = true
    var body = ByteBuffer()
    var bodyLimit = 0
    var bulk: BulkUpload?
    var export: ExportStream?
    var wait: WaitingRead?
    /// Set once the head of an answer of unknown length is sent.
    var hasBegunStream = false

    /// The answer is built here; the memory is used again by the next one.
    var out = ByteBuffer()

    private var queue = CircularBuffer<HTTPServerRequestPart>(initialCapacity: 4)
    private var isPumping = false
    private var isReadHeld = false
    /// Set while bytes are thrown away until the client closes.
    private(set) var isDiscarding = false

    // Times, by the loop's coarse clock.
    private(set) var lastByte: NIODeadline
    var requestStart: NIODeadline
    private var hasPartialHead = false
    private var stalledSince: NIODeadline?
    /// Set until a TLS handshake has ended.
    var isShakingHands: Bool

    init(loop: RecordsLoop, isControl: Bool, isTLS: Bool) {
        self.loop = loop
        self.isControl = isControl
        lastByte = loop.now
        requestStart = loop.now
        isShakingHands = isTLS
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        loop.add(self)
    }

    func handlerRemoved(context: ChannelHandlerContext) { forget() }

    func channelInactive(context: ChannelHandlerContext) {
        forget()
        context.fireChannelInactive()
    }

    /// Lets go of everything. A request that was not complete has had no effect.
    private func forget() {
        guard self.context != nil else { return }
        self.context = nil
        phase = .closing
        releaseBody()
        queue.removeAll()
        bulk?.cancel()
        bulk = nil
        export?.cancel()
        export = nil
        wait = nil
        loop.remove(self)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let part = unwrapInboundIn(data)
        if phase == .answering || isPumping || !queue.isEmpty {
            queue.append(part)
        } else {
            handle(part)
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        bulk?.inputPaused()
        context.fireChannelReadComplete()
    }

    func read(context: ChannelHandlerContext) {
        if holdsReads {
            isReadHeld = true
        } else {
            context.read()
        }
    }

    private var holdsReads: Bool { !queue.isEmpty || bulk?.isFull == true }

    /// Reads on when nothing stands against it any more.
    func resumeReading() {
        guard isReadHeld, !holdsReads else { return }
        isReadHeld = false
        lastByte = loop.now
        context?.read()
    }

    var isReading: Bool { !isReadHeld }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        isShakingHands = false
        context.fireUserInboundEventTriggered(event)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        stalledSince = nil
        context.fireChannelWritabilityChanged()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard let error = error as? HTTPParserError, phase != .closing else {
            if !isDiscarding { context.close(promise: nil) }
            return
        }
        // Answers under way, and the requests before the garbage, are given up: the bytes that
        // follow have no meaning any more.
        queue.removeAll()
        isRequestComplete = false
        guard phase != .answering else { return closeNow() }
        if error == .headerOverflow {
            fail(
                Problem(
                    431, "headers-too-large", "The headers are too large",
                    "All headers together have at most \(RequestHeaders.bytesMaximum) bytes."
                ).closing)
        } else {
            fail(Problem.badRequest("This is not HTTP/1.1: \(error).").closing)
        }
    }
}

extension RecordsConnection {
    /// Called for all that arrives, before it is decoded.
    func noteBytes() {
        lastByte = loop.now
        guard phase == .idle, !hasPartialHead else { return }
        hasPartialHead = true
        requestStart = loop.now
    }

    private func handle(_ part: HTTPServerRequestPart) {
        switch part {
        case .head(let head):
            guard phase != .closing else { return }
            hasPartialHead = false
            start(head)
        case .body(let bytes):
            switch phase {
            case .receiving: receive(bytes)
            case .uploading: bulk?.receive(bytes)
            default: break
            }
        case .end:
            switch phase {
            case .receiving:
                isRequestComplete = true
                phase = .answering
                perform()
            case .uploading:
                isRequestComplete = true
                phase = .answering
                bulk?.end()
            default: break
            }
        }
    }

    private func receive(_ bytes: ByteBuffer) {
        guard body.readableBytes + bytes.readableBytes <= bodyLimit else {
            return fail(Problem.tooLarge(bodyLimitText).closing)
        }
        guard loop.bodyBytes + bytes.readableBytes <= loop.limits.bodyBytesMaximum else {
            return fail(Problem.busy("Too many request bodies are being read.").closing)
        }
        loop.bodyBytes += bytes.readableBytes
        if body.readableBytes == 0 {
            body = bytes
        } else {
            body.writeImmutableBuffer(bytes)
        }
    }

    var bodyLimitText: String { "The body has at most \(bodyLimit) bytes." }

    func releaseBody() {
        loop.bodyBytes -= body.readableBytes
        body = ByteBuffer()
    }

    /// Handles the parts that waited while a request was answered.
    private func pump() {
        guard !isPumping else { return }
        isPumping = true
        while phase != .answering, phase != .closing, bulk?.isFull != true,
            let part = queue.popFirst()
        {
            handle(part)
        }
        isPumping = false
        resumeReading()
    }

    /// Goes on with a bulk's parts, which waited while too many transactions were under way.
    func pumpAfterBulkPause() { pump() }

    /// Ends the request: the answer has been written.
    func finishRequest() {
        releaseBody()
        bulk = nil
        export = nil
        wait = nil
        guard context != nil else { return }
        guard keepsAlive else { return closeAfterAnswer() }
        phase = .idle
        lastByte = loop.now
        pump()
        if loop.isDraining { drain() }
    }
}

extension RecordsConnection {
    /// Writes `out` and flushes.
    ///
    /// - Parameter last: whether the answer ends here.
    func flushOut(last: Bool) {
        guard let context else { return }
        if last, !keepsAlive {
            let written = context.eventLoop.makePromise(of: Void.self)
            written.futureResult.assumeIsolated().whenComplete { [weak self] _ in
                self?.answerFlushed()
            }
            context.writeAndFlush(wrapOutboundOut(out), promise: written)
        } else {
            context.writeAndFlush(wrapOutboundOut(out), promise: nil)
        }
        // A large answer's memory is not kept for a connection that may idle for minutes.
        if out.capacity > 4_096 { out = ByteBuffer() }
    }

    private func closeAfterAnswer() {
        phase = .closing
        queue.removeAll()
        isDiscarding = true
    }

    /// Closes without a reset: a reset could reach the client before the answer is read. So the
    /// sending side is closed first, and what the client still sends is thrown away for a while.
    private func answerFlushed() {
        guard let context else { return }
        guard !isRequestComplete else { return context.close(promise: nil) }
        context.close(mode: .output, promise: nil)
        context.eventLoop.assumeIsolated().scheduleTask(in: loop.limits.linger) { [weak self] in
            self?.closeNow()
        }
        isReadHeld = false
        context.read()
    }

    func closeNow() {
        phase = .closing
        context?.close(promise: nil)
    }

    /// Closes an idle connection; a busy one closes after its answer.
    func drain() {
        keepsAlive = false
        if phase == .idle { closeNow() }
    }

    /// Enforces the time limits; called about once a second.
    func tick(_ now: NIODeadline) {
        guard let context else { return }
        if !context.channel.isWritable {
            let since = stalledSince ?? now
            stalledSince = since
            if now - since > loop.limits.requestTotal { closeNow() }
            return
        }
        stalledSince = nil
        switch phase {
        case .idle where isShakingHands:
            if now - lastByte > loop.limits.requestIdle { closeNow() }
        case .idle where !hasPartialHead:
            if now - lastByte > loop.limits.keepAlive { closeNow() }
        case .idle, .receiving:
            guard
                now - lastByte > loop.limits.requestIdle
                    || now - requestStart > loop.limits.requestTotal
            else { return }
            isRequestComplete = false
            fail(.slowRequest)
        case .uploading: bulk?.tick(now)
        case .answering, .closing: break
        }
    }
}

/// Sees what arrives before it is decoded: for the time limits, and to throw bytes away after the
/// last answer of a connection.
final class ByteWatch: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let connection: RecordsConnection

    init(connection: RecordsConnection) { self.connection = connection }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !connection.isDiscarding else { return }
        connection.noteBytes()
        context.fireChannelRead(data)
    }
}
