import NIOCore
import SanadCore

/// What a bulk has read and what of it is committed.
struct BulkProgress {
    /// Lines read, blank ones included.
    var linesRead: UInt64 = 0
    /// The number of the last line that is part of a transaction.
    var linesGathered: UInt64 = 0
    /// Every line up to this one is committed.
    private(set) var linesCommitted: UInt64 = 0
    private(set) var transactions: UInt64 = 0
    private(set) var epoch = Epoch.zero
    private(set) var first: Sequence?
    private(set) var last: Sequence?
    private(set) var durability = Durability.bothSites

    /// The last line of each transaction that is not yet counted, in order.
    private var pending = CircularBuffer<(number: UInt64, lastLine: UInt64, isCommitted: Bool)>()

    mutating func submitted(_ number: UInt64, lines lastLine: UInt64) {
        pending.append((number, lastLine, false))
    }

    /// Counts a committed transaction; one that failed stays the end of the committed lines. The worst durability counts for the whole.
    mutating func committed(
        _ number: UInt64, _ epoch: Epoch, _ sequence: Sequence, _ durability: Durability
    ) {
        transactions += 1
        self.epoch = max(self.epoch, epoch)
        first = min(first ?? sequence, sequence)
        last = max(last ?? sequence, sequence)
        if durability == .oneSite { self.durability = .oneSite }
        for index in pending.indices where pending[index].number == number {
            pending[index].isCommitted = true
        }
        while let next = pending.first, next.isCommitted {
            linesCommitted = next.lastLine
            pending.removeFirst()
        }
    }

    /// `{"lines":…,"transactions":…,"epoch":…,"first_sequence":…,"last_sequence":…,
    /// "durability":…}`.
    func writeSummary(into out: inout ByteBuffer) {
        out.writeInteger(UInt8(ascii: "{"))
        writeMembers(into: &out)
        out.writeInteger(UInt8(ascii: "}"))
    }

    /// One line of the progress stream.
    func writeLine(isDone: Bool, into out: inout ByteBuffer) {
        out.writeStaticString(isDone ? "{\"done\":true," : "{\"done\":false,")
        writeMembers(into: &out)
        out.writeStaticString("}\n")
    }

    /// The last line of a progress stream that failed.
    func writeProblemLine(_ problem: Problem, into out: inout ByteBuffer) {
        out.writeStaticString("{\"done\":true,")
        writeMembers(into: &out)
        out.writeStaticString(",\"problem\":")
        problem.write(into: &out)
        out.writeStaticString("}\n")
    }

    private func writeMembers(into out: inout ByteBuffer) {
        out.writeString("\"lines\":\(linesCommitted),\"transactions\":\(transactions)")
        out.writeString(",\"epoch\":\(epoch)")
        out.writeString(",\"first_sequence\":\(first.map(\.description) ?? "null")")
        out.writeString(",\"last_sequence\":\(last.map(\.description) ?? "null")")
        let place = transactions == 0 ? "null" : "\"\(durability.rawValue)\""
        out.writeString(",\"durability\":\(place)")
    }

    /// Adds to a problem what was committed before it.
    func describe(_ problem: Problem) -> Problem {
        problem.with("lines_committed", .number(linesCommitted))
            .with("transactions", .number(transactions))
            .with("epoch_committed", .number(epoch.value))
            .with("last_sequence", last.map { .number($0.value) } ?? .null)
    }
}

extension RecordsConnection {
    /// Starts the answer while the body still comes.
    func beginProgress() {
        if isHTTP10 { keepsAlive = false }
        beginAnswer(200)
        out.writeStaticString("Content-Type: application/x-ndjson\r\n")
        endHeadOfStream()
        hasBegunStream = true
        flushOut(last: false)
    }

    func sendProgress(_ write: (inout ByteBuffer) -> Void) {
        out.clear()
        appendChunk(write)
        flushOut(last: false)
    }

    func endProgress(_ write: (inout ByteBuffer) -> Void) {
        // After an early end the rest of the body is not read, and cannot be told from a request.
        if !isRequestComplete { keepsAlive = false }
        out.clear()
        appendChunk(write)
        endChunks()
        sendAnswer()
    }

    private func appendChunk(_ write: (inout ByteBuffer) -> Void) {
        var line = ByteBuffer()
        write(&line)
        beginChunk(bytes: line.readableBytes)
        out.writeImmutableBuffer(line)
        endChunk()
    }
}
