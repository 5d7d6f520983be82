import Glibc

/// A program that the bench has started. It is killed when the object goes.
final class ChildProcess {
    let identifier: pid_t
    private let program: String
    private var exitStatus: Int32?

    private init(identifier: pid_t, program: String) {
        self.identifier = identifier
        self.program = program
    }

    deinit {
        send(SIGKILL)
        if exitStatus == nil { waitpid(identifier, nil, 0) }
    }

    /// - Parameters:
    ///   - output: the file that takes its standard output and errors.
    ///   - opening: whether they are added to the file or take the place of what it holds.
    static func start(
        _ program: String, _ arguments: [String], output: String,
        opening: Int32 = O_APPEND
    ) throws -> ChildProcess {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        let flags = O_WRONLY | O_CREAT | opening
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, output, flags, 0o644)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        var words: [UnsafeMutablePointer<CChar>?] = ([program] + arguments).map { strdup($0) }
        words.append(nil)
        defer { for word in words { free(word) } }
        var identifier = pid_t()
        let status = posix_spawn(&identifier, program, &actions, nil, words, environ)
        guard status == 0 else { throw Failure("\(program): \(String(cString: strerror(status)))") }
        return ChildProcess(identifier: identifier, program: program)
    }

    /// True until the process has ended.
    var isRunning: Bool {
        guard exitStatus == nil else { return false }
        var status: Int32 = 0
        guard waitpid(identifier, &status, WNOHANG) == identifier else { return true }
        exitStatus = status
        return false
    }

    func send(_ signal: Int32) {
        if isRunning { kill(identifier, signal) }
    }

    /// Waits for the end; returns true when the exit code was zero.
    @discardableResult
    func wait(seconds: Double) throws -> Bool {
        let deadline = Deadline(seconds: seconds)
        while isRunning {
            guard !deadline.hasPassed else {
                throw Failure("\(program) did not end in \(decimal(seconds, places: 0)) s")
            }
            pause(milliseconds: 2)
        }
        return exitStatus == 0
    }
}

/// Runs a program to its end and returns what it printed.
func runTool(
    _ program: String, _ arguments: [String], output: String, seconds: Double = 300
) throws -> String {
    let child = try ChildProcess.start(program, arguments, output: output, opening: O_TRUNC)
    let succeeded = try child.wait(seconds: seconds)
    let text = String(decoding: try readFile(output), as: UTF8.self)
    guard succeeded else {
        throw Failure("\(program) \(arguments.joined(separator: " ")) failed: \(text)")
    }
    return text
}

/// The `name value` lines of a report or of a script, by name.
func namedNumbers(_ text: String) -> [String: Double] {
    var numbers: [String: Double] = [:]
    for line in text.split(separator: "\n") {
        let words = line.split(separator: " ", maxSplits: 1)
        if words.count == 2, let number = Double(words[1]) { numbers[String(words[0])] = number }
    }
    return numbers
}
