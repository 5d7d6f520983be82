internal import SanadCore

/// What is going to happen, in the order of true time; what was planned first comes first.
struct Timeline {
    private struct Entry {
        var time: UInt64
        var serial: UInt64
        var slot: Int
    }

    private var heap: [Entry] = []
    private var slots: [Event] = []
    private var free: [Int] = []
    private var serial: UInt64 = 0

    /// - Parameter time: true time in nanoseconds.
    mutating func plan(_ event: Event, at time: UInt64) {
        serial += 1
        let slot: Int
        if let reused = free.popLast() {
            slot = reused
            slots[slot] = event
        } else {
            slot = slots.count
            slots.append(event)
        }
        heap.append(Entry(time: time, serial: serial, slot: slot))
        rise(heap.count - 1)
    }

    mutating func next() -> (time: UInt64, event: Event)? {
        guard let first = heap.first else { return nil }
        let last = heap.removeLast()
        if !heap.isEmpty {
            heap[0] = last
            sink()
        }
        free.append(first.slot)
        return (first.time, slots[first.slot])
    }

    private func isBefore(_ left: Entry, _ right: Entry) -> Bool {
        (left.time, left.serial) < (right.time, right.serial)
    }

    private mutating func rise(_ start: Int) {
        var child = start
        while child > 0 {
            let parent = (child - 1) / 2
            guard isBefore(heap[child], heap[parent]) else { return }
            heap.swapAt(child, parent)
            child = parent
        }
    }

    private mutating func sink() {
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count {
                if isBefore(heap[child], heap[least]) { least = child }
            }
            if least == parent { return }
            heap.swapAt(parent, least)
            parent = least
        }
    }
}

/// Something that a world has planned. What is meant for one process names it, and is lost with it.
enum Event {
    case wake(host: Int, process: Int)
    /// A paused host goes on in the middle of what it did.
    case goOn(host: Int)
    case start(host: Int)
    /// The appends that were asked for are durable.
    case synced(host: Int, process: Int)
    /// The record table in memory is written to disk.
    case flushed(host: Int, process: Int)
    /// The pages that were loaded are durable.
    case loadCommitted(host: Int, process: Int)
    /// Work of the disk is done, and this is its outcome.
    case finished(host: Int, process: Int, Input)
    case readTable(host: Int, process: Int, SnapshotJob)
    case write(host: Int, process: Int)
    case stopped(host: Int, process: Int)
    case dial
    case arrive(connection: Int, host: Int)
    case question(host: Int, process: Int, ArbiterRequest)
    case reply(host: Int, process: Int, ArbiterAnswer)
    case unanswered(host: Int, process: Int, sent: Instant)
    case startArbiter
    case fault
    /// The operator of the healed cluster looks at it.
    case look
}
