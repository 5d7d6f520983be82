internal import SanadCore

/// Every frame that was ever encoded in a world, and what the records are after it.
///
/// It knows what no host has to remember, so the checks can follow any history back to its start.
struct Archive {
    struct Entry {
        var position: Position
        var previous: ChainHash
        var first: Sequence
        /// Bytes of the log up to and with this frame.
        var end: UInt64
        /// The records after this frame.
        var rows: RecordTable
        /// The line of history: an operator's override begins a new one.
        var line: Int
        var isCommitted = false
        var isAcknowledged = false
        /// Committed in sync, or acknowledged as durable on both sites: never to be lost.
        var isProtected = false
        /// A store that was lost took the last copy with it, or what the rules could know of it.
        var isExcused = false
        /// A store that had it was lost.
        var isDestroyed = false
        /// That store was put back as an older copy of itself, which nobody can know of.
        var isTakenBack = false

        var transactions: UInt64 { position.sequence.value - first.value + 1 }
    }

    private(set) var entries: [ChainHash: Entry] = [:]

    subscript(hash: ChainHash) -> Entry? { entries[hash] }

    mutating func change(_ hash: ChainHash, _ body: (inout Entry) -> Void) {
        guard var entry = entries[hash] else { return }
        body(&entry)
        entries[hash] = entry
    }

    /// - Returns: false when the frame is known.
    @discardableResult
    mutating func add(_ frame: Frame) -> Bool {
        guard entries[frame.hash] == nil else { return false }
        let previous = entries[frame.header.previous]
        var rows = previous?.rows ?? RecordTable()
        rows.apply(frame)
        entries[frame.hash] = Entry(
            position: frame.position, previous: frame.header.previous, first: frame.header.first,
            end: frame.header.logEnd, rows: rows, line: previous?.line ?? 0)
        return true
    }

    /// The history up to `end`, newest first, until `body` returns false.
    func walk(back end: ChainHash, _ body: (Entry) -> Bool) {
        var hash = end
        while let entry = entries[hash], body(entry) { hash = entry.previous }
    }

    /// The history up to `end`, oldest first.
    func chain(upTo end: ChainHash) -> [ChainHash] {
        var chain: [ChainHash] = []
        walk(back: end) {
            chain.append($0.position.hash)
            return true
        }
        return chain.reversed()
    }

    /// True when the history that ends at `end` has the frame `hash`.
    func history(of end: ChainHash, has hash: ChainHash) -> Bool {
        guard let sought = entries[hash]?.position.sequence else { return false }
        var found = false
        walk(back: end) { entry in
            found = entry.position.hash == hash
            return !found && entry.position.sequence > sought
        }
        return found
    }
}
