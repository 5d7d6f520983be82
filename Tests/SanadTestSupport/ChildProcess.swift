import Glibc

/// A program that a test runs and ends.
///
/// Foundation's `Process` reads the list of this process' descriptors with calls that look beyond
/// the end of the list's buffer when there are more than about a thousand, which crashes now and
/// then in a test run that has many stores open at once.
public final class ChildProcess {
    private let identifier: pid_t
    /// How it ended; nil while it runs.
    private var ending: Int32?

    /// Starts a program whose output goes to the end of a file.
    ///
    /// - Throws: ``HostFailure`` when it cannot be started.
    public init(_ program: String, _ arguments: [String], output: String) throws {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(
            &actions, STDOUT_FILENO, output, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO)
        var words = ([program] + arguments).map { strdup($0) }
        defer { for word in words { free(word) } }
        words.append(nil)
        var identifier: pid_t = 0
        let status = posix_spawn(&identifier, program, &actions, nil, words, environ)
        guard status == 0 else {
            throw HostFailure(description: "\(program): \(String(cString: strerror(status)))")
        }
        self.identifier = identifier
    }

    deinit {
        guard ending == nil else { return }
        Glibc.kill(identifier, SIGCONT)
        Glibc.kill(identifier, SIGKILL)
        waitpid(identifier, nil, 0)
    }

    public var isRunning: Bool {
        guard ending == nil else { return false }
        var status: Int32 = 0
        guard waitpid(identifier, &status, WNOHANG) == identifier else { return true }
        ending = status
        return false
    }

    /// Sends a signal; nothing when it has ended.
    public func kill(_ signal: Int32) {
        if isRunning { Glibc.kill(identifier, signal) }
    }

    /// Waits for the end: the exit code, or minus the signal that ended it.
    @discardableResult
    public func wait() -> Int32 {
        var status = ending ?? 0
        if ending == nil {
            while waitpid(identifier, &status, 0) < 0, errno == EINTR {}
            ending = status
        }
        let signal = status & 0x7F
        return signal == 0 ? (status >> 8) & 0xFF : -signal
    }
}
