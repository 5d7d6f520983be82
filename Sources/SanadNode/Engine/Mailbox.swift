import SanadCore
import SanadLink
import SanadStore
import Synchronization

/// What other threads tell the engine, beside writes.
enum EngineEvent: Sendable {
    case linkConnected(LinkConnection)
    /// A connection that did not come to stand.
    case linkRefused(LinkError)
    case tableHasRoom
    /// What another thread found out for the replica.
    case input(Input)
    /// What the snapshot worker was asked for, and during which session.
    case snapshotRead(SnapshotAnswer, session: UInt64)
    /// What became of a page of a snapshot, in the order in which pages came.
    case pageLoaded(LoadAnswer)
    /// Up to there a crash takes nothing back.
    case loadDurable(LoadProgress)
    case tableFailed(String)
    /// What was written once is no longer there, or is not what was written.
    case storeDamaged(StoreError)
    case control(ControlCommand, CheckedContinuation<ControlAnswer, Never>)
    case stop
}

/// The bounded queue in front of the commit thread.
final class Mailbox: Sendable {
    private struct Contents {
        var writes: [WriteRequest] = []
        var writeBytes = 0
        var events: [EngineEvent] = []
        var isStopping = false
    }

    private let contents = Mutex(Contents())
    private let requestsMaximum: Int
    let wake = WakeEvent()

    init(requestsMaximum: Int) { self.requestsMaximum = requestsMaximum }

    func submit(_ request: WriteRequest) throws(SubmitRefusal) {
        let refusal: SubmitRefusal? = contents.withLock { contents in
            if contents.isStopping { return .stopping }
            guard contents.writes.count < requestsMaximum,
                contents.writeBytes + request.transaction.byteCount
                    <= Limits.commitQueueBytesMaximum
            else { return .queueFull }
            contents.writeBytes += request.transaction.byteCount
            contents.writes.append(request)
            return nil
        }
        if let refusal { throw refusal }
        wake.signal()
    }

    func post(_ event: EngineEvent) {
        contents.withLock { contents in
            if case .stop = event { contents.isStopping = true }
            contents.events.append(event)
        }
        wake.signal()
    }

    /// Swaps the waiting writes into `writes`, which is empty and keeps its capacity.
    func takeWrites(into writes: inout [WriteRequest]) {
        contents.withLock { contents in
            swap(&contents.writes, &writes)
            contents.writeBytes = 0
        }
    }

    func takeEvents() -> [EngineEvent] {
        contents.withLock { contents in
            guard !contents.events.isEmpty else { return [] }
            var events: [EngineEvent] = []
            swap(&contents.events, &events)
            return events
        }
    }

    /// - Parameter ignoringWrites: writes cannot be taken now; only events count.
    func isEmpty(ignoringWrites: Bool) -> Bool {
        contents.withLock { contents in
            contents.events.isEmpty && (ignoringWrites || contents.writes.isEmpty)
        }
    }

    var waitingRequests: Int { contents.withLock { $0.writes.count } }
}
