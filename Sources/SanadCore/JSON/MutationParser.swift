/// Reads `{"op":"put|delete","collection":…,"key":…,"value":…}`, one bulk line or one element of a
/// transaction.
///
/// It owns the room for the names' decoded escapes, so one parser serves a whole stream.
public struct MutationParser: ~Copyable {
    private let keyScratch: UnsafeMutableRawBufferPointer
    private let nameScratch: UnsafeMutableRawBufferPointer

    /// The longest member name that is of use, and one byte more.
    static let nameScratchBytes = Limits.collectionBytesMaximum + 1

    public init() {
        keyScratch = .allocate(byteCount: Limits.keyBytesMaximum + 1, alignment: 1)
        nameScratch = .allocate(byteCount: Self.nameScratchBytes, alignment: 1)
    }

    deinit {
        keyScratch.deallocate()
        nameScratch.deallocate()
    }

    /// Reads one line, white space around the object allowed.
    ///
    /// - Returns: slices of `line` and of this parser's memory, valid until the next call.
    public mutating func parse(
        line: UnsafeRawBufferPointer
    ) throws(JSONError) -> MutationView {
        var scanner = JSONScanner(line)
        let mutation = try parse(&scanner)
        try scanner.expectEnd()
        return mutation
    }

    /// Reads the object at the scanner's position.
    mutating func parse(_ scanner: inout JSONScanner) throws(JSONError) -> MutationView {
        try scanner.expect(UInt8(ascii: "{"), else: .objectExpected)
        let start = scanner.position - 1
        var operation: Operation?
        var collection: UnsafeRawBufferPointer?
        var key: UnsafeRawBufferPointer?
        var value: (bytes: UnsafeRawBufferPointer, offset: Int)?
        while true {
            switch try memberName(&scanner) {
            case .operation:
                guard operation == nil else { throw scanner.error(.duplicateMember) }
                operation = try self.operation(&scanner)
            case .collection:
                guard collection == nil else { throw scanner.error(.duplicateMember) }
                collection = try self.collection(&scanner)
            case .key:
                guard key == nil else { throw scanner.error(.duplicateMember) }
                key = try self.key(&scanner)
            case .value:
                guard value == nil else { throw scanner.error(.duplicateMember) }
                value = try self.value(&scanner)
            case nil: throw scanner.error(.unknownMember)
            }
            if try scanner.endsObject() { break }
        }
        guard let operation, let collection, let key else {
            throw JSONError(offset: start, reason: .missingMember)
        }
        switch (operation, value) {
        case (.put, nil): throw JSONError(offset: start, reason: .missingMember)
        case (.delete, let value?): throw JSONError(offset: value.offset, reason: .valueOfDelete)
        default: break
        }
        return MutationView(
            operation: operation, collection: collection, key: key,
            value: value?.bytes ?? UnsafeRawBufferPointer(start: nil, count: 0))
    }

    private enum Member {
        case operation
        case collection
        case key
        case value
    }

    private func memberName(_ scanner: inout JSONScanner) throws(JSONError) -> Member? {
        let name = try scanner.string(decodingInto: nameScratch)
        let member: Member? =
            switch name.count {
            case 2 where name.equals("op"): .operation
            case 3 where name.equals("key"): .key
            case 5 where name.equals("value"): .value
            case 10 where name.equals("collection"): .collection
            default: nil
            }
        try scanner.expect(UInt8(ascii: ":"))
        return member
    }

    private func operation(_ scanner: inout JSONScanner) throws(JSONError) -> Operation {
        _ = try scanner.nextSignificant()
        let start = scanner.position
        let text = try scanner.string(decodingInto: nameScratch)
        if text.equals("put") { return .put }
        if text.equals("delete") { return .delete }
        throw JSONError(offset: start, reason: .badOperation)
    }

    /// Reads a collection's name; one with an escape has its name in memory that the next member
    /// would overwrite, and no allowed name needs one, so it is refused.
    func collection(_ scanner: inout JSONScanner) throws(JSONError) -> UnsafeRawBufferPointer {
        _ = try scanner.nextSignificant()
        let start = scanner.position
        guard try !scanner.skipString() else {
            throw JSONError(offset: start, reason: .badCollection)
        }
        let text = scanner.bytes.part(start + 1, scanner.position - start - 2)
        guard RecordNames.isCollection(text) else {
            throw JSONError(offset: start, reason: .badCollection)
        }
        return text
    }

    func key(_ scanner: inout JSONScanner) throws(JSONError) -> UnsafeRawBufferPointer {
        _ = try scanner.nextSignificant()
        let start = scanner.position
        let text = try scanner.string(decodingInto: keyScratch)
        guard RecordNames.isKey(text) else { throw JSONError(offset: start, reason: .badKey) }
        return text
    }

    private func value(
        _ scanner: inout JSONScanner
    ) throws(JSONError) -> (bytes: UnsafeRawBufferPointer, offset: Int) {
        _ = try scanner.nextSignificant()
        let start = scanner.position
        try scanner.skipValue()
        guard scanner.position - start <= Limits.valueBytesMaximum else {
            throw JSONError(offset: start, reason: .valueTooLarge)
        }
        return (scanner.bytes.part(start, scanner.position - start), start)
    }
}

extension JSONScanner {
    /// An error at the scanner's position.
    func error(_ reason: JSONError.Reason) -> JSONError {
        JSONError(offset: position, reason: reason)
    }

    /// Moves behind the comma or the brace after a member.
    ///
    /// - Returns: true when the object has ended.
    mutating func endsObject() throws(JSONError) -> Bool {
        try ends(with: UInt8(ascii: "}"))
    }

    /// Moves behind the comma or the `closing` bracket after an element.
    mutating func ends(with closing: UInt8) throws(JSONError) -> Bool {
        let byte = try nextSignificant()
        guard byte == closing || byte == UInt8(ascii: ",") else {
            throw error(.unexpectedByte)
        }
        position += 1
        return byte == closing
    }
}

extension UnsafeRawBufferPointer {
    /// True when the bytes are those of an ASCII `text`.
    @inline(__always)
    func equals(_ text: StaticString) -> Bool {
        guard count == text.utf8CodeUnitCount else { return false }
        for index in 0..<count where self[index] != text.utf8Start[index] { return false }
        return true
    }
}
