internal import SanadCore

/// The committed frames between two flushes, with an index over their mutations.
///
/// Frames are copied once, whole, into blocks that never move; entries point into them and never
/// change, and a newer version of a record is a further entry. So a reader that took the number
/// of entries under the table's lock can read that many afterwards without it.
///
/// `@unchecked Sendable`: only the node thread appends, with the table's lock held; others read
/// the index with the lock held, and without it only the entries and bytes that were complete when
/// they took a `Part` under the lock.
final class Generation: @unchecked Sendable {
    /// The entries of a generation at one moment.
    ///
    /// `@unchecked Sendable`: it points to entries that never change, and keeps their owner.
    struct Part: @unchecked Sendable {
        let owner: Generation
        let chunks: [UnsafeMutablePointer<MemEntry>]
        let count: Int

        /// Calls `body` for each entry, oldest first.
        func visit(_ body: (UnsafePointer<MemEntry>) -> Void) {
            var left = count
            for chunk in chunks where left > 0 {
                for offset in 0..<min(left, Generation.chunkEntries) {
                    body(UnsafePointer(chunk + offset))
                }
                left -= Generation.chunkEntries
            }
            // The entries live as long as their owner.
            withExtendedLifetime(owner) {}
        }
    }

    private static let chunkEntries = 4_096
    private static let blockBytes = 1 << 20

    /// What the table held before the first frame.
    let base: Position
    /// The boundary after the last frame.
    private(set) var end: Position
    /// Memory in use: frames and entries.
    private(set) var bytes = 0
    private(set) var count = 0

    private var blocks: [UnsafeMutableRawPointer] = []
    private var blockUsed = 0
    private var blockSize = 0
    private var chunks: [UnsafeMutablePointer<MemEntry>] = []
    /// Open addressing with linear probing: one more than an entry's number, zero when free.
    private var slots: UnsafeMutableBufferPointer<UInt32>
    private var usedSlots = 0

    var isEmpty: Bool { end == base }

    /// The entries now; call it with the table's lock held.
    var part: Part { Part(owner: self, chunks: chunks, count: count) }

    init(after base: Position) {
        self.base = base
        end = base
        slots = .allocate(capacity: 1 << 10)
        slots.initialize(repeating: 0)
    }

    deinit {
        for block in blocks { block.deallocate() }
        for chunk in chunks { chunk.deallocate() }
        slots.deallocate()
    }

    /// What a frame will add to `bytes`, about: its entries are not counted before they are made.
    static func estimate(_ frame: Frame) -> Int { frame.bytes.count + frame.bytes.count / 4 }

    /// Adds a frame's mutations.
    func append(_ frame: Frame) {
        frame.bytes.withUnsafeBytes { source in
            let copy = allocate(source.count)
            copy.copyMemory(from: source)
            guard let from = source.baseAddress, let to = copy.baseAddress else { return }
            frame.forEachMutation { sequence, mutation in
                guard let collection = mutation.collection.baseAddress else { return }
                index(
                    MemEntry(
                        start: UnsafeRawPointer(to + (collection - from)),
                        sequence: sequence.value, valueBytes: UInt32(mutation.value.count),
                        hash: MemEntry.hash(collection: mutation.collection, key: mutation.key),
                        keyBytes: UInt16(mutation.key.count),
                        collectionBytes: UInt8(mutation.collection.count),
                        operation: mutation.operation))
            }
        }
        end = frame.position
    }

    /// The newest entry of a name.
    func find(
        collection: UnsafeRawBufferPointer, key: UnsafeRawBufferPointer, hash: UInt32
    ) -> MemEntry? {
        let mask = slots.count - 1
        var slot = Int(hash) & mask
        while slots[slot] != 0 {
            let entry = self.entry(Int(slots[slot]) - 1)
            if entry.pointee.hash == hash,
                entry.pointee.hasName(collection: collection, key: key)
            {
                return entry.pointee
            }
            slot = (slot + 1) & mask
        }
        return nil
    }

    /// The newest entry of each name, in the order in which the table stores them.
    ///
    /// - Precondition: the generation is frozen.
    func sortedNewest() -> [UnsafePointer<MemEntry>] {
        var entries: [UnsafePointer<MemEntry>] = []
        entries.reserveCapacity(usedSlots)
        for slot in slots where slot != 0 {
            entries.append(UnsafePointer(entry(Int(slot) - 1)))
        }
        return NameOrder.sorted(entries)
    }

    private func entry(_ number: Int) -> UnsafeMutablePointer<MemEntry> {
        chunks[number / Self.chunkEntries] + number % Self.chunkEntries
    }

    private func allocate(_ count: Int) -> UnsafeMutableRawBufferPointer {
        if blocks.isEmpty || blockUsed + count > blockSize {
            blockSize = max(Self.blockBytes, count)
            blocks.append(.allocate(byteCount: blockSize, alignment: 16))
            blockUsed = 0
            bytes += blockSize
        }
        defer { blockUsed += count }
        return UnsafeMutableRawBufferPointer(
            start: blocks[blocks.count - 1] + blockUsed, count: count)
    }

    private func index(_ new: MemEntry) {
        if count % Self.chunkEntries == 0 {
            chunks.append(.allocate(capacity: Self.chunkEntries))
            bytes += Self.chunkEntries * MemoryLayout<MemEntry>.stride
        }
        entry(count).initialize(to: new)
        count += 1
        if 2 * usedSlots >= slots.count { growSlots() }
        let mask = slots.count - 1
        var slot = Int(new.hash) & mask
        while slots[slot] != 0 {
            let known = entry(Int(slots[slot]) - 1).pointee
            if known.hash == new.hash, known.hasName(collection: new.collection, key: new.key) {
                break
            }
            slot = (slot + 1) & mask
        }
        if slots[slot] == 0 { usedSlots += 1 }
        slots[slot] = UInt32(count)
    }

    private func growSlots() {
        let old = slots
        slots = .allocate(capacity: old.count * 2)
        slots.initialize(repeating: 0)
        let mask = slots.count - 1
        for number in old where number != 0 {
            var slot = Int(entry(Int(number) - 1).pointee.hash) & mask
            while slots[slot] != 0 { slot = (slot + 1) & mask }
            slots[slot] = number
        }
        bytes += old.count * MemoryLayout<UInt32>.stride
        old.deallocate()
    }
}
