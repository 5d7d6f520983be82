import Glibc
import SanadCore
import Testing

@testable import SanadStore

@Suite("Witness's store")
struct WitnessStoreTests {
    static func state(_ version: UInt64) throws -> WitnessStore.State {
        let node = try #require(Fixture.node)
        return WitnessStore.State(
            record: ClusterRecord(
                cluster: Fixture.cluster, version: version, epoch: Epoch(version), primary: node,
                inSync: [StoreIdentity(node: node, store: Identifier(high: 1, low: version))],
                since: .origin),
            committed: Sequence(version * 10), longestWait: .milliseconds(version))
    }

    private func open(_ fixture: Fixture) throws -> WitnessStore {
        try WitnessStore.open(directory: fixture.path, cluster: Fixture.cluster)
    }

    @Test("A new store holds the initial record; what was saved is there at the next open")
    func roundTrip() throws {
        let fixture = try Fixture()
        var store: WitnessStore? = try open(fixture)
        #expect(store?.isNew == true)
        #expect(store?.state.record == .initial(cluster: Fixture.cluster))
        let saved = try Self.state(3)
        try store?.save(saved)
        store = nil
        let again = try open(fixture)
        #expect(!again.isNew)
        #expect(again.state == saved)
    }

    @Test("Numbers above 63 bits survive")
    func largeNumbers() throws {
        let fixture = try Fixture()
        var state = try Self.state(1)
        state.committed = Sequence(.max)
        state.longestWait = Span(nanoseconds: .max)
        var store: WitnessStore? = try open(fixture)
        try store?.save(state)
        store = nil
        #expect(try open(fixture).state == state)
    }

    @Test("A second process, another cluster and a data node's directory are refused")
    func refused() throws {
        let fixture = try Fixture()
        var store: WitnessStore? = try open(fixture)
        try expectFailure(.locked) { _ = try open(fixture) }
        withExtendedLifetime(store) {}
        store = nil
        try expectFailure(.foreignStore) {
            _ = try WitnessStore.open(
                directory: fixture.path, cluster: Identifier(high: 9, low: 9))
        }
        let data = try Fixture()
        try data.open().close()
        try expectFailure(.foreignStore) { _ = try open(data) }
    }

    @Test("A changed bit in the row is found")
    func damage() throws {
        let columns = [
            "committed = committed + 1", "longest_wait_ns = 0", "checksum = checksum + 1",
            "record = zeroblob(20)", "cluster = zeroblob(16)",
        ]
        for change in columns {
            let fixture = try Fixture()
            var store: WitnessStore? = try open(fixture)
            try store?.save(try Self.state(5))
            store = nil
            var connection: SQLiteConnection? = try SQLiteConnection(
                path: fixture.path + "/witness.db", access: .readWrite)
            try connection?.execute("UPDATE witness SET " + change)
            connection = nil
            try expectFailure(.corrupt) { _ = try open(fixture) }
        }
    }

    @Test("What a save promised survives 15 kills at random moments", .timeLimit(.minutes(2)))
    func crashes() async throws {
        let fixture = try Fixture()
        let (path, acknowledged) = (fixture.path, fixture.directory + "/acknowledged")
        for round: UInt64 in 1...15 {
            await #expect(processExitsWith: .signal(SIGKILL)) {
                [
                    path = path as String, acknowledged = acknowledged as String,
                    round = round as UInt64
                ] in
                try WitnessCrashWriter.run(path, acknowledged, seed: round)
            }
            let told = try CrashWriter.lastAcknowledged(acknowledged).value
            let state = try WitnessStore.open(
                directory: path, cluster: Fixture.cluster
            ).state
            // What was saved and not told yet may be there, as a whole.
            let version = state.record.version
            #expect(version >= told)
            if version > 0 { #expect(state == (try Self.state(version))) }
        }
        #expect(try CrashWriter.lastAcknowledged(acknowledged) > Sequence(15))
    }
}

// Here for its suite's order: one disk is broken at a time.
extension FaultTests {
    @Test("A witness on a broken disk has the old state or the new one, and says which it promised")
    func everyWriteOfAWitness() throws {
        try #require(FaultyFileSystem.registered)
        var calls = 0
        while true {
            let fixture = try Fixture(inMemory: true)
            fixture.options.vfs = FaultyFileSystem.name
            FaultyFileSystem.arm(after: calls, tearing: true)
            var promised: UInt64 = 0
            do throws(StoreError) {
                let store = try WitnessStore.open(
                    directory: fixture.path, cluster: Fixture.cluster, options: fixture.options)
                for version: UInt64 in 1...4 {
                    guard let state = try? WitnessStoreTests.state(version) else { break }
                    do throws(StoreError) {
                        try store.save(state)
                    } catch {
                        #expect(error.isFatal)
                        throw error
                    }
                    promised = version
                }
            } catch {
                // The point of the exercise: what counts is what the next start finds.
            }
            let failed = FaultyFileSystem.disarm()
            let state = try WitnessStore.open(
                directory: fixture.path, cluster: Fixture.cluster
            ).state
            let version = state.record.version
            #expect(version == promised || version == promised + 1, "after \(calls) calls")
            if version > 0 { #expect(state == (try WitnessStoreTests.state(version))) }
            if failed == 0, promised == 4 { break }
            calls += 1
        }
        #expect(calls > 10, "the faults must have hit something")
    }
}

/// The child's side: saves until it is killed, and tells what it was promised.
enum WitnessCrashWriter {
    static func run(_ path: String, _ acknowledged: String, seed: UInt64) throws {
        var generator = SeededGenerator(state: seed)
        let microseconds = UInt32.random(in: 3_000...60_000, using: &generator)
        let descriptor = Glibc.open(acknowledged, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        try #require(descriptor >= 0)
        _ = try WorkerThread(niceness: 0) {
            usleep(microseconds)
            kill(getpid(), SIGKILL)
        }
        let store = try WitnessStore.open(directory: path, cluster: Fixture.cluster)
        var version = store.state.record.version
        while true {
            version += 1
            try store.save(try WitnessStoreTests.state(version))
            // The page cache outlives the process, so the promise needs no sync of its own.
            try #require(write(descriptor, &version, 8) == 8)
        }
    }
}
