import Testing

@testable import SanadCore

@Suite("A primary and its lease")
struct FencingTests {
    @Test("when the lease has ended nothing is committed, and a client is told why")
    func end() {
        // One site may run ahead of the other here, so only the lease stands against a commit.
        var pair = Pair.settled {
            $0.mode = .async
            $0.maxLoss = 5
        }
        pair.cutLink()
        pair.write()
        #expect(pair.rabat.replica.committed == Sequence(3))
        let end = pair.rabat.replica.lease.expires
        #expect(pair.rabat.replica.isWritable(at: Instant(nanoseconds: end.nanoseconds - 1)))
        pair.wait(end.since(pair.now))
        #expect(!pair.rabat.replica.isWritable(at: pair.now))
        pair.write()
        pair.wait(.seconds(1))
        #expect(pair.rabat.replica.role == .primary)
        #expect(pair.rabat.replica.committed == Sequence(3))
        #expect(
            pair.rabat.replica.admission(at: pair.now)
                == .refused("the standby has not renewed the lease; no write is acknowledged"))
    }

    @Test(
        "cut off at any moment, the one has stopped before the other begins",
        arguments: [false, true])
    func exclusive(hasArbiter: Bool) {
        var pair = Pair.settled(hasArbiter: hasArbiter)
        pair.cutLink()
        pair.isWitnessCut = [true, false]
        var seen: Set<[Pair.Name]> = []
        // Shorter steps than the drift that lies between the two.
        for _ in 0..<500 {
            pair.wait(.milliseconds(10))
            seen.insert(pair.writable)
        }
        #expect(seen == [[.rabat], [], [.marrakech]])
    }

    struct Word: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var epoch: UInt64 = 1
        /// How long ago the primary sent what is answered, in milliseconds; negative: it did not yet.
        var age: Int
        var isGranted = true
        /// What is left of the lease, in milliseconds.
        var remaining: UInt64
        var isBroken = false
    }

    static let words: [Word] = [
        Word(testDescription: "an answer at once", age: 0, remaining: 3_000),
        Word(testDescription: "an answer after a second", age: 1_000, remaining: 2_000),
        Word(testDescription: "an answer after a lease", age: 3_000, remaining: 0),
        Word(testDescription: "an answer a minute late", age: 60_000, remaining: 0),
        Word(testDescription: "a refusal", age: 0, isGranted: false, remaining: 0),
        Word(testDescription: "a grant of another reign", epoch: 2, age: 0, remaining: 0),
        Word(
            testDescription: "an echo of what was never sent", age: -1, remaining: 0,
            isBroken: true),
    ]

    @Test("what the standby's answer is worth", arguments: words)
    func answers(_ word: Word) {
        var pair = Pair.settled()
        pair.isDeaf = [true, false]
        // Every lease of the past has ended; only the answer counts.
        pair.wait(.milliseconds(2_990))
        pair.rabat.replica.lease = Lease()
        pair.rabat.wanted = []
        let now = pair.now.nanoseconds
        let sent = UInt64(Int(now) - word.age * 1_000_000)
        pair.feed(
            .message(
                .heartbeatAnswer(
                    HeartbeatAnswer(
                        epoch: Epoch(word.epoch), echo: Instant(nanoseconds: sent),
                        isGranted: word.isGranted, progress: pair.marrakech.replica.progress))),
            to: .rabat)
        let left = pair.rabat.replica.lease.expires.since(pair.now)
        #expect(left == .milliseconds(word.remaining))
        #expect(pair.rabat.replica.isWritable(at: pair.now) == (word.remaining > 0))
        #expect(pair.rabat.news().has("close link: a false echo") == word.isBroken)
    }

    /// What is cut, and who may acknowledge ten seconds later.
    static let cuts: [(link: Bool, witness: [Bool], writable: [Pair.Name])] = [
        (false, [true, true], [.rabat]), (true, [false, false], [.rabat]),
        (true, [false, true], [.rabat]), (true, [true, false], [.marrakech]),
        (true, [true, true], []),
    ]

    @Test("one granter is enough, whichever it is; without any it ends", arguments: cuts)
    func granters(link: Bool, witness: [Bool], writable: [Pair.Name]) {
        var pair = Pair.settled(hasArbiter: true)
        if link { pair.cutLink() }
        pair.isWitnessCut = witness
        pair.wait(.seconds(10))
        #expect(pair.writable == writable)
    }

    @Test("the arbiter's lease counts from the question, and a late answer gives none")
    func lateArbiter() throws {
        var pair = Pair.settled(hasArbiter: true)
        pair.cutLink()
        pair.isWitnessCut = [true, true]
        pair.wait(.milliseconds(1_000))
        let question = try #require(pair.lastQuestion[0])
        let answer = try #require(
            pair.witness?.answer(question, from: Places.rabat.node, now: pair.now).answer)
        #expect(answer.outcome == .granted)
        pair.feed(.arbiter(answer), to: .rabat)
        #expect(pair.rabat.replica.lease.expires == question.sent + .seconds(3))
        pair.wait(.seconds(3))
        pair.feed(.arbiter(answer), to: .rabat)
        #expect(pair.writable == [])
    }
}
