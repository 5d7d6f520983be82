import Glibc
internal import SanadCore

/// The separator of collection and key in a stored name. It sorts before every byte of a
/// collection, so that stored names sort as (collection, key) do.
let nameSeparator: UInt8 = 0x09

/// One mutation in a generation: a view into the generation's copy of the frame.
struct MemEntry {
    /// Collection, key and value stand there one after another.
    let start: UnsafeRawPointer
    let sequence: UInt64
    let valueBytes: UInt32
    let hash: UInt32
    let keyBytes: UInt16
    let collectionBytes: UInt8
    let operation: SanadCore.Operation

    var collection: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: start, count: Int(collectionBytes))
    }

    var key: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: start + Int(collectionBytes), count: Int(keyBytes))
    }

    var value: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(
            start: start + Int(collectionBytes) + Int(keyBytes), count: Int(valueBytes))
    }

    static func hash(collection: UnsafeRawBufferPointer, key: UnsafeRawBufferPointer) -> UInt32 {
        UInt32(
            truncatingIfNeeded: XXHash64.hash(key, seed: XXHash64.hash(collection, seed: 0)) >> 16)
    }

    func hasName(collection: UnsafeRawBufferPointer, key: UnsafeRawBufferPointer) -> Bool {
        Int(collectionBytes) == collection.count && Int(keyBytes) == key.count
            && bytesCompare(self.collection, collection) == 0 && bytesCompare(self.key, key) == 0
    }

    /// Negative, zero or positive, as the names sort.
    func compareName(_ other: MemEntry) -> Int {
        let order = bytesCompare(collection, other.collection)
        return order != 0 ? order : bytesCompare(key, other.key)
    }

    /// Compares this name, as it is stored, with a stored name or the bound of a range of them.
    func compareName(stored bound: UnsafeRawBufferPointer) -> Int {
        let collection = collection
        let common = min(collection.count, bound.count)
        if common > 0, let left = collection.baseAddress, let right = bound.baseAddress {
            let order = Int(memcmp(left, right, common))
            if order != 0 { return order }
        }
        guard bound.count > collection.count else { return 1 }
        let separator = bound[collection.count]
        guard separator == nameSeparator else { return Int(nameSeparator) - Int(separator) }
        return bytesCompare(
            key, UnsafeRawBufferPointer(rebasing: bound[(collection.count + 1)...]))
    }

    /// Writes the name as it is stored.
    func storeName(into bytes: UnsafeMutableRawBufferPointer) -> UnsafeRawBufferPointer {
        let (collection, key) = (Int(collectionBytes), Int(keyBytes))
        bytes.copyMemory(from: self.collection)
        bytes[collection] = nameSeparator
        UnsafeMutableRawBufferPointer(rebasing: bytes[(collection + 1)...])
            .copyMemory(from: self.key)
        return UnsafeRawBufferPointer(rebasing: bytes[..<(collection + 1 + key)])
    }
}

/// Byte order, a prefix before what it begins.
func bytesCompare(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Int {
    if let first = left.baseAddress, let second = right.baseAddress {
        let order = Int(memcmp(first, second, min(left.count, right.count)))
        if order != 0 { return order }
    }
    return left.count - right.count
}
