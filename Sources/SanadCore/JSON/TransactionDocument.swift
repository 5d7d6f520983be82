/// The body of `POST /v1/transactions`:
/// `{"mutations":[{"op":…,"collection":…,"key":…,"value":…}…],"conditions":[{"collection":…,
/// "key":…,"if":"absent"|"present"|<sequence>}…]}`.
public struct TransactionDocument: Sendable {
    /// What must hold of one record.
    public struct Expectation: Equatable, Sendable {
        public enum State: Equatable, Sendable {
            case absent
            case present
            case sequence(Sequence)
        }

        public var collection: [UInt8]
        public var key: [UInt8]
        public var state: State
    }

    public private(set) var transaction: TransactionBytes
    public private(set) var expectations: [Expectation] = []

    /// Reads a document; values are kept byte for byte.
    public init(parsing bytes: UnsafeRawBufferPointer) throws(JSONError) {
        transaction = TransactionBytes(reservingBytes: bytes.count)
        var scanner = JSONScanner(bytes)
        var parser = MutationParser()
        var (hasMutations, hasConditions) = (false, false)
        try scanner.expect(UInt8(ascii: "{"), else: .objectExpected)
        repeat {
            let name = try Self.memberName(&scanner)
            if name.equals("mutations") {
                guard !hasMutations else { throw scanner.error(.duplicateMember) }
                hasMutations = true
                try parseMutations(&scanner, &parser)
            } else if name.equals("conditions") {
                guard !hasConditions else { throw scanner.error(.duplicateMember) }
                hasConditions = true
                try parseConditions(&scanner, parser)
            } else {
                throw scanner.error(.unknownMember)
            }
        } while try !scanner.endsObject()
        try scanner.expectEnd()
        guard hasMutations else { throw JSONError(offset: 0, reason: .missingMember) }
    }

    /// Reads a name and its colon. A name with an escape is none that a document here has.
    private static func memberName(
        _ scanner: inout JSONScanner
    ) throws(JSONError) -> UnsafeRawBufferPointer {
        _ = try scanner.nextSignificant()
        let start = scanner.position
        try scanner.skipString()
        let name = scanner.bytes.part(start + 1, scanner.position - start - 2)
        try scanner.expect(UInt8(ascii: ":"))
        return name
    }

    private mutating func parseMutations(
        _ scanner: inout JSONScanner, _ parser: inout MutationParser
    ) throws(JSONError) {
        try scanner.expect(UInt8(ascii: "["), else: .arrayExpected)
        if try scanner.nextSignificant() == UInt8(ascii: "]") {
            throw scanner.error(.noMutations)
        }
        repeat {
            _ = try scanner.nextSignificant()
            let start = scanner.position
            let mutation = try parser.parse(&scanner)
            guard transaction.mutationCount < Limits.transactionMutationsMaximum else {
                throw JSONError(offset: start, reason: .tooManyMutations)
            }
            let added = TransactionBytes.encodedBytes(
                collection: mutation.collection.count, key: mutation.key.count,
                value: mutation.value.count)
            guard transaction.byteCount + added <= Limits.transactionBytesMaximum else {
                throw JSONError(offset: start, reason: .transactionTooLarge)
            }
            transaction.append(
                mutation.operation, collection: mutation.collection, key: mutation.key,
                value: mutation.value)
        } while try !scanner.ends(with: UInt8(ascii: "]"))
    }

    private mutating func parseConditions(
        _ scanner: inout JSONScanner, _ parser: borrowing MutationParser
    ) throws(JSONError) {
        try scanner.expect(UInt8(ascii: "["), else: .arrayExpected)
        if try scanner.nextSignificant() == UInt8(ascii: "]") {
            scanner.position += 1
            return
        }
        repeat {
            guard expectations.count < Limits.transactionConditionsMaximum else {
                throw scanner.error(.tooManyConditions)
            }
            expectations.append(try Self.expectation(&scanner, parser))
        } while try !scanner.ends(with: UInt8(ascii: "]"))
    }

    private static func expectation(
        _ scanner: inout JSONScanner, _ parser: borrowing MutationParser
    ) throws(JSONError) -> Expectation {
        try scanner.expect(UInt8(ascii: "{"), else: .objectExpected)
        let start = scanner.position - 1
        var collection: [UInt8]?
        var key: [UInt8]?
        var state: Expectation.State?
        repeat {
            let name = try memberName(&scanner)
            if name.equals("collection") {
                guard collection == nil else { throw scanner.error(.duplicateMember) }
                collection = Array(try parser.collection(&scanner))
            } else if name.equals("key") {
                guard key == nil else { throw scanner.error(.duplicateMember) }
                key = Array(try parser.key(&scanner))
            } else if name.equals("if") {
                guard state == nil else { throw scanner.error(.duplicateMember) }
                state = try self.state(&scanner)
            } else {
                throw scanner.error(.unknownMember)
            }
        } while try !scanner.endsObject()
        guard let collection, let key, let state else {
            throw JSONError(offset: start, reason: .missingMember)
        }
        return Expectation(collection: collection, key: key, state: state)
    }

    private static func state(
        _ scanner: inout JSONScanner
    ) throws(JSONError) -> Expectation.State {
        _ = try scanner.nextSignificant()
        let start = scanner.position
        try scanner.skipValue()
        let text = scanner.bytes.part(start, scanner.position - start)
        if text.equals("\"absent\"") { return .absent }
        if text.equals("\"present\"") { return .present }
        guard let sequence = DecimalNumber.parse(text), sequence > 0 else {
            throw JSONError(offset: start, reason: .badExpectation)
        }
        return .sequence(Sequence(sequence))
    }
}

/// Whole numbers in decimal digits, as headers, parameters and documents have them.
public enum DecimalNumber {
    /// The number, or nil when the bytes are not 1 to 20 digits that fit.
    public static func parse(_ bytes: UnsafeRawBufferPointer) -> UInt64? {
        guard (1...20).contains(bytes.count) else { return nil }
        var number: UInt64 = 0
        for byte in bytes {
            guard JSONScanner.isDigit(byte) else { return nil }
            let (product, overflow) = number.multipliedReportingOverflow(by: 10)
            let (sum, carry) = product.addingReportingOverflow(UInt64(byte - UInt8(ascii: "0")))
            guard !overflow, !carry else { return nil }
            number = sum
        }
        return number
    }
}
