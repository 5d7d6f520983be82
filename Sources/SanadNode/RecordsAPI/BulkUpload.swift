import Glibc
import NIOCore
import SanadCore

/// One `POST /v1/bulk`: cuts the body into lines, the lines into transactions, and keeps a bounded
/// number of them under way.
///
/// The lines before a bad one are still written, so that the answer names exactly where to go on.
final class BulkUpload {
    private unowned let connection: RecordsConnection
    private let loop: RecordsLoop
    private let reportsProgress: Bool
    private var parser = MutationParser()
    private var transaction = TransactionBytes()
    /// Bytes of a line whose end has not come.
    private var partialLine: [UInt8] = []
    /// Received and not looked at, since too much is under way.
    private var input = ByteBuffer()
    private var isEnded = false
    private var progress = BulkProgress()
    /// Lines of each transaction under way, by its number; outcomes may come in any order.
    private var underWay: [UInt64: Int] = [:]
    private var nextNumber: UInt64 = 0
    private var problem: Problem?
    private var hasAnswered = false
    private var queueFullSince: NIODeadline?
    private var isRetryPlanned = false
    private var windowStart: NIODeadline
    private var windowBytes = 0

    /// A value, its names with every byte escaped, and the punctuation.
    static let lineBytesMaximum = Limits.valueBytesMaximum + (16 << 10)
    /// A client must send this much in each `requestTotal`: less is taken for an attack.
    static let windowBytesMinimum = 4 << 10

    init(connection: RecordsConnection, reportsProgress: Bool) {
        self.connection = connection
        loop = connection.loop
        self.reportsProgress = reportsProgress
        windowStart = loop.now
        partialLine.reserveCapacity(4_096)
    }

    /// Whether no more input can be taken now.
    var isFull: Bool { input.readableBytes > 0 }

    func start() {
        guard reportsProgress else { return }
        connection.beginProgress()
    }

    func cancel() { problem = problem ?? .stopping }

    func receive(_ bytes: ByteBuffer) {
        windowBytes += bytes.readableBytes
        guard problem == nil else { return }
        if input.readableBytes == 0 {
            input = bytes
        } else {
            input.writeImmutableBuffer(bytes)
        }
        consume()
    }

    /// The socket has no more at the moment: what is gathered goes out if nothing is under way, so
    /// that a slow sender's lines do not wait for a full transaction.
    func inputPaused() {
        guard problem == nil, underWay.isEmpty, input.readableBytes == 0 else { return }
        _ = submit()
    }

    func end() {
        isEnded = true
        consume()
    }

    /// Works through the input as far as the transactions under way allow.
    private func consume() {
        while problem == nil, input.readableBytes > 0, hasRoom {
            takeLines()
        }
        guard problem == nil, input.readableBytes == 0, isEnded else { return finishIfDone() }
        if !partialLine.isEmpty {
            guard hasRoom else { return }
            takePartialLine()
        }
        if problem == nil, hasRoom { _ = submit() }
        finishIfDone()
    }

    /// Room for the next transaction, once the one that is being gathered is full.
    private var hasRoom: Bool {
        isTransactionFull ? submit() : true
    }

    private var isTransactionFull: Bool {
        transaction.mutationCount >= Limits.bulkTransactionLinesMaximum
            || transaction.byteCount >= Limits.bulkTransactionBytesMaximum
    }

    /// Takes whole lines from the input until it ends or the transaction is full.
    private func takeLines() {
        // A problem empties `input` while its bytes are looked at, hence the second reference.
        let bytes = input
        let consumed = bytes.withUnsafeReadableBytes { bytes -> Int in
            var start = 0
            while problem == nil, !isTransactionFull, start < bytes.count {
                let rest = UnsafeRawBufferPointer(rebasing: bytes[start...])
                guard let length = rest.offset(of: 0x0A) else {
                    keepPartial(rest)
                    return bytes.count
                }
                start += length + 1
                let end = UnsafeRawBufferPointer(rebasing: rest[..<length])
                if partialLine.isEmpty {
                    take(line: end)
                } else {
                    keepPartial(end)
                    guard problem == nil else { break }
                    takePartialLine()
                }
            }
            return start
        }
        if problem == nil { input.moveReaderIndex(forwardBy: consumed) }
    }

    private func takePartialLine() {
        let line = partialLine
        partialLine = []
        line.withUnsafeBytes { take(line: $0) }
    }

    private func keepPartial(_ bytes: UnsafeRawBufferPointer) {
        guard partialLine.count + bytes.count <= Self.lineBytesMaximum else {
            progress.linesRead += 1
            return stop(
                .tooLarge("A line has at most \(Self.lineBytesMaximum) bytes.")
                    .with("line", .number(progress.linesRead)))
        }
        partialLine.append(contentsOf: bytes)
    }

    private func take(line: UnsafeRawBufferPointer) {
        progress.linesRead += 1
        if line.isEmpty || line.allSatisfy({ $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }) { return }
        do throws(JSONError) {
            let mutation = try parser.parse(line: line)
            transaction.append(
                mutation.operation, collection: mutation.collection, key: mutation.key,
                value: mutation.value)
            progress.linesGathered = progress.linesRead
        } catch {
            var problem = Problem.json(error).with("line", .number(progress.linesRead))
            problem.detail = "Line \(progress.linesRead), byte \(error.offset): \(error.message)."
            stop(problem)
        }
    }

    /// Ends the upload with a problem; the lines before it are still written.
    private func stop(_ problem: Problem) {
        _ = submit(beforeProblem: true)
        self.problem = problem
        input = ByteBuffer()
        partialLine = []
    }
}

extension BulkUpload {
    /// Submits what is gathered.
    ///
    /// - Parameter beforeProblem: these are the last lines, so the bound on what is under way may
    ///   be passed by one.
    /// - Returns: false when it has to wait.
    private func submit(beforeProblem: Bool = false) -> Bool {
        guard transaction.mutationCount > 0 else { return true }
        guard beforeProblem || underWay.count < Limits.bulkTransactionsInFlightMaximum else {
            return false
        }
        do throws(SubmitRefusal) {
            try loop.submit(
                transaction, conditions: [], idempotencyKey: nil, for: connection,
                mark: nextNumber)
        } catch .queueFull where !beforeProblem {
            planRetry()
            return false
        } catch {
            problem = .refusal(error)
            input = ByteBuffer()
            return false
        }
        queueFullSince = nil
        underWay[nextNumber] = transaction.mutationCount
        progress.submitted(nextNumber, lines: progress.linesGathered)
        nextNumber += 1
        transaction = TransactionBytes(reservingBytes: min(transaction.byteCount, 512 << 10))
        return true
    }

    /// The commit queue is full: its own transactions' outcomes come first, or a short time passes.
    private func planRetry() {
        let time = NIODeadline.now()
        let since = queueFullSince ?? time
        queueFullSince = since
        guard time - since < .nanoseconds(Int64(Limits.writeTimeout.nanoseconds)) else {
            problem = .queueFull
            input = ByteBuffer()
            return
        }
        guard underWay.isEmpty, !isRetryPlanned else { return }
        isRetryPlanned = true
        loop.eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(5)) { [weak self] in
            self?.isRetryPlanned = false
            self?.goOn()
        }
    }

    func transactionEnded(_ outcome: WriteOutcome, number: UInt64) {
        guard underWay.removeValue(forKey: number) != nil else { return }
        switch outcome {
        case .committed(let epoch, let sequence, let durability),
            .repeated(let epoch, let sequence, let durability):
            progress.committed(number, epoch, sequence, durability)
        default:
            // The lines after a transaction that failed are not counted as committed: they do not
            // follow on.
            if problem == nil {
                problem = .write(outcome)
                input = ByteBuffer()
            }
        }
        goOn()
    }

    private func goOn() {
        guard !hasAnswered, connection.context != nil else { return }
        consume()
        guard !hasAnswered else { return }
        connection.pumpAfterBulkPause()
    }

    /// Answers once everything under way has ended.
    private func finishIfDone() {
        guard underWay.isEmpty, !hasAnswered, connection.context != nil else { return }
        let isDone =
            isEnded && input.readableBytes == 0 && partialLine.isEmpty
            && transaction.mutationCount == 0
        guard problem != nil || isDone else { return }
        hasAnswered = true
        if let problem {
            let told = progress.describe(problem)
            if reportsProgress {
                connection.endProgress { progress.writeProblemLine(told, into: &$0) }
            } else {
                connection.fail(told)
            }
        } else if reportsProgress {
            connection.endProgress { progress.writeLine(isDone: true, into: &$0) }
        } else {
            var summary = ByteBuffer()
            progress.writeSummary(into: &summary)
            connection.answer(200, contentType: "application/json", body: summary)
        }
    }

    /// Reports, and enforces that the client sends: nothing for a while, or next to nothing for
    /// long, ends the upload. The time in which this node did not read does not count.
    func tick(_ now: NIODeadline) {
        if reportsProgress, !hasAnswered {
            connection.sendProgress { progress.writeLine(isDone: false, into: &$0) }
        }
        guard problem == nil, !isEnded else { return }
        guard connection.isReading else {
            windowStart = now
            windowBytes = 0
            return
        }
        let isSilent = now - connection.lastByte > loop.limits.requestIdle
        let isWindowOver = now - windowStart > loop.limits.requestTotal
        if isSilent || (isWindowOver && windowBytes < Self.windowBytesMinimum) {
            stop(Problem.slowBulk)
            finishIfDone()
        } else if isWindowOver {
            windowStart = now
            windowBytes = 0
        }
    }
}

extension UnsafeRawBufferPointer {
    /// Where `byte` first stands. The C library looks at many bytes at once.
    fileprivate func offset(of byte: UInt8) -> Int? {
        guard let start = baseAddress, let found = memchr(start, Int32(byte), count) else {
            return nil
        }
        return UnsafeRawPointer(found) - start
    }
}

extension Problem {
    fileprivate static let slowBulk = Problem(
        408, "slow-request", "The request came too slowly",
        "The lines that came in whole were written."
    ).closing
}
