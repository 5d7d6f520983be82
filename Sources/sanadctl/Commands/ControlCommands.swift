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
