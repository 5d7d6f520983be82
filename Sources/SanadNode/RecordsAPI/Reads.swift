import NIOCore
import NIOHTTP1
import SanadCore
import SanadStore

// Reads: one record, a list, the changes, an export.

/// What a read that had to wait was to do.
struct WaitingRead {
    var goal: RecordsLoop.Goal
    var sequence: Sequence
}

extension RecordsConnection {
    /// The longest that `/v1/changes?wait=` waits, in seconds.
    private static let longPollMaximum: UInt64 = 30

    func startRead() {
        do throws(Problem) {
            if try target.choice("consistency", "committed", "primary"), !loop.gate.hasPrimaryWord {
                throw Problem.notPrimary(
                    loop.gate.primaryHint,
                    reason: "This node has no right to the primary's word now. Ask the primary.")
            }
            if target.route == .changes {
                let after = try target.logPlace("after")
                try checkReached(after)
                let seconds = try target.number("wait", in: 0...Self.longPollMaximum, default: 0)
                if seconds > 0, loop.committed <= after.sequence {
                    return wait(for: .committed, after.sequence.next, Span.seconds(seconds))
                }
            } else {
                let minimum = try target.number(
                    "min_position", in: 0...UInt64(Int64.max), default: 0)
                if minimum > 0, loop.gate.table.applied < Sequence(minimum) {
                    return wait(for: .applied, Sequence(minimum), loop.limits.readWait)
                }
            }
            try performRead()
        } catch {
            fail(error)
        }
    }

    private func wait(for goal: RecordsLoop.Goal, _ sequence: Sequence, _ span: Span) {
        wait = WaitingRead(goal: goal, sequence: sequence)
        loop.wait(self, for: goal, sequence, atMost: span)
    }

    /// Whether the request with this number still waits for a position.
    func waits(_ request: UInt64) -> Bool {
        context != nil && request == requestNumber && wait != nil
    }

    func positionWaitEnded(request: UInt64, reached: Bool) {
        guard waits(request), let waited = wait else { return }
        wait = nil
        // A long poll that saw nothing new answers an empty page.
        guard reached || waited.goal == .committed else {
            return fail(
                Problem(
                    504, "position-not-reached", "This node has not come to that position yet",
                    "Sequence \(waited.sequence) was not applied within "
                        + "\(loop.limits.readWait.seconds) s. Try again, or ask the primary."
                ).with("applied", .number(loop.gate.table.applied.value)))
        }
        do throws(Problem) {
            try performRead()
        } catch {
            fail(error)
        }
    }

    private func performRead() throws(Problem) {
        guard loop.gate.isConsistent else { throw notConsistent }
        switch target.route {
        case .record: getRecord()
        case .list: try list()
        case .changes: try listChanges()
        default: try startExport()
        }
    }

    /// Runs a read on the reading threads; its answer goes to this request or nowhere.
    private func read<Value: Sendable>(
        _ work: @escaping @Sendable (ReadPool) throws -> Value,
        then: @escaping @Sendable (RecordsConnection, Value) -> Void
    ) {
        let request = requestNumber
        let bound = NIOLoopBound(self, eventLoop: loop.eventLoop)
        let accepted = loop.reads.run(on: loop.eventLoop, work) { result in
            let connection = bound.value
            guard connection.context != nil, connection.requestNumber == request else { return }
            switch result {
            // A repair that began meanwhile may have changed what was read half-way.
            case .success where !connection.loop.gate.isConsistent:
                connection.fail(connection.notConsistent)
            case .success(let value): then(connection, value)
            case .failure(is ReadPoolError): connection.fail(.stopping)
            case .failure(let problem as Problem): connection.fail(problem)
            case .failure(let error): connection.fail(.store(error))
            }
        }
        if !accepted { fail(.busy("Too many reads wait for the disk.")) }
    }

    private var notConsistent: Problem {
        .notConsistent(loop.gate.primaryHint, loop.gate.status)
    }

    /// The headers of every answer to a read.
    func writeReadHeaders(_ out: inout ByteBuffer) {
        let status = loop.gate.status
        out.writeStaticString("Sanad-Role: ")
        out.writeString(status.role)
        out.writeStaticString("\r\nSanad-Epoch: ")
        out.writeDecimal(status.epoch)
        out.writeStaticString("\r\n")
        if status.role == "unconfirmed" {
            out.writeStaticString("Sanad-Unconfirmed: true\r\n")
        }
    }
}

// One record.

extension RecordsConnection {
    private func getRecord() {
        let known = target.collection.withUnsafeBytes { collection in
            target.key.withUnsafeBytes { key in
                loop.gate.table.lookupInMemory(collection: collection, key: key)
            }
        }
        switch known {
        case .value(let value, let sequence): answerRecord(value, sequence)
        case .deleted: answerNoRecord()
        case .unknown:
            let (collection, key) = (target.collection, target.key)
            read { pool in
                try pool.withReader { reader in
                    try reader.get(collection: collection, key: key)
                }
            } then: { connection, record in
                if let record {
                    connection.answerRecord(record.value, record.sequence)
                } else {
                    connection.answerNoRecord()
                }
            }
        }
    }

    private func answerRecord(_ value: [UInt8], _ sequence: Sequence) {
        if let match = headers.ifMatch, match != .any, match != .sequence(sequence) {
            return fail(.conditionFailed(index: 0, current: sequence))
        }
        if let match = headers.ifNoneMatch, match == .any || match == .sequence(sequence) {
            beginAnswer(304)
            writeReadHeaders(&out)
            writeETag(sequence)
            out.writeStaticString("\r\n")
            return sendAnswer()
        }
        beginAnswer(200)
        out.writeStaticString("Content-Type: application/json\r\n")
        writeReadHeaders(&out)
        writeETag(sequence)
        endHead(length: value.count)
        if method != .HEAD { out.writeBytes(value) }
        sendAnswer()
    }

    private func answerNoRecord() {
        guard headers.ifMatch == nil else {
            return fail(.conditionFailed(index: 0, current: nil))
        }
        fail(.noRecord)
    }

    private func writeETag(_ sequence: Sequence) {
        out.writeStaticString("ETag: \"")
        out.writeDecimal(sequence.value)
        out.writeStaticString("\"\r\n")
    }
}

// Pages.

extension RecordsConnection {
    private func list() throws(Problem) {
        let limit = try target.number(
            "limit", in: 1...UInt64(Limits.listRowsMaximum),
            default: UInt64(Limits.listRowsDefault))
        let page = ListPage(
            collection: target.collection, prefix: target.parameter("prefix") ?? [],
            after: target.parameter("after"), limit: Int(limit))
        read { pool in
            try pool.withReader { try page.read($0) }
        } then: { connection, body in
            connection.answer(200, contentType: "application/json", body: body) { out in
                connection.writeReadHeaders(&out)
            }
        }
    }

    /// Refuses a place that the primary's log does not reach; a standby's may do so later.
    private func checkReached(_ after: LogPlace) throws(Problem) {
        let status = loop.gate.status
        // The log's end, since a new primary commits a moment later what the former one had.
        let end = max(Sequence(max(status.logEnd.sequence, status.committed)), loop.committed)
        guard status.role == "primary", loop.gate.isWritable, after.sequence > end else { return }
        throw Problem.beyondTheLog(after, end: end)
    }

    private func listChanges() throws(Problem) {
        let after = try target.logPlace("after")
        try checkReached(after)
        let limit = try target.number(
            "limit", in: 1...ChangesPage.limitMaximum, default: ChangesPage.limitDefault)
        let page = ChangesPage(
            after: after, limit: limit, committed: loop.committed)
        read { pool in
            try page.read(pool.gate.makeLogReader())
        } then: { connection, changes in
            connection.answer(
                200, contentType: "application/x-ndjson", body: changes.lines
            ) { out in
                connection.writeReadHeaders(&out)
                out.writeString("Sanad-Sequence: \(changes.last)\r\n")
                if let epoch = changes.epoch {
                    out.writeString("Sanad-Position: \(epoch)/\(changes.last)\r\n")
                }
                out.writeString("Sanad-Committed: \(page.committed)\r\n")
            }
        }
    }

    private func startExport() throws(Problem) {
        var collection: [UInt8]?
        if let name = target.parameter("collection") {
            guard name.withUnsafeBytes(RecordNames.isCollection) else {
                throw Problem.badCollection
            }
            collection = name
        }
        let stream = ExportStream(connection: self, collection: collection)
        guard loop.reads.runExport({ stream.run($0) }) else {
            throw Problem.busy("\(ReadPool.exportsMaximum) exports run already.")
        }
        export = stream
    }
}
