import SanadCore
import SanadTestSupport
import Testing

@testable import SanadNode
@testable import SanadStore

@Suite("A node that was stopped at the end of a repair", .timeLimit(.minutes(1)))
struct RepairTests {
    let client = Client()

    /// Its records were fetched as they were after the last transaction of its log, which it does not
    /// know as committed; and nobody can tell it any more.
    @Test("it serves no reads, is promoted when the primary is lost, and has all records then")
    func promoted() async throws {
        // Long enough that it is looked at before it takes the role, also on a loaded machine.
        let pair = try Pair(lease: "5s")
        let (rabat, marrakech) = try await pair.startBoth()
        _ = try await client.put(rabat.gate, "amina", "1")
        try await until("marrakech has it") { try marrakech.gate.value("amina") == "1" }
        await rabat.stop()
        await marrakech.stop()
        try leaveRepair(in: pair)

        let left = try pair.start("marrakech")
        try await until("it waits for the commit") { left.gate.status.waitsForCommit == true }
        #expect(!left.gate.isConsistent)
        #expect(try left.gate.value("brahim") == nil)
        try await until("marrakech is writable") { left.gate.isWritable }
        try await until("its records are served") { left.gate.isConsistent }
        #expect(left.gate.status.waitsForCommit == nil)
        #expect(try left.gate.value("amina") == "1")
        #expect(try left.gate.value("brahim") == "2")
        #expect(try await client.put(left.gate, "chadia", "3").durability == .oneSite)
        await left.stop()
        let store = try open(pair)
        #expect(try store.nodeDatabase.repairPlan() == nil)
        store.close()
    }

    private func open(_ pair: Pair) throws -> Store {
        try Store.open(
            directory: pair.directory + "/marrakech", cluster: pair.cluster,
            node: #require(NodeName("marrakech")),
            makeStoreIdentifier: { preconditionFailure("the store is there") })
    }

    private func leaveRepair(in pair: Pair) throws {
        let store = try open(pair)
        defer { store.close() }
        var encoder = FrameEncoder(
            after: store.log.end, epoch: store.log.end.epoch, committed: store.log.knownCommitted,
            logOffset: store.log.endOffset, wallMilliseconds: 0)
        var transaction = TransactionBytes()
        transaction.append(.put, collection: "pupils", key: "brahim", value: "2")
        _ = encoder.append(transaction)
        let base = store.log.end
        try store.log.append([encoder.finish()])
        let plan = RepairPlan(
            kind: .rejoin, phase: .catchUp, base: base,
            consistentFrom: store.log.end.sequence, quarantine: nil, keepsOld: false,
            reason: "test", wallMilliseconds: 0)
        try store.nodeDatabase.write { () throws(StoreError) in try store.nodeDatabase.save(plan) }
    }
}
