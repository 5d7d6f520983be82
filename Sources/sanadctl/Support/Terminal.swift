import Foundation
import Glibc

/// What goes to and comes from the person at the terminal.
enum Terminal {
    static var outputIsTerminal: Bool { isatty(STDOUT_FILENO) == 1 }
    static var errorIsTerminal: Bool { isatty(STDERR_FILENO) == 1 }
    static var inputIsTerminal: Bool { isatty(STDIN_FILENO) == 1 }

    /// Writes a line to standard output.
    static func out(_ line: String) { write(Array((line + "\n").utf8), to: STDOUT_FILENO) }

    /// Writes a line to standard error.
    static func error(_ line: String) { write(Array((line + "\n").utf8), to: STDERR_FILENO) }

    /// Overwrites the terminal's current line on standard error.
    static func progress(_ line: String) {
        // "Erase to the end of the line" (ECMA-48, EL), so that a longer line leaves no rest.
        write(Array(("\r" + line + "\u{1B}[K").utf8), to: STDERR_FILENO)
    }

    static func endProgress() { write(Array("\r\u{1B}[K".utf8), to: STDERR_FILENO) }

    /// Empties the screen, for a view that is drawn again and again.
    static func clearScreen() { write(Array("\u{1B}[H\u{1B}[2J".utf8), to: STDOUT_FILENO) }

    /// Writes all bytes. A reader that has gone away, as in `... | head`, ends the process quietly.
    static func write(_ bytes: [UInt8], to descriptor: Int32) {
        _ = bytes.withUnsafeBytes { writeAll($0, to: descriptor) }
    }

    /// - Returns: zero, or the `errno` of the write that failed.
    static func writeAll(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) -> Int32 {
        var rest = bytes
        while rest.count > 0 {
            let written = Glibc.write(descriptor, rest.baseAddress, rest.count)
            if written >= 0 {
                rest = UnsafeRawBufferPointer(rebasing: rest[written...])
            } else if errno == EPIPE, descriptor == STDOUT_FILENO {
                exit(0)
            } else if errno != EINTR {
                return errno
            }
        }
        return 0
    }

    /// Asks a question, and hands back the line that was typed; nil when input has ended.
    static func ask(_ question: String) -> String? {
        write(Array("\(question) ".utf8), to: STDERR_FILENO)
        return readLine()
    }
}
