/// What a mutation does to its record.
public enum Operation: UInt8, Sendable {
    case put = 1
    case delete = 2
}

/// One record's change, as a view into bytes that somebody else owns.
///
/// The slices are valid only inside the call that handed the mutation out.
public struct MutationView {
    public var operation: Operation
    public var collection: UnsafeRawBufferPointer
    public var key: UnsafeRawBufferPointer
    /// Verbatim bytes of the JSON value; empty for a delete.
    public var value: UnsafeRawBufferPointer

    public init(
        operation: Operation, collection: UnsafeRawBufferPointer, key: UnsafeRawBufferPointer,
        value: UnsafeRawBufferPointer
    ) {
        self.operation = operation
        self.collection = collection
        self.key = key
        self.value = value
    }
}

/// The encoded mutations of one transaction, built up by an edge and copied once into a frame.
///
/// Layout: `docs/formats/segment.md`, "Transaction".
public struct TransactionBytes: Sendable {
    /// The transaction header (4 bytes, the count) and its mutations.
    public private(set) var bytes: [UInt8]
    public private(set) var mutationCount: Int

    /// Bytes before a mutation's names and value.
    static let mutationHeaderBytes = 8

    public init(reservingBytes capacity: Int = 256) {
        bytes = []
        bytes.reserveCapacity(capacity)
        bytes.append(contentsOf: [0, 0, 0, 0])
        mutationCount = 0
    }

    /// Encoded size in bytes.
    public var byteCount: Int { bytes.count }

    /// The size that a mutation adds, in bytes.
    public static func encodedBytes(collection: Int, key: Int, value: Int) -> Int {
        mutationHeaderBytes + collection + key + value
    }

    /// Adds one mutation.
    ///
    /// - Precondition: names and value are inside `Limits`; the edge has answered the client
    ///   otherwise already.
    public mutating func append(
        _ operation: Operation, collection: UnsafeRawBufferPointer, key: UnsafeRawBufferPointer,
        value: UnsafeRawBufferPointer
    ) {
        precondition((1...Limits.collectionBytesMaximum).contains(collection.count))
        precondition((1...Limits.keyBytesMaximum).contains(key.count))
        precondition(value.count <= Limits.valueBytesMaximum)
        precondition(mutationCount < Limits.logTransactionMutationsMaximum)
        mutationCount += 1
        bytes.store(UInt32(mutationCount), at: 0)
        // The mutation's header as one number: a byte, a byte, two bytes, four bytes.
        bytes.appendInteger(
            UInt64(operation.rawValue) | UInt64(collection.count) << 8
                | UInt64(key.count) << 16 | UInt64(value.count) << 32)
        bytes.append(contentsOf: collection)
        bytes.append(contentsOf: key)
        bytes.append(contentsOf: value)
    }

    /// Calls `body` for each mutation, in order.
    public func forEachMutation(_ body: (MutationView) -> Void) {
        bytes.withUnsafeBytes { bytes in
            var offset = 4
            while offset < bytes.count {
                let (view, end) = bytes.mutation(at: offset)
                body(view)
                offset = end
            }
        }
    }

    /// Adds one mutation of whole strings; for tests and tools.
    public mutating func append(
        _ operation: Operation, collection: String, key: String, value: String = ""
    ) {
        var (collection, key, value) = (collection, key, value)
        collection.withUTF8 { collection in
            key.withUTF8 { key in
                value.withUTF8 { value in
                    append(
                        operation, collection: UnsafeRawBufferPointer(collection),
                        key: UnsafeRawBufferPointer(key), value: UnsafeRawBufferPointer(value))
                }
            }
        }
    }
}
