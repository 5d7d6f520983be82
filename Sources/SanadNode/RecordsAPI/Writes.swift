import NIOCore
import SanadCore

// Writes of one transaction: put, delete, transactions.

extension RecordsConnection {
    func put() {
        var failure: JSONError?
        var transaction = TransactionBytes(
            reservingBytes: 4
                + TransactionBytes.encodedBytes(
                    collection: target.collection.count, key: target.key.count,
                    value: body.readableBytes))
        body.withUnsafeReadableBytes { value in
            do throws(JSONError) {
                try JSONScanner.validate(value)
                append(.put, value, to: &transaction)
            } catch {
                failure = error
            }
        }
        if let failure { return fail(.json(failure)) }
        submit(transaction, conditions: headerConditions)
    }

    func delete() {
        var transaction = TransactionBytes(reservingBytes: 128)
        append(.delete, UnsafeRawBufferPointer(start: nil, count: 0), to: &transaction)
        submit(transaction, conditions: headerConditions)
    }

    private func append(
        _ operation: Operation, _ value: UnsafeRawBufferPointer, to bytes: inout TransactionBytes
    ) {
        target.collection.withUnsafeBytes { collection in
            target.key.withUnsafeBytes { key in
                bytes.append(operation, collection: collection, key: key, value: value)
            }
        }
    }

    /// What `If-Match` and `If-None-Match` ask of the record; nil when it cannot be asked.
    private var headerConditions: [Condition]? {
        guard headers.ifMatch != nil || headers.ifNoneMatch != nil else { return [] }
        var conditions: [Condition] = []
        switch headers.ifMatch {
        case .any: conditions.append(condition(.present))
        case .sequence(let sequence): conditions.append(condition(.sequence(sequence)))
        case nil: break
        }
        switch headers.ifNoneMatch {
        case .any: conditions.append(condition(.absent))
        case .sequence: return nil
        case nil: break
        }
        return conditions
    }

    private func condition(_ expectation: Condition.Expectation) -> Condition {
        Condition(collection: target.collection, key: target.key, expectation: expectation)
    }

    func commitTransaction() {
        var outcome = Result<TransactionDocument, JSONError>.failure(
            JSONError(offset: 0, reason: .unexpectedEnd))
        body.withUnsafeReadableBytes { bytes in
            do throws(JSONError) {
                outcome = .success(try TransactionDocument(parsing: bytes))
            } catch {
                outcome = .failure(error)
            }
        }
        switch outcome {
        case .failure(let error): fail(.json(error))
        case .success(let document):
            guard headers.ifMatch == nil, headers.ifNoneMatch == nil else {
                return fail(.badRequest("The conditions of a transaction stand in its body."))
            }
            submit(document.transaction, conditions: document.expectations.map(Condition.init))
        }
    }

    private func submit(_ transaction: TransactionBytes, conditions: [Condition]?) {
        guard let conditions else {
            return fail(.badRequest("If-None-Match of a write can only be *."))
        }
        // The value is in the transaction now; the body's memory is free for others.
        releaseBody()
        do throws(SubmitRefusal) {
            try loop.submit(
                transaction, conditions: conditions, idempotencyKey: headers.idempotencyKey,
                for: self, mark: requestNumber)
        } catch {
            fail(.refusal(error))
        }
    }

    /// Called on the loop with what became of a write.
    func writeEnded(_ outcome: WriteOutcome, mark: UInt64) {
        if let bulk {
            bulk.transactionEnded(outcome, number: mark)
            return
        }
        guard phase == .answering, mark == requestNumber, context != nil else { return }
        switch outcome {
        case .committed(let epoch, let sequence, let durability):
            answerCommitted(epoch, sequence, durability, repeated: false)
        case .repeated(let epoch, let sequence, let durability):
            answerCommitted(epoch, sequence, durability, repeated: true)
        default: fail(.write(outcome))
        }
    }

    private func answerCommitted(
        _ epoch: Epoch, _ sequence: Sequence, _ durability: Durability, repeated: Bool
    ) {
        let place: StaticString = durability == .bothSites ? "both-sites" : "one-site"
        beginAnswer(200)
        out.writeStaticString("Content-Type: application/json\r\nETag: \"")
        out.writeDecimal(sequence.value)
        out.writeStaticString("\"\r\n")
        if repeated { out.writeStaticString("Sanad-Repeated: true\r\n") }
        // The constant parts of the body have 38 bytes.
        endHead(
            length: 38 + decimalDigits(epoch.value) + decimalDigits(sequence.value)
                + place.utf8CodeUnitCount)
        out.writeStaticString("{\"epoch\":")
        out.writeDecimal(epoch.value)
        out.writeStaticString(",\"sequence\":")
        out.writeDecimal(sequence.value)
        out.writeStaticString(",\"durability\":\"")
        out.writeStaticString(place)
        out.writeStaticString("\"}")
        sendAnswer()
    }
}

extension Problem {
    /// The problem of a write that was not acknowledged.
    static func write(_ outcome: WriteOutcome) -> Problem {
        switch outcome {
        case .committed, .repeated: preconditionFailure("an acknowledged write is no problem")
        case .conditionFailed(let index, let current):
            conditionFailed(index: index, current: current)
        case .keyReused(let sequence): keyReused(sequence)
        case .notPrimary(let hint, let reason): notPrimary(hint, reason: reason)
        case .unknown(let hint, let reason): unknownOutcome(hint, reason: reason)
        case .failed(let reason):
            Problem(503, "store-failed", "The store failed", reason).retrying(afterSeconds: 1)
        }
    }
}

extension Condition {
    init(_ expectation: TransactionDocument.Expectation) {
        let state: Expectation =
            switch expectation.state {
            case .absent: .absent
            case .present: .present
            case .sequence(let sequence): .sequence(sequence)
            }
        self.init(
            collection: expectation.collection, key: expectation.key, expectation: state)
    }
}
