import Glibc

/// What the kernel says of one process (proc(5)).
struct ProcessUsage {
    var residentBytes: UInt64
    var peakResidentBytes: UInt64
    /// User and system time of all its threads, in seconds.
    var processorSeconds: Double

    init(of process: Int32) throws {
        let status = try readLines("/proc/\(process)/status")
        residentBytes = try Self.bytes("VmRSS:", in: status, of: process)
        peakResidentBytes = try Self.bytes("VmHWM:", in: status, of: process)
        let text = String(decoding: try readFile("/proc/\(process)/stat"), as: UTF8.self)
        // The name in parentheses may hold spaces: the fields are counted after it.
        guard let close = text.lastIndex(of: ")") else { throw Failure("no process \(process)") }
        let fields = text[close...].split(separator: " ")
        guard fields.count > 13, let user = Double(fields[12]), let system = Double(fields[13])
        else { throw Failure("/proc/\(process)/stat has another form") }
        processorSeconds = (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
    }

    private static func bytes(
        _ name: String, in lines: [String], of process: Int32
    ) throws -> UInt64 {
        let line = lines.first { $0.hasPrefix(name) }
        guard let words = line?.split(whereSeparator: { $0 == " " || $0 == "\t" }),
            words.count == 3, let kilobytes = UInt64(words[1])
        else { throw Failure("process \(process) has ended") }
        return kilobytes << 10
    }

    /// Waits for the end of what loads have left: flushes, and a merge of the record table, which
    /// begins after five quiet seconds. A daemon that never rests is waited for no longer than
    /// `seconds`.
    ///
    /// - Returns: the seconds until the last work was seen.
    static func waitUntilQuiet(_ processes: [Int32], seconds limit: Int) throws -> Int {
        var quiet = 0
        var seconds = 0
        while quiet < 8, seconds < limit {
            let before = try processes.map { try ProcessUsage(of: $0).processorSeconds }
            pause(milliseconds: 1_000)
            let after = try processes.map { try ProcessUsage(of: $0).processorSeconds }
            seconds += 1
            let isQuiet = zip(before, after).allSatisfy { $1 - $0 <= 0.01 }
            quiet = isQuiet ? quiet + 1 : 0
        }
        return seconds - quiet
    }
}
