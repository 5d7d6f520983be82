internal import Glibc
public import SanadCore
internal import Synchronization

/// Reads the sealed segments again and again, slowly, and finds what has changed in them since it
/// was written.
///
/// Nobody reads old log for weeks, and a flipped bit in it would be met by a standby that catches
/// up after a promotion, when no other copy is left. A pass goes from the newest segment to the
/// oldest, since the newest are what a standby asks for first.
public final class LogScrubber: Sendable {
    /// How much of the disk and of a core it may take.
    public struct Pace: Sendable {
        public var bytesPerSecond = Limits.scrubBytesPerSecond
        /// The pause between two passes.
        public var interval = Limits.scrubInterval

        public init() {}
    }

    public struct Progress: Sendable, Equatable {
        /// Bytes of frames that were found sound, of all passes.
        public var bytes: UInt64 = 0
        /// When the last pass that found nothing wrong ended; nil before the first.
        public var lastPassUnixSeconds: Int64?
    }

    private struct State {
        var progress = Progress()
        var isStopping = false
        var thread: WorkerThread?
    }

    private let catalog: SegmentCatalog
    private let pace: Pace
    private let state = Mutex(State())
    private let wake = ThreadSignal()

    public init(log: SegmentLog, pace: Pace = Pace()) {
        catalog = log.catalog
        self.pace = pace
    }

    public var progress: Progress { state.withLock { $0.progress } }

    /// Starts the first pass, on a thread of its own that yields to all others.
    ///
    /// - Parameter failed: told of what cannot be read, on that thread. After damage (`.corrupt`)
    ///   nothing more is verified: the store is to be replaced.
    public func start(failed: @escaping @Sendable (StoreError) -> Void) throws(StoreError) {
        let thread = try WorkerThread(niceness: 19) { [self] in run(failed) }
        state.withLock { $0.thread = thread }
    }

    /// Ends the thread, in the middle of a pass too; within one read of the log.
    public func stop() {
        let thread = state.withLock { state in
            state.isStopping = true
            return state.thread.take()
        }
        wake.raise()
        thread?.join()
    }

    private func run(_ failed: (StoreError) -> Void) {
        while !isStopping {
            do throws(StoreError) {
                try pass()
            } catch {
                failed(error)
                if error.code == .corrupt { return }
            }
            rest(pace.interval)
        }
    }

    // MARK: A pass

    private func pass() throws(StoreError) {
        // A reader of its own for each pass keeps no file open between them that retention removes.
        let reader = LogReaderCore(catalog: catalog)
        var verified = Sequence(UInt64.max)
        while !isStopping {
            let generation = catalog.generation
            do throws(StoreError) {
                try verify(reader, before: &verified)
                break
            } catch {
                // A cut or retention changed the files meanwhile: what was read was not one log.
                guard catalog.generation != generation else {
                    // A frame that is not there is damage as well.
                    guard error.code == .notABoundary else { throw error }
                    throw StoreError(
                        .corrupt, operation: "verify the log", path: error.path,
                        message: error.message)
                }
            }
        }
        guard !isStopping else { return }
        let now = Int64(time(nil))
        state.withLock { $0.progress.lastPassUnixSeconds = now }
    }

    /// - Parameter verified: segments that begin there or later were verified already.
    private func verify(
        _ reader: LogReaderCore, before verified: inout Sequence
    ) throws(StoreError) {
        // The boundary at which the segment that was verified last says that it begins.
        var expected: Position?
        let segments = SealedSegment.all(of: catalog.entries)
        for segment in segments.reversed() where segment.entry.first < verified {
            let (begin, end) = try verify(segment, reader)
            if let expected, let end, expected.sequence == end.sequence, expected != end {
                throw reader.corrupt(
                    segment.entry, "it ends at \(end), and the next file continues \(expected)")
            }
            if isStopping { return }
            (expected, verified) = (begin, segment.entry.first)
        }
    }

    /// - Returns: the boundary before the segment and that at its end, if it was reached.
    private func verify(
        _ segment: SealedSegment, _ reader: LogReaderCore
    ) throws(StoreError) -> (begin: Position, end: Position?) {
        let begin = try reader.begin(of: segment.entry)
        var position = begin
        var end: Position?
        while position.sequence < segment.last, !isStopping {
            let frames = try reader.read(
                after: position.sequence, maximumBytes: Limits.scrubReadBytes, previous: position)
            // The newest segment of a log may be sealed; nothing says then where it ends.
            guard let last = frames.last else { break }
            position = last.position
            end = frames.last { $0.header.last == segment.last }?.position ?? end
            let bytes = frames.reduce(0) { $0 + $1.bytes.count }
            state.withLock { $0.progress.bytes += UInt64(bytes) }
            rest(.nanoseconds(of: bytes, perSecond: pace.bytesPerSecond))
        }
        return (begin, end)
    }

    // MARK: Waiting

    private var isStopping: Bool { state.withLock { $0.isStopping } }

    private func rest(_ span: Span) {
        let end = Clock.monotonic() + span.nanoseconds
        while !isStopping {
            let now = Clock.monotonic()
            guard now < end else { return }
            wake.wait(nanoseconds: end - now)
        }
    }
}

/// A segment that will not change, and the last sequence in it.
private struct SealedSegment {
    var entry: SegmentCatalog.Entry
    var last: Sequence

    static func all(of entries: [SegmentCatalog.Entry]) -> [SealedSegment] {
        entries.indices.compactMap { index in
            guard entries[index].isSealed else { return nil }
            let next = index + 1 < entries.count ? entries[index + 1].first.value : nil
            return SealedSegment(
                entry: entries[index], last: Sequence((next ?? UInt64.max) - 1))
        }
    }
}

extension Span {
    /// The time that so many bytes take at a rate.
    fileprivate static func nanoseconds(of bytes: Int, perSecond rate: Int) -> Span {
        Span(nanoseconds: UInt64(bytes) * 1_000_000_000 / UInt64(max(rate, 1)))
    }
}
