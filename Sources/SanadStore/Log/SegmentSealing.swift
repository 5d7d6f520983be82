internal import Synchronization

/// The sealing of one segment, on a thread of its own: the commit thread goes on in the next one.
///
/// The segment's connection belongs to that thread from the start of the job on. When readers hold
/// the file for too long, or the disk is full, the segment stays as it is, its frames durable in
/// its WAL; the next start seals it.
final class SealingJob: Sendable {
    /// What ended the work; a failure that is not harmless poisons the log.
    private let failure: Mutex<StoreError?>
    private let isFinished = Atomic(false)
    private let thread = Mutex<WorkerThread?>(nil)

    /// Hands over a file that its caller does not touch again.
    init(_ file: SegmentFile, _ catalog: SegmentCatalog) throws(StoreError) {
        failure = Mutex(nil)
        let handed = HandedOver(file)
        let worker = try WorkerThread(niceness: 0) { [self] in
            let problem = handed.finish { file in Self.seal(file, catalog) }
            failure.withLock { $0 = problem }
            isFinished.store(true, ordering: .releasing)
        }
        thread.withLock { $0 = worker }
    }

    private static func seal(_ file: SegmentFile, _ catalog: SegmentCatalog) -> StoreError? {
        do throws(StoreError) {
            if try file.seal() { catalog.markSealed(file.first) }
            return nil
        } catch {
            return error.code == .diskFull ? nil : error.fatal
        }
    }

    var isDone: Bool { isFinished.load(ordering: .acquiring) }

    /// Waits for the end, and says what went wrong.
    func join() throws(StoreError) {
        let worker = thread.withLock { $0.take() }
        worker?.join()
        if let problem = failure.withLock({ $0 }) { throw problem }
    }
}

/// Carries a segment to the thread that seals it, and closes it there.
///
/// `@unchecked Sendable`: the commit thread makes it and lets go of the file before the thread
/// starts; afterwards only that thread touches the file.
private final class HandedOver: @unchecked Sendable {
    private var file: SegmentFile?

    init(_ file: SegmentFile) { self.file = file }

    func finish(_ body: (SegmentFile) -> StoreError?) -> StoreError? {
        defer { file = nil }
        return file.flatMap(body)
    }
}

extension SegmentLog {
    /// Segments that wait for their sealing: their WALs take as much of the disk again.
    private static let sealingMaximum = 2

    /// Closes the active segment; the sealing goes on beside the next appends.
    func retireActive() throws(StoreError) {
        guard let file = active else { return }
        try reapSealing(leaving: Self.sealingMaximum - 1)
        active = nil
        sealing.append(try SealingJob(file, catalog))
    }

    /// Waits until no segment is being sealed: a file that is cut or removed has nobody else.
    func finishSealing() throws(StoreError) { try reapSealing(leaving: 0) }

    /// Ends the jobs that are done, and waits for the oldest ones beyond `count`.
    ///
    /// - Throws: what the disk did to one of them; the log is then poisoned.
    func reapSealing(leaving count: Int) throws(StoreError) {
        while let job = sealing.first, job.isDone || sealing.count > count {
            sealing.removeFirst()
            do throws(StoreError) {
                try job.join()
            } catch {
                isPoisoned = true
                throw error
            }
        }
    }
}
