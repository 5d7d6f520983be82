/// The primary's knowledge of its standby, and what to send next.
///
/// Frames after the standby's mark come from memory when they are recent, from the log otherwise.
/// What is sent and not yet durable there is bounded by the window; how far the standby's record
/// table may fall behind is bounded too.
struct Shipper: Sendable {
    enum State: String, Sendable {
        case none
        case probing
        case catchingUp
        case streaming
    }

    private(set) var state = State.none
    private(set) var progress: Progress?
    /// True once `progress` is what the standby itself has said.
    private(set) var hasHeardProgress = false
    /// The last frame handed to the link.
    private(set) var sent = Sequence.zero
    private var sentOffset: UInt64 = 0
    private var isReadingLog = false

    /// The newest frames, in log order, without a gap up to the log's end.
    private var recent: [Frame] = []
    private var recentStart = 0
    private var recentBytes = 0
    private let windowBytes: Int

    init(windowBytes: Int) { self.windowBytes = windowBytes }

    /// The standby is being asked where its log ends.
    mutating func probe() {
        state = .probing
        progress = nil
        hasHeardProgress = false
        isReadingLog = false
    }

    /// The standby follows from `position`, which is a frame boundary of this log.
    mutating func start(after position: Position, offset: UInt64) {
        state = .catchingUp
        sent = position.sequence
        sentOffset = offset
        isReadingLog = false
        hasHeardProgress = false
        progress = Progress(
            received: sent, durable: sent, durableOffset: offset, applied: .zero,
            appliedOffset: offset)
    }

    mutating func stop() {
        state = .none
        progress = nil
        hasHeardProgress = false
        isReadingLog = false
    }

    /// Forgets the frames in memory: the log they belong to was left.
    mutating func clear() {
        stop()
        recent.removeAll()
        recentStart = 0
        recentBytes = 0
    }

    var isFollowed: Bool { state == .catchingUp || state == .streaming }

    /// Remembers a frame that was just encoded.
    mutating func add(_ frame: Frame) {
        recent.append(frame)
        recentBytes += frame.bytes.count
        while recentBytes > windowBytes, recentStart < recent.count - 1 { dropOldest() }
    }

    mutating func update(_ new: Progress) {
        guard isFollowed, new.durable >= (progress?.durable ?? .zero) else { return }
        progress = new
        hasHeardProgress = true
        while recentStart < recent.count, recent[recentStart].header.last <= new.durable {
            dropOldest()
        }
    }

    private mutating func dropOldest() {
        recentBytes -= recent[recentStart].bytes.count
        recentStart += 1
        // Often: a dropped frame keeps its bytes, up to a megabyte each, until it is removed.
        if recentStart >= 8 || recentStart == recent.count {
            recent.removeFirst(recentStart)
            recentStart = 0
        }
    }

    /// Hands out what the window allows: frames to ship, or one request to read the log.
    ///
    /// - Parameters:
    ///   - durable: the end of what the log can be read up to.
    ///   - applyLagBytes: how far the standby's record table may be behind what is sent.
    mutating func pump(durable: Sequence, applyLagBytes: Int, into effects: inout [Effect]) {
        guard isFollowed, let progress else { return }
        let end = min(
            progress.durableOffset + UInt64(windowBytes),
            progress.appliedOffset + UInt64(applyLagBytes))
        while sentOffset < end {
            guard let index = recentIndex(of: sent.next) else { break }
            ship(recent[index], into: &effects)
        }
        guard sentOffset < end, !isReadingLog, recentIndex(of: sent.next) == nil else { return }
        if durable > sent {
            isReadingLog = true
            state = .catchingUp
            effects.append(.readLog(after: sent, bytes: Limits.catchUpReadBytes))
        } else {
            state = .streaming
        }
    }

    /// The log's answer to the request of `pump`.
    mutating func logRead(_ frames: [Frame], into effects: inout [Effect]) {
        guard isReadingLog else { return }
        isReadingLog = false
        for frame in frames where frame.header.first == sent.next { ship(frame, into: &effects) }
    }

    private mutating func ship(_ frame: Frame, into effects: inout [Effect]) {
        effects.append(.ship(frame))
        sent = frame.header.last
        sentOffset = frame.header.logEnd
    }

    /// Frames are consecutive, so a bisection finds the one that begins at `first`.
    private func recentIndex(of first: Sequence) -> Int? {
        var low = recentStart
        var high = recent.count
        while low < high {
            let middle = (low + high) / 2
            if recent[middle].header.first < first { low = middle + 1 } else { high = middle }
        }
        return low < recent.count && recent[low].header.first == first ? low : nil
    }
}
