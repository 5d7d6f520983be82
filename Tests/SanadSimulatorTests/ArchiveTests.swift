import SanadCore
import Testing

@testable import SanadSimulator

/// What the checks stand on: histories, lines of promises, clocks and the order of events.
@Suite("The simulator's bookkeeping")
struct ArchiveTests {
    /// A frame of one write of `value` after `previous`, or the first of a reign.
    private func frame(after previous: Frame?, _ value: Int = 1) throws -> Frame {
        let node = try #require(Names().nodes.first)
        guard let previous else {
            return FrameEncoder.epochStart(
                EpochStart(node: node, reason: "test"), after: .origin, epoch: Epoch(1),
                committed: .zero, logOffset: 0, wallMilliseconds: 0)
        }
        var encoder = FrameEncoder(
            after: previous.position, epoch: Epoch(1), committed: .zero,
            logOffset: previous.header.logEnd, wallMilliseconds: 0)
        var transaction = TransactionBytes()
        transaction.append(.put, collection: "c", key: "a", value: String(value))
        _ = encoder.append(transaction)
        return encoder.finish()
    }

    @Test("a history is followed back to its start, past forks")
    func histories() throws {
        var archive = Archive()
        let first = try frame(after: nil)
        let second = try frame(after: first, 1)
        let third = try frame(after: second, 2)
        let fork = try frame(after: first, 3)
        for frame in [first, second, third, fork] {
            let isNew = archive.add(frame)
            #expect(isNew)
        }
        let isNew = archive.add(third)
        #expect(!isNew)
        #expect(archive.chain(upTo: third.hash) == [first.hash, second.hash, third.hash])
        #expect(archive.chain(upTo: fork.hash) == [first.hash, fork.hash])
        #expect(archive.chain(upTo: .zero) == [])
        #expect(archive.history(of: third.hash, has: first.hash))
        #expect(archive.history(of: third.hash, has: third.hash))
        #expect(!archive.history(of: third.hash, has: fork.hash))
        #expect(!archive.history(of: first.hash, has: third.hash))
        #expect(!archive.history(of: third.hash, has: .zero))
    }

    @Test("the records after a frame are those of its own history")
    func rows() throws {
        var archive = Archive()
        let first = try frame(after: nil)
        let left = try frame(after: first, 1)
        let right = try frame(after: first, 2)
        for frame in [first, left, right] { archive.add(frame) }
        #expect(archive[left.hash]?.rows.rows[0]?.value == 1)
        #expect(archive[right.hash]?.rows.rows[0]?.value == 2)
        #expect(archive[first.hash]?.rows == RecordTable())
    }

    @Test("a line of promises is shortened with its places")
    func lines() {
        let hashes = (1...3).map { ChainHash(word0: $0, word1: 0, word2: 0, word3: 0) }
        var line = Ledger.Line()
        for hash in hashes { line.append(hash) }
        #expect(line.places[hashes[2]] == 2)
        line.truncate(to: 1)
        #expect(line.committed == [hashes[0]])
        #expect(line.places == [hashes[0]: 0])
        line.append(hashes[2])
        #expect(line.places[hashes[2]] == 1)
    }

    @Test("events come in the order of time, and of planning within a moment")
    func timeline() {
        var timeline = Timeline()
        let times: [UInt64] = [5, 1, 3, 1, 5, 2]
        for (host, time) in times.enumerated() { timeline.plan(.start(host: host), at: time) }
        var order: [Int] = []
        while let (_, event) = timeline.next() {
            if case .start(let host) = event { order.append(host) }
        }
        #expect(order == [1, 3, 5, 2, 0, 4])
    }

    @Test("a clock runs within the drift that is allowed, and is asked back no earlier")
    func clocks() {
        for rate in [HostClock.rates.lowerBound, 1_000_000, HostClock.rates.upperBound] {
            let clock = HostClock(time: 1_000_000, reading: 7_000_000, rate: rate)
            let later = clock.now(at: 10_001_000_000)
            let gone = later.since(Instant(nanoseconds: 7_000_000)).nanoseconds
            #expect(gone == 10_000_000_000 / 1_000_000 * rate)
            let due = clock.now(at: 1_000_000) + .seconds(3)
            #expect(clock.now(at: clock.time(of: due, from: 1_000_000)) >= due)
        }
        // Both ends together are what the granter's wait has to cover.
        let (slow, fast) = (HostClock.rates.lowerBound, HostClock.rates.upperBound)
        #expect(Double(fast) / Double(slow) <= 1.01)
    }
}
