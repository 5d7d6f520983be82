import Glibc

extension BenchRun {
    /// The standby is away while records are imported, then comes back. In `async`, since a primary
    /// in `sync` without a third voice waits for its standby.
    func measureCatchUp() throws {
        let pair = try makePair("async", mode: "async")
        try checkStop()
        let before = try readStatus(pair.rabat.operations)["logEndBytes"].number ?? 0
        try pair.marrakech.stop()
        _ = try BulkLoad(
            endpoint: pair.rabat.records, collection: "bulk", rows: options.rows
        ).run()
        // The status is published at intervals; the import's last transaction must be in it.
        pause(milliseconds: 200)
        let status = try readStatus(pair.rabat.operations)
        guard let sequence = status["logEnd.sequence"].number,
            let end = status["logEndBytes"].number
        else { throw Failure("the status has no log end") }
        let primaryBefore = try pair.rabat.processorSeconds()
        let start = monotonicNanoseconds()
        try pair.marrakech.start()
        try pair.marrakech.waitUntilDurable(sequence, seconds: 120)
        let seconds = Double(monotonicNanoseconds() - start) / 1e9
        let busy = (
            standby: try pair.marrakech.processorSeconds(),
            primary: try pair.rabat.processorSeconds() - primaryBefore
        )
        try retire(pair)
        let theirs = try postgres?.catchUp()
        let megabytes = (end - before) / 1e6
        var note =
            "\(decimal(megabytes, places: 0)) MB in \(decimal(seconds, places: 2)) s, processor "
            + "\(decimal(busy.standby, places: 2)) s standby, "
            + "\(decimal(busy.primary, places: 2)) s primary"
        if let theirs {
            note +=
                ", PostgreSQL \(decimal(theirs.bytes / 1e6, places: 0)) MB in "
                + "\(decimal(theirs.seconds, places: 2)) s; both with the standby's start"
        }
        add(
            Figure(
                name: "catch-up of a stopped standby", unit: "MB/s", ours: megabytes / seconds,
                peer: theirs.map { $0.bytes / 1e6 / $0.seconds }, target: .atLeast(150), note: note)
        )
    }

    /// `kill -9` of a loaded primary under load; the default lease of 3 s.
    func measureFailover() throws {
        let pair = try makePair("failover", mode: "sync")
        try checkStop()
        _ = try BulkLoad(
            endpoint: pair.rabat.records, collection: "bulk", rows: options.rows, connections: 1
        ).run()
        let history = "\(options.directory)/history"
        let own = "\(options.binaries)/sanad-bench"
        let writer = try ChildProcess.start(
            own,
            [
                "history", "write", pair.rabat.records.description,
                pair.marrakech.records.description, "--file", history,
            ], output: history + ".out")
        let load = try ChildProcess.start(
            own,
            [
                "puts", pair.rabat.records.description, "--clients", "8", "--seconds", "60",
                "--until-refused",
            ], output: history + ".load")
        pause(milliseconds: 3_000)
        let killed = monotonicNanoseconds()
        try pair.rabat.kill()
        try pair.marrakech.wait(["role=primary", "writable=true"], seconds: 30)
        pause(milliseconds: 500)
        try measureRestart(pair)
        pause(milliseconds: 500)
        load.send(SIGTERM)
        writer.send(SIGTERM)
        try writer.wait(seconds: 10)
        try reportFailover(history: history, killed: killed, pair)
        try retire(pair)
    }

    private func measureRestart(_ pair: BenchPair) throws {
        let start = monotonicNanoseconds()
        try pair.rabat.start()
        try pair.rabat.waitUntilReady(seconds: 30)
        let seconds = Double(monotonicNanoseconds() - start) / 1e9
        add(
            Figure(
                name: "start after kill -9, to ready", unit: "s", ours: seconds,
                target: .atMost(3)))
        try pair.rabat.wait(["role=standby"], seconds: 10)
    }

    private func reportFailover(history: String, killed: UInt64, _ pair: BenchPair) throws {
        let text = String(decoding: try readFile(history + ".out"), as: UTF8.self)
        let numbers = namedNumbers(text)
        guard let end = numbers["longest_gap_end_monotonic_ns"], end > Double(killed),
            numbers["longest_gap_from_epoch"] != numbers["longest_gap_to_epoch"]
        else { throw Failure("the writer saw no failover: \(text)") }
        let findings = try HistoryCheck(path: history, endpoint: pair.marrakech.records).run()
        guard findings.isGood else {
            throw Failure(
                "acknowledged writes were lost: " + findings.examples.joined(separator: "; "))
        }
        add(
            Figure(
                name: "failover, kill -9 to first write", unit: "s",
                ours: (end - Double(killed)) / 1e9, target: .atMost(4),
                note: "lease 3 s; \(findings.acknowledged) acknowledged writes, none lost"))
    }
}
