// The witness's questions and answers on the wire. Byte table: `docs/formats/wire.md`.

extension ArbiterRequest {
    private enum Tag: UInt8 {
        case read = 1
        case renew, change, release
    }

    func encode(into bytes: inout [UInt8]) {
        bytes.append(identifier: cluster)
        bytes.append(shortText: identity.node.text)
        bytes.append(identifier: identity.store)
        bytes.appendInteger(sent.nanoseconds)
        bytes.appendInteger(wait.nanoseconds)
        switch kind {
        case .read: bytes.append(Tag.read.rawValue)
        case .renew(let epoch, let committed):
            bytes.append(Tag.renew.rawValue)
            bytes.appendInteger(epoch.value)
            bytes.appendInteger(committed.value)
        case .change(let expected, let record, let committed):
            bytes.append(Tag.change.rawValue)
            bytes.appendInteger(expected)
            record.encode(into: &bytes)
            bytes.appendInteger(committed.value)
        case .release(let epoch):
            bytes.append(Tag.release.rawValue)
            bytes.appendInteger(epoch.value)
        }
    }

    init(from reader: inout ByteReader) throws(MessageError) {
        cluster = try reader.identifier()
        identity = StoreIdentity(node: try reader.nodeName(), store: try reader.identifier())
        sent = Instant(nanoseconds: try reader.integer())
        wait = Span(nanoseconds: try reader.integer())
        guard wait <= Limits.grantWaitMaximum else { throw .malformed("the wait is too long") }
        let tag = try reader.integer(UInt8.self)
        switch Tag(rawValue: tag) {
        case .read?: kind = .read
        case .renew?:
            kind = .renew(
                epoch: Epoch(try reader.integer()), committed: Sequence(try reader.integer()))
        case .change?:
            kind = .change(
                expected: try reader.integer(), record: try ClusterRecord(from: &reader),
                committed: Sequence(try reader.integer()))
        case .release?: kind = .release(epoch: Epoch(try reader.integer()))
        case nil: throw .unknownType(tag)
        }
    }
}

extension ArbiterAnswer {
    private enum Tag: UInt8 {
        case seen = 1
        case granted, changed, outdated, leaseHeld, refused
    }

    func encode(into bytes: inout [UInt8]) {
        bytes.appendInteger(echo.nanoseconds)
        let tag: Tag =
            switch outcome {
            case .seen: .seen
            case .granted: .granted
            case .changed: .changed
            case .outdated: .outdated
            case .leaseHeld: .leaseHeld
            case .refused: .refused
            }
        bytes.append(tag.rawValue)
        if case .refused(let reason) = outcome { bytes.append(shortText: reason) }
        view.record.encode(into: &bytes)
        bytes.appendInteger(view.committed.value)
        bytes.appendInteger(view.remaining.nanoseconds)
    }

    init(from reader: inout ByteReader) throws(MessageError) {
        echo = Instant(nanoseconds: try reader.integer())
        let tag = try reader.integer(UInt8.self)
        switch Tag(rawValue: tag) {
        case .seen?: outcome = .seen
        case .granted?: outcome = .granted
        case .changed?: outcome = .changed
        case .outdated?: outcome = .outdated
        case .leaseHeld?: outcome = .leaseHeld
        case .refused?: outcome = .refused(try reader.shortText())
        case nil: throw .unknownType(tag)
        }
        view = ArbiterView(
            record: try ClusterRecord(from: &reader), committed: Sequence(try reader.integer()),
            remaining: Span(nanoseconds: try reader.integer()))
    }
}
