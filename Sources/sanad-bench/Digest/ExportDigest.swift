import SanadCore

/// SHA-256 over live records in byte order of (collection, key), each as
/// `collection TAB key TAB value LF`, the value's bytes as they stand.
///
/// The records of the chosen collections are held in memory: this is a check for a demo and for
/// tests, not for a whole store.
struct ExportDigest {
    private var text: [UInt8] = []
    private var remainder: [UInt8] = []
    private let collections: Set<[UInt8]>
    private var previous: (collection: [UInt8], key: [UInt8]) = ([], [])
    private(set) var counts: [String: UInt64] = [:]

    /// - Parameter collections: which to take; empty means all.
    init(collections: [String]) {
        self.collections = Set(collections.map { Array($0.utf8) })
    }

    mutating func add(_ bytes: UnsafeRawBufferPointer) throws {
        remainder.append(contentsOf: bytes)
        guard let last = remainder.lastIndex(of: 0x0A) else { return }
        for line in remainder[..<last].split(separator: 0x0A) { try add(line: line) }
        remainder.removeFirst(last + 1)
    }

    private mutating func add(line: ArraySlice<UInt8>) throws {
        let record = try ExportLine(line)
        guard collections.isEmpty || collections.contains(record.collection) else { return }
        guard record.isPut else { throw Failure("an export with a delete in it") }
        let isInOrder =
            previous.collection == record.collection
            ? previous.key.lexicographicallyPrecedes(record.key)
            : previous.collection.lexicographicallyPrecedes(record.collection)
        guard isInOrder else { throw Failure("an export that is not in byte order of its keys") }
        previous = (record.collection, record.key)
        counts[String(decoding: record.collection, as: UTF8.self), default: 0] += 1
        text += record.collection + [0x09] + record.key + [0x09]
        text += record.value
        text.append(0x0A)
    }

    /// The digest in hexadecimal digits.
    func finish() throws -> String {
        guard remainder.isEmpty else { throw Failure("an export without a last line's end") }
        return text.withUnsafeBytes { ChainHash(ofFrame: $0).description }
    }
}
