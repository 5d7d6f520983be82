import Glibc

/// A primary that was lost comes back with transactions that the other site never had: how long
/// until it follows, whole and equal.
struct RejoinBench {
    var store: LargeStore
    var runs: Int

    static let transactions: UInt64 = 10_000

    struct Outcome {
        /// From the start of the returning daemon.
        var seconds: [Double] = []
        /// From the link between the two until the store is whole, by the returning daemon's log:
        /// without its start and the wait for a dial.
        var secondsOfWork: [Double] = []
    }

    /// Each run cuts the other site, since the roles are changed by it.
    ///
    /// - Parameter cache: whether the record tables are in the system's cache when the old primary
    ///   comes back.
    func measure(_ cache: TableCache, firstSeed: UInt64) throws -> Outcome {
        var outcome = Outcome()
        for run in 0..<runs {
            let old = store.primary
            try loseTail(seed: firstSeed + UInt64(100 * run))
            for node in store.pair.nodes { try cache.prepare(node.recordTable) }
            let (links, repairs) = (try old.count(.linkUp), try old.count(.whole))
            let start = monotonicNanoseconds()
            try old.start()
            let deadline = Deadline(seconds: 120)
            while !store.isEqual() {
                guard !deadline.hasPassed else { throw Failure("no rejoin in 120 s") }
                // As often as a status is published: asking costs the nodes what is measured.
                pause(milliseconds: 20)
            }
            outcome.seconds.append(Double(monotonicNanoseconds() - start) / 1e9)
            guard try old.count(.whole) > repairs else {
                throw Failure("\(old.name) had not applied what was cut off: nothing was measured")
            }
            outcome.secondsOfWork.append(
                try old.seconds(from: .linkUp, after: links, to: .whole, after: repairs))
            try checkQuarantine(of: old)
            try store.compare()
        }
        return outcome
    }

    /// The standby goes, the primary writes alone and is lost, the standby comes back and leads.
    private func loseTail(seed: UInt64) throws {
        let (old, new) = (store.primary, store.standby)
        try new.kill()
        try store.put(Self.transactions, seed: seed)
        // The record table takes over what memory holds after one quiet second: that is the case
        // in which the tail has to be taken out again.
        _ = try ProcessUsage.waitUntilQuiet([old.processIdentifier].compactMap(\.self), seconds: 60)
        try old.kill()
        try new.start()
        try store.promoteOther()
        try store.put(1_000, seed: seed + 50)
    }

    private func checkQuarantine(of node: BenchNode) throws {
        let list = try node.control(["quarantine", "list"])
        let entries = list.split(separator: "\n").filter { $0.contains(" transactions, ") }
        guard let last = entries.last, last.contains(": \(Self.transactions) transactions,") else {
            throw Failure(
                "\(node.name) should have \(Self.transactions) transactions in quarantine: \(list)")
        }
    }
}
