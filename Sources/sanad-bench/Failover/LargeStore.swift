import Glibc

/// A pair that holds many records, in `async`: what one site acknowledges while the other is away
/// can be cut off there.
final class LargeStore {
    let pair: BenchPair
    let records: UInt64
    /// A million records at most in each: an export of one fits a read transaction.
    let collections: [String]
    private(set) var primary: BenchNode
    private let directory: String

    var standby: BenchNode { primary === pair.rabat ? pair.marrakech : pair.rabat }

    /// Bytes on the disk for each record while a store is filled: log, runs and merged table of both
    /// sites.
    private static let bytesPerRecord: UInt64 = 1_600

    init(records: UInt64, directory: String, binaries: String) throws {
        try Self.checkSpace(records, directory)
        self.records = records
        let count = (records + SampleRecord.keyCount - 1) / SampleRecord.keyCount
        collections = (0..<count).map { "large\($0)" }
        self.directory = "\(directory)/store-\(records)"
        pair = try BenchPair(directory: self.directory, binaries: binaries, mode: "async")
        primary = pair.rabat
    }

    func remove() throws {
        _ = try runTool("/bin/rm", ["-rf", directory], output: "/dev/null")
    }

    private static func checkSpace(_ records: UInt64, _ directory: String) throws {
        var facts = statvfs()
        guard statvfs(directory, &facts) == 0 else { throw Failure("\(directory): \(lastError())") }
        let free = UInt64(facts.f_bavail) * UInt64(facts.f_frsize)
        let needed = records * bytesPerRecord
        guard free >= needed else {
            throw Failure(
                "a store of \(grouped(Double(records))) records needs \(needed >> 30) GiB in "
                    + "\(directory), which has \(free >> 30) GiB: choose another --directory, "
                    + "fewer --records, or --skip-large")
        }
    }

    /// Starts the pair and imports the records.
    ///
    /// - Returns: records a second of the import itself.
    func fill() throws -> Double {
        try pair.start()
        var left = records
        var seconds = 0.0
        for (index, collection) in collections.enumerated() {
            // An import that never rests is faster than the merge of the record tables, and would
            // wait for one in the middle of a request.
            if index > 0, index.isMultiple(of: 2) { try rest() }
            let rows = min(left, SampleRecord.keyCount)
            seconds += try BulkLoad(
                endpoint: primary.records, collection: collection, rows: rows
            ).run().seconds
            left -= rows
        }
        try rest()
        return Double(records) / seconds
    }

    /// Waits until both sites are equal, and have merged what was written.
    func rest() throws {
        try waitUntilEqual(seconds: 900)
        _ = try ProcessUsage.waitUntilQuiet(
            pair.nodes.compactMap(\.processIdentifier), seconds: 600)
    }

    /// Waits until both logs end alike and both tables have applied them.
    func waitUntilEqual(seconds: Double) throws {
        let deadline = Deadline(seconds: seconds)
        while !isEqual() {
            guard !deadline.hasPassed else {
                throw Failure("the sites are not equal after \(decimal(seconds, places: 0)) s")
            }
            pause(milliseconds: 20)
        }
    }

    /// Whether the standby follows, its records are those of one moment, and nothing is missing.
    func isEqual() -> Bool {
        guard let ours = try? readStatus(primary.operations),
            let theirs = try? readStatus(standby.operations)
        else { return false }
        return ours["role"].word == "primary" && ours["link.state"].word == "streaming"
            && theirs["role"].word == "standby" && theirs["consistent"].word == "true"
            && ours["logEnd.hash"].word == theirs["logEnd.hash"].word
            && [ours, theirs].allSatisfy { $0["applied"].word == $0["logEnd.sequence"].word }
    }

    /// Puts records under random keys of all collections, each in a transaction of its own.
    func put(_ transactions: UInt64, seed: UInt64) throws {
        let share = transactions / UInt64(collections.count)
        for (index, collection) in collections.enumerated() {
            let extra = index == 0 ? transactions - share * UInt64(collections.count) : 0
            let result = try PutsLoad(
                endpoint: primary.records, clients: 16, collection: collection, warmUpSeconds: 0,
                measuredSeconds: 120, seed: seed + UInt64(index), putsMaximum: share + extra
            ).run()
            guard result.puts == share + extra else {
                throw Failure("only \(result.puts) of \(share + extra) puts in 120 s")
            }
        }
    }

    /// Makes the other node primary, by an operator's word and without what it has not.
    func promoteOther() throws {
        let next = standby
        let deadline = Deadline(seconds: 30)
        while true {
            do {
                _ = try next.control(["promote", "--accept-loss", "--yes", "--reason", "bench"])
                break
            } catch let failure as Failure {
                // Until the promises of the old primary have ended.
                guard !deadline.hasPassed else { throw failure }
                pause(milliseconds: 100)
            }
        }
        try next.wait(["role=primary", "writable=true"], seconds: 10)
        primary = next
    }

    /// Compares every record of the two sites.
    func compare() throws {
        for collection in collections {
            let digests = try pair.nodes.map {
                try CollectionDigest.read(collection, from: $0.records)
            }
            guard digests[0] == digests[1] else {
                throw Failure("the records of \(collection) differ between the sites")
            }
        }
    }
}
