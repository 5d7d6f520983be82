import Foundation
import Glibc
public import Logging
import SanadCore
import Synchronization

/// Log lines on standard error, as text or JSON, one line an entry.
///
/// The lines go through a bounded queue to a thread of their own: a terminal or journal that does
/// not take them must not stop the commit thread, whose lease would run out meanwhile. What does
/// not fit is dropped and counted.
public struct LineLog: LogHandler {
    /// Of this logger alone; nil for the writer's, which a reload can change.
    private var ownLevel: Logger.Level?
    public var metadata: Logger.Metadata = [:]
    private let label: String
    private let isJSON: Bool
    private let writer: LineWriter

    public init(label: String, isJSON: Bool, writer: LineWriter) {
        self.label = label
        self.isJSON = isJSON
        self.writer = writer
    }

    public var logLevel: Logger.Level {
        get { ownLevel ?? writer.level }
        set { ownLevel = newValue }
    }

    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    public func log(event: LogEvent) {
        let fields = metadata.merging(event.metadata ?? [:]) { _, new in new }
            .map { ($0.key, "\($0.value)") }.sorted { $0.0 < $1.0 }
        writer.write(isJSON ? json(event, fields) : text(event, fields))
    }

    private func text(_ event: LogEvent, _ fields: [(String, String)]) -> String {
        let tail = fields.map { key, value in
            value.contains(where: { $0 == " " || $0 == "\"" })
                ? " \(key)=\(Self.quoted(value))" : " \(key)=\(value)"
        }
        let line = "\(Self.time()) \(event.level.rawValue) \(event.message)\(tail.joined())"
        return line.replacing("\n", with: " ") + "\n"
    }

    private func json(_ event: LogEvent, _ fields: [(String, String)]) -> String {
        var pairs = [
            ("time", Self.time()), ("level", event.level.rawValue), ("node", label),
            ("message", "\(event.message)"),
        ]
        pairs += fields
        let members = pairs.map { "\(Self.quoted($0.0)):\(Self.quoted($0.1))" }
        return "{\(members.joined(separator: ","))}\n"
    }

    private static func time() -> String {
        Date.now.formatted(
            Date.ISO8601FormatStyle(includingFractionalSeconds: true, timeZone: .gmt))
    }

    /// A JSON string (RFC 8259, section 7).
    private static func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case "\n": quoted += "\\n"
            case "\u{0}"..<" ":
                let digits = String(scalar.value, radix: 16)
                quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}

/// The bounded queue and the thread behind `LineLog`.
public final class LineWriter: Sendable {
    private struct State {
        var lines: [String] = []
        var dropped = 0
        var isWriting = false
        var level = Logger.Level.info
    }

    /// A burst of a start or a failover is some dozens of lines.
    private static let linesMaximum = 4_096

    private let state = Mutex(State())
    private let wake = WakeEvent()

    public init() {
        let reference = self
        _ = OwnThread { reference.run() }
    }

    /// What is written, by every logger that has no level of its own.
    public var level: Logger.Level {
        get { state.withLock { $0.level } }
        set { state.withLock { $0.level = newValue } }
    }

    func write(_ line: String) {
        state.withLock { state in
            if state.lines.count < Self.linesMaximum {
                state.lines.append(line)
            } else {
                state.dropped += 1
            }
        }
        wake.signal()
    }

    /// Waits until what was written so far is out, a second at most.
    public func flush() {
        let end = SystemClock.instant + .seconds(1)
        while SystemClock.instant < end {
            if state.withLock({ $0.lines.isEmpty && !$0.isWriting }) { return }
            usleep(1_000)
        }
    }

    private func run() {
        while true {
            let lines = state.withLock { state in
                var lines: [String] = []
                swap(&lines, &state.lines)
                if state.dropped > 0 {
                    lines.append("\(state.dropped) log lines were dropped\n")
                    state.dropped = 0
                }
                state.isWriting = !lines.isEmpty
                return lines
            }
            if lines.isEmpty { wait() } else { emit(lines.joined()) }
            state.withLock { $0.isWriting = false }
        }
    }

    private func emit(_ text: String) {
        let bytes = Array(text.utf8)
        var offset = 0
        while offset < bytes.count {
            let count = bytes.withUnsafeBytes { bytes in
                Glibc.write(
                    STDERR_FILENO, bytes.baseAddress?.advanced(by: offset), bytes.count - offset)
            }
            guard count > 0 || errno == EINTR else { return }
            offset += max(count, 0)
        }
    }

    private func wait() {
        wake.prepareToWait()
        defer { wake.finishWaiting() }
        guard state.withLock({ $0.lines.isEmpty }) else { return }
        var entry = pollfd(fd: wake.descriptor, events: Int16(POLLIN), revents: 0)
        _ = poll(&entry, 1, -1)
    }
}
