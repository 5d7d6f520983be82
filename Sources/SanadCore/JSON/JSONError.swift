/// Why bytes are not the JSON that was asked for, and where.
public struct JSONError: Error, Equatable, Sendable {
    public enum Reason: UInt8, Equatable, Sendable {
        case unexpectedEnd
        case unexpectedByte
        case trailingBytes
        case controlCharacter
        case badEscape
        case loneSurrogate
        case invalidUTF8
        case badNumber
        case tooDeep
        case objectExpected
        case arrayExpected
        case stringExpected
        case unknownMember
        case duplicateMember
        case missingMember
        case badOperation
        case badCollection
        case badKey
        case valueOfDelete
        case valueTooLarge
        case noMutations
        case tooManyMutations
        case transactionTooLarge
        case tooManyConditions
        case badExpectation
    }

    /// Byte offset, from 0, in the bytes that were scanned.
    public var offset: Int
    public var reason: Reason

    public init(offset: Int, reason: Reason) {
        self.offset = offset
        self.reason = reason
    }

    /// True when the bytes are well formed but larger than a limit.
    public var isTooLarge: Bool {
        switch reason {
        case .valueTooLarge, .tooManyMutations, .transactionTooLarge, .tooManyConditions: true
        default: false
        }
    }

    /// A sentence for the person who wrote the bytes, without the offset.
    public var message: String {
        switch reason {
        case .unexpectedEnd: "the JSON ends too early"
        case .unexpectedByte: "a byte that JSON does not allow here"
        case .trailingBytes: "bytes after the end of the JSON value"
        case .controlCharacter: "a control character inside a string; it must be escaped"
        case .badEscape: "an escape that JSON does not know"
        case .loneSurrogate: "half of a surrogate pair"
        case .invalidUTF8: "bytes that are not UTF-8"
        case .badNumber: "a malformed number"
        case .tooDeep: "nested deeper than \(Limits.jsonDepthMaximum) levels"
        case .objectExpected: "an object was expected"
        case .arrayExpected: "an array was expected"
        case .stringExpected: "a string was expected"
        case .unknownMember: "a member that this document does not have"
        case .duplicateMember: "a member that is there twice"
        case .missingMember: "a member is missing"
        case .badOperation: "\"op\" must be \"put\" or \"delete\""
        case .badCollection: "a collection is named [a-z][a-z0-9_-]{0,62}"
        case .badKey:
            "a key has 1 to \(Limits.keyBytesMaximum) bytes of UTF-8 and no control characters"
        case .valueOfDelete: "a delete has no \"value\""
        case .valueTooLarge: "a value has at most \(Limits.valueBytesMaximum) bytes"
        case .noMutations: "a transaction has at least one mutation"
        case .tooManyMutations:
            "a transaction has at most \(Limits.transactionMutationsMaximum) mutations"
        case .transactionTooLarge:
            "a transaction has at most \(Limits.transactionBytesMaximum) bytes"
        case .tooManyConditions:
            "a transaction has at most \(Limits.transactionConditionsMaximum) conditions"
        case .badExpectation: "\"if\" must be \"absent\", \"present\" or a sequence number"
        }
    }
}
