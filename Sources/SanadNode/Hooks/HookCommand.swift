import Glibc
import SanadCore

/// Runs a program of the operator's own and waits for it, within a bound. Blocking: call it on an
/// own thread.
///
/// The program gets a process group of its own, an environment of `PATH` alone, and nothing to read.
/// It inherits no other descriptor: every file and socket of the daemon is opened "close on exec".
/// What it writes is kept up to a bound; the rest is read and thrown away, so that it never waits.
struct HookCommand: Sendable {
    enum Outcome: Equatable, Sendable {
        case exited(Int32)
        case signalled(Int32)
        case timedOut
        case notStarted(String)
    }

    struct Result: Equatable, Sendable {
        var outcome: Outcome
        /// The last line that was written, without white space around it; empty when none was.
        var lastLine: String
    }

    /// Between two looks at the process: it may end without closing its output, which a child of its
    /// own can hold open.
    private static let lookMilliseconds: Int32 = 20

    let path: String
    let timeout: Span

    /// - Parameter isCancelled: asked now and then; true kills the program as a time-out does.
    func run(_ arguments: [String], isCancelled: () -> Bool = { false }) -> Result {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { return Self.notStarted(errno) }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        defer { close(ends[0]) }
        var process = pid_t()
        let status = spawn(&process, arguments, output: ends[1])
        close(ends[1])
        guard status == 0 else { return Self.notStarted(status) }
        _ = fcntl(ends[0], F_SETFL, O_NONBLOCK)
        var output = HookOutput()
        let deadline = SystemClock.instant + timeout
        while true {
            output.read(ends[0], waitMilliseconds: Self.lookMilliseconds)
            var state: Int32 = 0
            if waitpid(process, &state, WNOHANG) == process {
                output.read(ends[0], waitMilliseconds: 0)
                return Result(outcome: Self.outcome(of: state), lastLine: output.lastLine)
            }
            guard SystemClock.instant < deadline, !isCancelled() else { break }
        }
        kill(-process, SIGKILL)
        waitpid(process, nil, 0)
        return Result(outcome: .timedOut, lastLine: output.lastLine)
    }

    private static func notStarted(_ code: Int32) -> Result {
        Result(outcome: .notStarted(String(cString: strerror(code))), lastLine: "")
    }

    /// The macros of `wait(2)`, which are not imported.
    private static func outcome(of state: Int32) -> Outcome {
        let signal = state & 0x7F
        return signal == 0 ? .exited(state >> 8 & 0xFF) : .signalled(signal)
    }

    private func spawn(
        _ process: inout pid_t, _ arguments: [String], output: Int32
    ) -> Int32 {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO)
        posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        // The daemon ignores SIGPIPE; the program is not to inherit that.
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        posix_spawnattr_setpgroup(&attributes, 0)
        let flags =
            POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF
        posix_spawnattr_setflags(&attributes, Int16(flags))
        let search = getenv("PATH").map { String(cString: $0) } ?? "/usr/bin:/bin"
        var words = ([path] + arguments).map { strdup($0) } + [nil]
        var environment = [strdup("PATH=" + search), nil]
        defer { for word in words + environment { free(word) } }
        return posix_spawn(&process, path, &actions, &attributes, &words, &environment)
    }
}

/// What a program wrote, bounded.
private struct HookOutput {
    private var bytes: [UInt8] = []
    private var isEnded = false

    /// Takes what is there. Waits for it, or for the time, at most.
    mutating func read(_ descriptor: Int32, waitMilliseconds: Int32) {
        guard !isEnded else {
            _ = poll(nil, 0, waitMilliseconds)
            return
        }
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&entry, 1, waitMilliseconds) == 1 else { return }
        var chunk = [UInt8](repeating: 0, count: 4_096)
        // Bounded: a program that writes without an end must not keep the time-out from its work.
        for _ in 0..<64 {
            let count = Glibc.read(descriptor, &chunk, chunk.count)
            guard count > 0 else {
                isEnded = count == 0
                return
            }
            bytes.append(contentsOf: chunk[..<count])
            // The last line is the one that counts: the oldest bytes go.
            bytes.removeFirst(max(0, bytes.count - Limits.hookOutputBytesMaximum))
        }
    }

    var lastLine: String {
        let line = bytes.split { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") }
            .last { line in line.contains { $0 > UInt8(ascii: " ") } }
        guard let line else { return "" }
        let text = String(decoding: line.prefix(Limits.hookLineBytesMaximum), as: UTF8.self)
        return String(text.drop { $0 == " " || $0 == "\t" })
    }
}
