/// Why a command did not do what it was asked to.
struct Failure: Error, CustomStringConvertible {
    /// The process exit codes: those of `sysexits.h` where one fits. A contract, written out in
    /// `docs/formats/cli.md`.
    enum Code: Int32 {
        /// The node said no, or a check found something.
        case refused = 1
        case noSuchRecord = 3
        /// `EX_USAGE`
        case usage = 64
        /// `EX_DATAERR`: a wrong line of input, or damaged files.
        case badData = 65
        /// `EX_NOINPUT`
        case noInput = 66
        /// `EX_UNAVAILABLE`: the node cannot be reached, or cannot do it now. Nothing was changed.
        case unavailable = 69
        /// `EX_CANTCREAT`
        case cannotCreate = 73
        /// `EX_TEMPFAIL`: nobody knows whether it was done.
        case outcomeUnknown = 75
        /// `EX_NOPERM`
        case notPermitted = 77
        /// `EX_CONFIG`
        case configuration = 78
    }

    var code: Code
    /// What went wrong, to what.
    var message: String
    /// What to do next.
    var next: String?

    init(_ code: Code, _ message: String, next: String? = nil) {
        self.code = code
        self.message = message
        self.next = next
    }

    var description: String {
        let advice = next.map { "\nWhat to do: \($0)" } ?? ""
        return "sanadctl: \(message)\(advice)"
    }
}
