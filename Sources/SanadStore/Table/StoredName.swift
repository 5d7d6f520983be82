internal import SanadCore

/// Names as `records.db` stores them, and ranges of them: half-open, in byte order.
enum StoredName {
    static func of(_ collection: some Collection<UInt8>, _ key: some Collection<UInt8>) -> [UInt8] {
        var name: [UInt8] = []
        name.reserveCapacity(collection.count + 1 + key.count)
        name.append(contentsOf: collection)
        name.append(nameSeparator)
        name.append(contentsOf: key)
        return name
    }

    /// The first name after `name`.
    static func successor(_ name: [UInt8]) -> [UInt8] { name + [0] }

    /// The end of the range of names that begin with `prefix`.
    static func end(ofPrefix prefix: [UInt8]) -> [UInt8] {
        var end = prefix
        while let last = end.popLast() {
            if last < 0xFF {
                end.append(last + 1)
                return end
            }
        }
        return everything.upper
    }

    /// The range of all names: a collection's bytes are ASCII.
    static let everything: (lower: [UInt8], upper: [UInt8]) = ([], [0xFF])

    /// Whether bytes are a collection, the program's own ones included, a separator and a key.
    static func isWellFormed(_ name: UnsafeRawBufferPointer) -> Bool {
        guard let (collection, key) = split(name), let first = collection.first else {
            return false
        }
        let isOwn = first == UInt8(ascii: "~") && collection.count <= Limits.collectionBytesMaximum
        return RecordNames.isCollection(
            isOwn ? UnsafeRawBufferPointer(rebasing: collection.dropFirst()) : collection)
            && RecordNames.isKey(key)
    }

    static func split(_ name: UnsafeRawBufferPointer) -> (
        collection: UnsafeRawBufferPointer, key: UnsafeRawBufferPointer
    )? {
        guard let separator = name.firstIndex(of: nameSeparator) else { return nil }
        return (
            UnsafeRawBufferPointer(rebasing: name[..<separator]),
            UnsafeRawBufferPointer(rebasing: name[(separator + 1)...])
        )
    }
}
