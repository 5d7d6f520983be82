/// One thing that is wrong, or questionable, in a configuration.
public struct ConfigurationProblem: Sendable, Equatable, CustomStringConvertible {
    /// Line in the file, from 1; nil when the problem is that something is missing.
    public var line: Int?
    /// The key's full name, for example `failover.lease`; nil when the file as a whole is meant.
    public var key: String?
    /// What is wrong, and what would be right.
    public var message: String

    public init(line: Int? = nil, key: String? = nil, message: String) {
        self.line = line
        self.key = key
        self.message = message
    }

    public var description: String {
        let place = line.map { "line \($0): " } ?? ""
        let name = key.map { "\($0): " } ?? ""
        return place + name + message
    }
}

/// A configuration that cannot be used, with all its errors.
public struct ConfigurationError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The process exit code for a configuration error: `EX_CONFIG` of `sysexits.h`.
    public static let exitCode: Int32 = 78

    /// The file, or what stands for it.
    public var file: String
    /// In file order; what is missing comes last.
    public var problems: [ConfigurationProblem]
    /// Questionable settings that were found beside the errors.
    public var warnings: [ConfigurationProblem]

    public init(
        file: String, problems: [ConfigurationProblem], warnings: [ConfigurationProblem] = []
    ) {
        self.file = file
        self.problems = problems
        self.warnings = warnings
    }

    public var description: String {
        let count = problems.count == 1 ? "1 error" : "\(problems.count) errors"
        let lines = problems.map { "  " + $0.description }
        return (["\(file): \(count) in the configuration"] + lines).joined(separator: "\n")
    }
}

extension [ConfigurationProblem] {
    /// The order of the file; what has no line comes last, in the order of its finding.
    func inFileOrder() -> [ConfigurationProblem] {
        enumerated().sorted { left, right in
            let (leftLine, rightLine) = (left.element.line ?? .max, right.element.line ?? .max)
            return (leftLine, left.offset) < (rightLine, right.offset)
        }.map(\.element)
    }
}
