internal import SanadCore
internal import Synchronization

/// The segments that a log has, shared by its writer and its readers.
final class SegmentCatalog: Sendable {
    struct Entry: Hashable, Sendable {
        var first: Sequence
        var isSealed: Bool
    }

    private struct State {
        var entries: [Entry] = []
        var generation: UInt64 = 0
        /// What is known of sealed segments, which do not change.
        var infos: [Sequence: SegmentInfo] = [:]
    }

    let directory: String
    let vfs: String?
    /// Held shared while a reader reads, exclusively while files are cut or removed.
    let gate = SharedLock()
    private let state = Mutex(State())

    init(directory: String, vfs: String?) {
        self.directory = directory
        self.vfs = vfs
    }

    /// The entries in log order.
    var entries: [Entry] { state.withLock { $0.entries } }

    /// Grows when open files may no longer be what they were.
    var generation: UInt64 { state.withLock { $0.generation } }

    var first: Sequence? { state.withLock { $0.entries.first?.first } }

    var last: Entry? { state.withLock { $0.entries.last } }

    func replace(with entries: [Entry]) {
        state.withLock {
            $0.entries = entries
            $0.generation += 1
            let sealed = Set(entries.filter(\.isSealed).map(\.first))
            $0.infos = $0.infos.filter { sealed.contains($0.key) }
        }
    }

    func info(of entry: Entry) -> SegmentInfo? { state.withLock { $0.infos[entry.first] } }

    /// Keeps what was read of a segment, if it will stay so.
    func remember(_ info: SegmentInfo, of entry: Entry) {
        guard entry.isSealed else { return }
        state.withLock { $0.infos[entry.first] = info }
    }

    func append(_ entry: Entry) { state.withLock { $0.entries.append(entry) } }

    func markSealed(_ first: Sequence) {
        state.withLock { state in
            guard let index = state.entries.lastIndex(where: { $0.first == first }) else { return }
            state.entries[index].isSealed = true
        }
    }

    /// The segment that holds `sequence`, if any does, and the one after it.
    func locate(_ sequence: Sequence) -> (found: Entry?, next: Entry?) {
        state.withLock { state in
            var low = 0
            var high = state.entries.count
            while low < high {
                let middle = (low + high) / 2
                if state.entries[middle].first <= sequence {
                    low = middle + 1
                } else {
                    high = middle
                }
            }
            return (
                low > 0 ? state.entries[low - 1] : nil,
                low < state.entries.count ? state.entries[low] : nil
            )
        }
    }

    func path(_ first: Sequence) -> String { "\(directory)/\(Self.fileName(first))" }

    static func fileName(_ first: Sequence) -> String {
        let digits = String(first.value)
        return String(repeating: "0", count: 20 - digits.count) + digits + ".segment"
    }

    /// The segments that a directory holds, in log order, as they are on the disk.
    ///
    /// The newest one may still be written to. Of the others, those with something in their WAL
    /// were not sealed to the end: sealing empties it last.
    static func entries(in directory: String) throws(StoreError) -> [Entry] {
        let firsts = try Files.names(in: directory).compactMap(first(fromFileName:)).sorted()
        return firsts.map { first in
            let path = "\(directory)/\(fileName(first))"
            return Entry(
                first: first, isSealed: first != firsts.last && Files.size(path + "-wal") == 0)
        }
    }

    /// The first sequence of a segment file; nil for another file's name.
    static func first(fromFileName name: String) -> Sequence? {
        guard name.utf8.count == 28, name.hasSuffix(".segment"),
            name.utf8.prefix(20).allSatisfy({ (48...57).contains($0) })
        else { return nil }
        return UInt64(name.prefix(20)).map { Sequence($0) }
    }
}
