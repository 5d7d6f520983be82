/// What failover costs a store of many records: coming back, and being made anew.
struct StoreBench {
    var directory: String
    var binaries: String
    var records: UInt64
    var measuresRejoin: Bool
    var measuresReseed: Bool
    /// Also the rejoin on a store ten times as large.
    var measuresLarge: Bool

    private static let rejoinRuns = 3
    private static let reseedRuns = 5

    private var isGood = true

    init(
        directory: String, binaries: String, records: UInt64, measuresRejoin: Bool,
        measuresReseed: Bool, measuresLarge: Bool
    ) {
        self.directory = directory
        self.binaries = binaries
        self.records = records
        self.measuresRejoin = measuresRejoin
        self.measuresReseed = measuresReseed
        self.measuresLarge = measuresLarge
    }

    /// - Returns: whether every target was reached.
    mutating func run() throws -> Bool {
        let small = try measureSmall()
        if measuresRejoin, measuresLarge {
            let large = try withStore(of: 10 * records) { bench, store in
                try bench.rejoin(store)
            }
            if let small { compare(small, large) }
        }
        return isGood
    }

    private mutating func measureSmall() throws -> RejoinBench.Outcome? {
        try withStore(of: records) { bench, store in
            let outcome = bench.measuresRejoin ? try bench.rejoin(store) : nil
            if bench.measuresReseed {
                bench.report(try ReseedBench(store: store, runs: Self.reseedRuns).measure())
            }
            return outcome
        }
    }

    /// Fills a store for `body`, and removes it afterwards unless a target was missed.
    private mutating func withStore<Result>(
        of count: UInt64, _ body: (inout StoreBench, LargeStore) throws -> Result
    ) throws -> Result {
        let store = try LargeStore(records: count, directory: directory, binaries: binaries)
        let rate = try store.fill()
        line("\(grouped(Double(count))) records imported, \(grouped(rate)) a second")
        let result = try body(&self, store)
        try store.pair.stop()
        if isGood { try store.remove() }
        return result
    }

    // MARK: Figures

    private mutating func rejoin(_ store: LargeStore) throws -> RejoinBench.Outcome {
        let outcome = try RejoinBench(store: store, runs: Self.rejoinRuns)
            .measure(.warm, firstSeed: 100)
        let cold = try RejoinBench(store: store, runs: 1).measure(.cold, firstSeed: 1_000)
        let size = grouped(Double(store.records))
        let runs = zip(outcome.seconds, outcome.secondsOfWork).map {
            "\(decimal($0, places: 2)) (\(decimal($1, places: 2)) linked)"
        }
        report(
            Figure(
                name: "rejoin, 10,000 cut off, \(size) records", unit: "s",
                ours: outcome.seconds.max() ?? .infinity, target: .atMost(5),
                note: "the longest of " + runs.joined(separator: ", ")))
        report(
            Figure(
                name: "the same, no table in the cache", unit: "s",
                ours: cold.seconds.max() ?? .infinity, target: .atMost(5),
                note: "\(decimal(cold.secondsOfWork.max() ?? 0, places: 2)) from the link on"))
        return outcome
    }

    /// From the link on: before it, both wait for a dialler that pauses up to three seconds. Both
    /// tables were in the cache: the cold runs would compare how often the disk is asked.
    private mutating func compare(_ small: RejoinBench.Outcome, _ large: RejoinBench.Outcome) {
        guard let least = small.secondsOfWork.min(), let most = large.secondsOfWork.min() else {
            return
        }
        report(
            Figure(
                name: "rejoin, ten times as many records", unit: "x", ours: most / least,
                target: .atMost(1.2), note: "best run each, from the link on"))
    }

    /// Both from all runs together: a run in which the writers had less of the processors, and the
    /// reseed more, must not count for the one and not for the other.
    private mutating func report(_ outcomes: [ReseedBench.Outcome]) {
        for outcome in outcomes {
            line(
                "  \(decimal(outcome.seconds, places: 2)) s, "
                    + "\(decimal(outcome.megabytesPerSecond, places: 0)) MB/s; writers "
                    + "\(decimal(outcome.sharePercent, places: 0)) %: "
                    + "\(grouped(outcome.rateDuring)) puts/s, "
                    + "\(grouped(outcome.rateBefore)) with a standby before, "
                    + "\(grouped(outcome.rateAlone)) without one")
        }
        let note = "mean of \(outcomes.count) runs under load"
        report(
            Figure(
                name: "reseed, \(grouped(Double(records))) records", unit: "MB/s",
                ours: mean(outcomes.map(\.megabytesPerSecond)), target: .atLeast(100),
                note: "keys and values, \(note)"))
        report(
            Figure(
                name: "writers meanwhile", unit: "%",
                ours: mean(outcomes.map(\.sharePercent)), target: .atLeast(70), note: note))
        report(
            Figure(
                name: "peak memory of a daemon", unit: "MiB",
                ours: Double(outcomes.map(\.peakBytes).max() ?? 0) / 1_048_576,
                target: .atMost(300)))
    }

    private func mean(_ values: [Double]) -> Double {
        values.reduce(0, +) / Double(values.count)
    }

    private mutating func report(_ figure: Figure) {
        line(figure.ownText)
        if figure.isReached == false { isGood = false }
    }
}
