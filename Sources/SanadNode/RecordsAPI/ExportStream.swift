import Dispatch
import NIOCore
import NIOHTTP1
import SanadCore
import SanadStore
import Synchronization

/// An export on its way from a reading thread to one client, no faster than the client reads.
///
/// The thread fills chunks and waits for the earlier ones to be taken by the client's socket.
/// No read transaction is held for longer than a window: the next one goes on after the last
/// record that was handed out, however slowly the client reads.
final class ExportStream: Sendable {
    private static let chunkBytes = 64 << 10
    /// Chunks that are sent and not yet taken.
    private static let chunksInFlight = 4

    private let connection: NIOLoopBound<RecordsConnection>
    private let eventLoop: any EventLoop
    private let collection: [UInt8]?
    private let window: Span
    /// Starts at zero, since a semaphore may not end below its first value.
    private let credit = DispatchSemaphore(value: 0)
    private let isCancelled = Atomic(false)

    /// - Parameter connection: called from its loop.
    init(connection: RecordsConnection, collection: [UInt8]?) {
        eventLoop = connection.loop.eventLoop
        self.connection = NIOLoopBound(connection, eventLoop: eventLoop)
        self.collection = collection
        window = connection.loop.limits.exportWindow
        for _ in 0..<Self.chunksInFlight { credit.signal() }
    }

    /// The client is gone: the thread stops at its next chunk.
    func cancel() {
        isCancelled.store(true, ordering: .relaxed)
        credit.signal()
    }

    /// Nil also when the log cannot be read: the records may be whole all the same.
    private func epoch(at sequence: Sequence, _ pool: ReadPool) -> Epoch? {
        do {
            return try pool.gate.makeLogReader().epoch(at: sequence)
        } catch {
            pool.tell(of: error)
            return nil
        }
    }

    /// Reads and sends everything but the end; blocks.
    ///
    /// - Returns: what sends the end.
    func run(_ pool: ReadPool) -> () -> Void {
        // A repair changes records one by one, and what a cut took away comes back in no change that
        // follows: an export that meets one, or a whole one between two looks, is none.
        let era = pool.gate.table.era
        // All that is applied now is in the export, and perhaps more: a safe place from which to
        // read the changes that follow.
        let sequence = pool.gate.table.applied
        var isOfOneHistory: Bool { pool.gate.isConsistent && pool.gate.table.era == era }
        do {
            let reader = try pool.gate.table.makeReader()
            let epoch = epoch(at: sequence, pool)
            send { $0.beginExport(sequence, epoch) }
            var place = Place()
            while !place.isAtEnd {
                guard isOfOneHistory else { return { self.send { $0.closeNow() } } }
                try readWindow(reader, &place)
                guard !isCancelled.load(ordering: .relaxed) else { return {} }
                if place.chunk.readableBytes >= Self.chunkBytes || place.isAtEnd {
                    guard sendPatiently(place.takeChunk()) else { return {} }
                }
            }
            guard isOfOneHistory else { return { self.send { $0.closeNow() } } }
            return { self.send { $0.endExport() } }
        } catch {
            pool.tell(of: error)
            return { self.send { $0.abortExport(.store(error)) } }
        }
    }

    /// How far an export is.
    private struct Place {
        var chunk = ByteBuffer()
        /// The last record handed out, as the table names it.
        var last: [UInt8] = []
        var isAtEnd = false

        mutating func append(_ row: RecordView) {
            last.removeAll(keepingCapacity: true)
            last.append(contentsOf: row.collection)
            last.append(UInt8(ascii: "\t"))
            last.append(contentsOf: row.key)
            chunk.writeInteger(UInt8(ascii: "{"))
            chunk.writeMutationMembers(
                MutationView(
                    operation: .put, collection: row.collection, key: row.key, value: row.value))
        }

        mutating func takeChunk() -> ByteBuffer {
            defer {
                chunk = ByteBuffer()
                chunk.reserveCapacity(ExportStream.chunkBytes + 4_096)
            }
            return chunk
        }
    }

    /// Hands out records of one read transaction: until its window ends, or the client does not
    /// keep up with it; at least one.
    private func readWindow(_ reader: RecordReader, _ place: inout Place) throws {
        let end = DispatchTime.now() + .nanoseconds(Int(window.nanoseconds))
        let start = place.last
        var isInterrupted = false
        do throws(StoreError) {
            try reader.export(collection: collection, after: start.isEmpty ? nil : start) { row in
                // The node's own records come last.
                guard !IdempotencyMemory.isInternal(row.collection) else { return false }
                place.append(row)
                isInterrupted = DispatchTime.now() >= end
                if !isInterrupted, place.chunk.readableBytes >= Self.chunkBytes {
                    isInterrupted = !send(place.chunk, waitingUntil: end)
                    if !isInterrupted { _ = place.takeChunk() }
                }
                return !isInterrupted
            }
        } catch {
            guard error.code == .snapshotExpired, place.last != start else { throw error }
            isInterrupted = true
        }
        place.isAtEnd = !isInterrupted
    }

    /// Sends what a window ended with, outside of any read transaction.
    ///
    /// - Returns: false when the client is gone or has read nothing for long.
    private func sendPatiently(_ chunk: ByteBuffer) -> Bool {
        let patience = Int(Limits.exportIdleTimeout.nanoseconds)
        if chunk.readableBytes == 0 || send(chunk, waitingUntil: .now() + .nanoseconds(patience)) {
            return !isCancelled.load(ordering: .relaxed)
        }
        cancel()
        send { $0.closeNow() }
        return false
    }

    /// - Returns: false when the client has not taken enough of the earlier chunks by then, or is
    ///   gone.
    private func send(_ chunk: ByteBuffer, waitingUntil time: DispatchTime) -> Bool {
        guard credit.wait(timeout: time) == .success, !isCancelled.load(ordering: .relaxed) else {
            return false
        }
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
    fileprivate func beginExport(_ sequence: Sequence, _ epoch: Epoch?) {
        // The end of an HTTP/1.0 answer is the end of the connection.
        if isHTTP10 { keepsAlive = false }
        beginAnswer(200)
        out.writeStaticString("Content-Type: application/x-ndjson\r\n")
        writeReadHeaders(&out)
        out.writeString("Sanad-Sequence: \(sequence)\r\n")
        if let epoch { out.writeString("Sanad-Position: \(epoch)/\(sequence)\r\n") }
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
