import Glibc

/// A standby with an empty store takes everything from its primary, while clients write there.
struct ReseedBench {
    var store: LargeStore
    var runs: Int
    var writers = 8

    struct Outcome {
        /// Keys and values, in bytes.
        var bytes: UInt64
        /// From the link between the two to records that are whole, by the standby's log.
        var seconds: Double
        /// Writes a second: with a standby that follows, without one, and during the reseed.
        var rateBefore: Double
        var rateAlone: Double
        var rateDuring: Double
        /// Of either daemon, in bytes.
        var peakBytes: UInt64

        var megabytesPerSecond: Double { Double(bytes) / 1e6 / seconds }
        /// What writers keep of the rate that they had, in percent.
        var sharePercent: Double { 100 * rateDuring / rateBefore }
    }

    func measure() throws -> [Outcome] { try (0..<runs).map { _ in try measureOnce() } }

    private func measureOnce() throws -> Outcome {
        let (primary, standby) = (store.primary, store.standby)
        // What the run before has left to merge would slow the writers before the reseed, too.
        try store.rest()
        let load = try ChildProcess.start(
            "\(try ownDirectory())/sanad-bench",
            [
                "puts", primary.records.description, "--clients", "\(writers)", "--seconds", "600",
                "--collection", store.collections[0], "--until-refused",
            ], output: "/dev/null")
        pause(milliseconds: 1_000)
        let before = try rate(of: primary, milliseconds: 3_000)
        try standby.stop()
        try standby.planReseed()
        let alone = try rate(of: primary, milliseconds: 3_000)
        let (links, repairs) = (try standby.count(.linkUp), try standby.count(.whole))
        try standby.start()
        try standby.wait(for: .linkUp, after: links, seconds: 30)
        let start = try Mark(primary)
        try standby.wait(for: .whole, after: repairs, seconds: 120)
        let end = try Mark(primary)
        load.send(SIGKILL)
        try store.waitUntilEqual(seconds: 60)
        try store.compare()
        for node in store.pair.nodes { node.sampleMemory() }
        return Outcome(
            bytes: store.records * UInt64(SampleRecord.keyBytes + SampleRecord.valueBytes),
            seconds: try standby.seconds(
                from: .linkUp, after: links, to: .whole, after: repairs),
            rateBefore: before, rateAlone: alone, rateDuring: end.rate(since: start),
            peakBytes: store.pair.nodes.map(\.peakResidentBytes).max() ?? 0)
    }

    private func rate(of node: BenchNode, milliseconds: UInt32) throws -> Double {
        let start = try Mark(node)
        pause(milliseconds: milliseconds)
        return try Mark(node).rate(since: start)
    }

    /// What a primary had written at one moment.
    private struct Mark {
        var seconds: Double
        var transactions: Double

        init(_ node: BenchNode) throws {
            guard let count = try readStatus(node.operations)["transactionsTotal"].number else {
                throw Failure("\(node.name)'s status has no count of transactions")
            }
            transactions = count
            seconds = Double(monotonicNanoseconds()) / 1e9
        }

        func rate(since other: Mark) -> Double {
            (transactions - other.transactions) / max(0.001, seconds - other.seconds)
        }
    }
}
