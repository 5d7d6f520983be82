import Dispatch
import NIOCore
import NIOHTTP1
import SanadCore
import SanadStore
import Synchronization

/// An export on its way from a reading thread to one client, no faster than the client reads.
///
/// The thread fills chunks and waits for the earlier ones to be taken by the client's socket.
final class ExportStream: Sendable {
    private static let chunkBytes = 64 << 10
    /// Chunks that are sent and not yet taken.
    private static let chunksInFlight = 4

    private let connection: NIOLoopBound<RecordsConnection>
    private let eventLoop: any EventLoop
    private let collection: [UInt8]?
    /// Starts at zero, since a semaphore may not end below its first value.
    private let credit = DispatchSemaphore(value: 0)
    private let isCancelled = Atomic(false)

    /// - Parameter connection: called from its loop.
    init(connection: RecordsConnection, collection: [UInt8]?) {
        eventLoop = connection.loop.eventLoop
        self.connection = NIOLoopBound(connection, eventLoop: eventLoop)
        self.collection = collection
        for _ in 0..<Self.chunksInFlight { credit.signal() }
    }

    /// The client is gone: the thread stops at its next chunk.
    func cancel() {
        isCancelled.store(true, ordering: .relaxed)
        credit.signal()
    }

    /// Reads and sends everything but the end; blocks.
    ///
    /// - Returns: what sends the end.
    func run(_ pool: ReadPool) -> () -> Void {
        // All that is applied now is in the export, and perhaps more: a safe place from which to
        // read the changes that follow.
        let sequence = pool.gate.table.applied
        do {
            let reader = try pool.gate.table.makeReader()
            send { $0.beginExport(sequence) }
            var chunk = ByteBuffer()
            chunk.reserveCapacity(Self.chunkBytes + 4_096)
            try reader.export(collection: collection) { row in
                guard !IdempotencyMemory.isInternal(row.collection) else { return true }
                chunk.writeInteger(UInt8(ascii: "{"))
                chunk.writeMutationMembers(
                    MutationView(
                        operation: .put, collection: row.collection, key: row.key,
                        value: row.value))
                guard chunk.readableBytes >= Self.chunkBytes else { return true }
                let isAlive = sendChunk(chunk)
                chunk = ByteBuffer()
                chunk.reserveCapacity(Self.chunkBytes + 4_096)
                return isAlive
            }
            guard !isCancelled.load(ordering: .relaxed) else { return {} }
            if chunk.readableBytes > 0 { _ = sendChunk(chunk) }
            return { self.send { $0.endExport() } }
        } catch {
            pool.tell(of: error)
            return { self.send { $0.abortExport(.store(error)) } }
        }
    }

    /// - Returns: false when the client is gone or has read nothing for long.
    private func sendChunk(_ chunk: ByteBuffer) -> Bool {
        let seconds = Int(Limits.readTransactionMaximum.seconds)
        guard credit.wait(timeout: .now() + .seconds(seconds)) == .success else {
            cancel()
            send { $0.closeNow() }
            return false
        }
        guard !isCancelled.load(ordering: .relaxed) else { return false }
        send { [credit] connection in
            connection.sendExportChunk(chunk) { credit.signal() }
        }
        return true
    }

    private func send(_ action: @escaping @Sendable (RecordsConnection) -> Void) {
        eventLoop.execute { [self, connection] in
            let connection = connection.value
            guard connection.context != nil, connection.export === self else { return }
            action(connection)
        }
    }
}

extension RecordsConnection {
    fileprivate func beginExport(_ sequence: Sequence) {
        // The end of an HTTP/1.0 answer is the end of the connection.
        if isHTTP10 { keepsAlive = false }
        beginAnswer(200)
        out.writeStaticString("Content-Type: application/x-ndjson\r\n")
        writeReadHeaders(&out)
        out.writeString("Sanad-Sequence: \(sequence)\r\n")
        endHeadOfStream()
        if method == .HEAD {
            export?.cancel()
            return sendAnswer()
        }
        hasBegunStream = true
        flushOut(last: false)
    }

    fileprivate func sendExportChunk(
        _ chunk: ByteBuffer, taken: @escaping @Sendable () -> Void
    ) {
        guard let context, hasBegunStream else { return taken() }
        out.clear()
        beginChunk(bytes: chunk.readableBytes)
        context.write(wrapOutboundOut(out), promise: nil)
        out = ByteBuffer()
        let written = context.eventLoop.makePromise(of: Void.self)
        written.futureResult.whenComplete { _ in taken() }
        context.write(wrapOutboundOut(chunk), promise: written)
        endChunk()
        flushOut(last: false)
    }

    fileprivate func endExport() {
        out.clear()
        endChunks()
        sendAnswer()
    }

    /// A failure before the head is a problem; after it, the missing last chunk tells the client.
    fileprivate func abortExport(_ problem: Problem) {
        if hasBegunStream {
            closeNow()
        } else {
            fail(problem)
        }
    }
}

// Chunks (RFC 9112 section 7.1), or plain bytes for HTTP/1.0.

extension RecordsConnection {
    func beginChunk(bytes: Int) {
        guard !isHTTP10 else { return }
        out.writeString(String(bytes, radix: 16))
        out.writeStaticString("\r\n")
    }

    func endChunk() {
        if !isHTTP10 { out.writeStaticString("\r\n") }
    }

    func endChunks() {
        if !isHTTP10 { out.writeStaticString("0\r\n\r\n") }
    }
}
