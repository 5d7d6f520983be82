import ArgumentParser
import Foundation
import SanadNode

extension ControlAnswer {
    /// Prints the answer; a refusal ends the command.
    func show(json: Bool) throws {
        if json {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys]
            Terminal.out(String(decoding: try encoder.encode(self), as: UTF8.self))
            if !done { throw ExitCode(Failure.Code.refused.rawValue) }
            return
        }
        guard done else { throw Failure(.refused, ([message] + lines).joined(separator: "\n")) }
        Terminal.out(message)
        for line in lines { Terminal.out("  " + line) }
    }
}

extension ControlAnswer {
    /// The same with points in time as people read them.
    var dated: ControlAnswer {
        ControlAnswer(done: done, message: message, lines: lines.map(Self.dated))
    }

    /// The node has no calendar: it writes `1700000000 s after 1970`.
    static func dated(_ line: String) -> String {
        line.replacing(/(\d{1,12}) s after 1970/) { match in
            Int64(match.1).map { Text.time(unixSeconds: $0) } ?? String(match.0)
        }
    }
}
