import Glibc
import SanadCore
import SanadLink
import Synchronization

/// How long the dialler waits before it dials again: doubled from the first wait to the last, and the
/// first again after a link that stood.
struct Backoff {
    private var wait = Limits.reconnectFirst

    /// The wait after an attempt that failed.
    mutating func afterFailure() -> Span {
        defer { wait = min(wait * 2, Limits.reconnectLast) }
        return wait
    }

    /// The wait after a link that has ended: none when it stood, since clients wait for it after a
    /// switchover. One that ended soon was refused, and would be again.
    mutating func afterLink(standing span: Span) -> Span {
        guard span > Limits.linkStandsAfter else { return afterFailure() }
        wait = Limits.reconnectFirst
        return .zero
    }
}

/// Opens the connection to the peer, again and again, on a thread of its own.
///
/// Of two nodes the one whose name comes first dials and the other listens, so that there is never
/// more than one connection to choose from.
final class Dialer: Sendable {
    struct Target: Sendable {
        var host: String
        var port: UInt16
        var peer: NodeName
    }

    private struct State {
        var isWanted = true
        var isStopping = false
    }

    private let state = Mutex(State())
    private let wake = WakeEvent()
    private let thread = Mutex<OwnThread?>(nil)

    func start(_ target: Target, context: TLSContext, mailbox: Mailbox) {
        thread.withLock { thread in
            thread = OwnThread {
                self.run(target, context: context, mailbox: mailbox)
            }
        }
    }

    /// The connection is gone: dial again.
    func redial() {
        state.withLock { $0.isWanted = true }
        wake.signal()
    }

    func stop() {
        state.withLock { $0.isStopping = true }
        wake.signal()
        let running = thread.withLock { thread in
            defer { thread = nil }
            return thread
        }
        running?.join()
    }

    private func run(_ target: Target, context: TLSContext, mailbox: Mailbox) {
        var backoff = Backoff()
        while waitUntilWanted() {
            let wait: Span
            do throws(LinkError) {
                let connection = try LinkConnection.connect(
                    host: target.host, port: target.port, context: context, peer: target.peer,
                    timeout: Limits.handshakeTimeout)
                let connected = SystemClock.instant
                state.withLock { $0.isWanted = false }
                mailbox.post(.linkConnected(connection))
                guard waitUntilWanted() else { return }
                wait = backoff.afterLink(standing: SystemClock.instant.since(connected))
            } catch {
                mailbox.post(.linkRefused(error))
                wait = backoff.afterFailure()
            }
            // Jitter keeps two nodes that lost each other at one moment from colliding for ever.
            let jitter = Span(nanoseconds: .random(in: 0...wait.nanoseconds / 2))
            guard pause(wait + jitter) else { return }
        }
    }

    /// - Returns: false when the dialler has to end.
    private func waitUntilWanted() -> Bool {
        while true {
            let (isWanted, isStopping) = state.withLock { ($0.isWanted, $0.isStopping) }
            if isStopping { return false }
            if isWanted { return true }
            sleep(forMilliseconds: -1) { state.withLock { $0.isWanted || $0.isStopping } }
        }
    }

    private func pause(_ span: Span) -> Bool {
        let end = SystemClock.instant + span
        while SystemClock.instant < end {
            if state.withLock({ $0.isStopping }) { return false }
            let rest = end.since(SystemClock.instant)
            sleep(forMilliseconds: Int32(rest.wholeMilliseconds) + 1) {
                state.withLock { $0.isStopping }
            }
        }
        return true
    }

    private func sleep(forMilliseconds milliseconds: Int32, unless isDue: () -> Bool) {
        wake.prepareToWait()
        defer { wake.finishWaiting() }
        guard !isDue() else { return }
        var entry = pollfd(fd: wake.descriptor, events: Int16(POLLIN), revents: 0)
        _ = poll(&entry, 1, milliseconds)
    }
}
