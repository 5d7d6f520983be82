import ArgumentParser

struct UsageCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "usage",
        abstract: "Resident memory of processes, and their processor time over a window.")

    @Argument(help: "Process numbers.")
    var processes: [Int32]

    @Option(help: "Seconds of the window.")
    var seconds = 5.0

    @Flag(help: "Print JSON.")
    var json = false

    func run() throws {
        let before = try processes.map { try ProcessUsage(of: $0) }
        pause(milliseconds: UInt32(max(0, seconds) * 1_000))
        var report = Report()
        for (process, before) in zip(processes, before) {
            let after = try ProcessUsage(of: process)
            let busy = after.processorSeconds - before.processorSeconds
            report.add("process", UInt64(process))
            report.add("resident_mib", Double(after.residentBytes) / 1_048_576)
            report.add("peak_resident_mib", Double(after.peakResidentBytes) / 1_048_576)
            report.add("processor_percent", 100 * busy / max(0.001, seconds))
        }
        report.show(json: json)
    }
}
