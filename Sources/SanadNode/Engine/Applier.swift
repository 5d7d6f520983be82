import SanadCore
import SanadStore

/// Brings committed frames into the record table, in log order.
///
/// Frames come from memory while the table keeps up, and from the log when it fell behind: the log
/// is the queue, so memory stays bounded however far the table is behind.
struct Applier {
    private var frames: [Frame] = []
    private var start = 0
    private var bytes = 0
    private(set) var applied: Sequence
    private(set) var appliedOffset: UInt64
    private let reader: LogReader
    private let table: RecordTable

    init(table: RecordTable, reader: LogReader, appliedOffset: UInt64) {
        self.table = table
        self.reader = reader
        self.applied = table.applied
        self.appliedOffset = appliedOffset
    }

    /// Log bytes that wait in memory.
    var waitingBytes: Int { bytes }

    var isFull: Bool { bytes >= Limits.applierBytesMaximum }

    /// A frame that was just appended to the log.
    mutating func add(_ frame: Frame) {
        let expected = frames.last?.header.last.next ?? applied.next
        guard frame.header.first == expected, bytes < Limits.applierBytesMaximum else { return }
        frames.append(frame)
        bytes += frame.bytes.count
    }

    /// The table stands at another boundary: what waited in memory is read from the log again.
    mutating func restart(at sequence: Sequence, offset: UInt64) {
        frames.removeAll()
        start = 0
        bytes = 0
        applied = sequence
        appliedOffset = offset
    }

    /// Applies up to `committed` as far as the table has room.
    ///
    /// - Parameter budgetBytes: bounds the work of one call.
    /// - Returns: true when there is more to do and room for it.
    mutating func advance(to committed: Sequence, budgetBytes: Int) throws(StoreError) -> Bool {
        var budget = budgetBytes
        while applied < committed {
            guard budget > 0 else { return true }
            if start < frames.count {
                let frame = frames[start]
                guard frame.header.last <= committed else { return false }
                guard insert(frame) else { return false }
                budget -= frame.bytes.count
                dropFirst()
            } else {
                let read = try reader.read(after: applied, maximumBytes: Limits.frameBytesTarget)
                precondition(!read.isEmpty, "a committed frame is in the log")
                for frame in read where frame.header.last <= committed {
                    guard insert(frame) else { return false }
                    budget -= frame.bytes.count
                }
                if let last = read.last, last.header.last > committed { return false }
            }
        }
        return false
    }

    /// Calls `body` for each frame that is in the log and not applied; a primary has all of them in
    /// memory.
    func forEachUnapplied(_ body: (Frame) -> Void) {
        for frame in frames[start...] { body(frame) }
    }

    private mutating func insert(_ frame: Frame) -> Bool {
        guard table.insert(frame) else { return false }
        applied = frame.header.last
        appliedOffset = frame.header.logEnd
        return true
    }

    private mutating func dropFirst() {
        bytes -= frames[start].bytes.count
        start += 1
        // Often: a dropped frame keeps its bytes, up to a megabyte each, until it is removed.
        if start == frames.count || start >= 8 {
            frames.removeFirst(start)
            start = 0
        }
    }
}
