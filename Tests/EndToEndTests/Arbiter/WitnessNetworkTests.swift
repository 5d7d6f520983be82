import Foundation
import SanadNode
import SanadTestSupport
import Testing

@testable import sanad_bench

extension EndToEnd {
    @Suite("With a witness: what the network loses", .serialized, .timeLimit(.minutes(5)))
    struct WitnessNetworkTests {
        enum Cut: String, CaseIterable {
            case both, fromMarrakech, fromRabat

            var directions: [CutProxy.Direction] {
                switch self {
                case .both: [.forward, .backward]
                case .fromMarrakech: [.forward]
                case .fromRabat: [.backward]
                }
            }
        }

        @Test("a cut link promotes nobody; healed, both are in sync again", arguments: Cut.allCases)
        func cutLink(cut: Cut) async throws {
            let sites = try Sites(arbiter: .witness, lease: "2s")
            try await sites.startBoth()
            let epoch = try sites.rabat.status()?.epoch
            let load = try await sites.load()
            for direction in cut.directions { sites.link.cut(direction) }
            try await until("rabat goes on alone") {
                try sites.rabat.status()?.inSync == ["rabat"]
            }
            try await load.untilGoingOn()
            try sites.rabat.put("alone", "1", on: "one-site")
            // Marrakech's promise ended with Rabat's lease from it: it has asked by now.
            try await load.untilAnswered(100)
            #expect(try sites.marrakech.status()?.role == "standby")
            sites.link.heal()
            try await sites.untilWhole(primary: sites.rabat)
            try sites.rabat.put("together", "2", on: "both-sites")
            #expect(try sites.rabat.status()?.epoch == epoch)
            try sites.check(load)
            try await sites.untilEqual()
        }

        @Test("without the arbiter alone nothing stops", arguments: [SIGKILL, SIGSTOP])
        func lostArbiter(signal: Int32) async throws {
            let sites = try Sites(arbiter: .witness, lease: "2s")
            try await sites.startBoth()
            let epoch = try sites.rabat.status()?.epoch
            let load = try await sites.load()
            sites.witness?.kill(signal)
            for site in [sites.rabat, sites.marrakech] {
                try await until("\(site.name) misses the arbiter") {
                    try site.status()?.arbiterReachable == false
                }
            }
            try await load.untilAnswered(100)
            try sites.rabat.put("without", "1", on: "both-sites")
            let status = try await sites.rabat.control("status")
            #expect(status.text.contains("DOES NOT ANSWER"), "\(status)")
            if signal == SIGKILL {
                try sites.witness?.start()
            } else {
                sites.witness?.kill(SIGCONT)
            }
            try await sites.untilWhole(primary: sites.rabat)
            #expect(try sites.rabat.status()?.epoch == epoch)
            try sites.check(load)
        }

        @Test(
            "without link and arbiter nobody acknowledges; either of them is enough to go on",
            arguments: ["link", "arbiter"])
        func lostLinkAndArbiter(back: String) async throws {
            let sites = try Sites(arbiter: .witness)
            try await sites.startBoth()
            let load = try await sites.load()
            sites.witness?.kill(SIGKILL)
            sites.link.cut(.forward, .backward)
            try await until("nobody takes writes") { try sites.leader == nil }
            try await load.expectNobodyAcknowledged()
            if back == "link" { sites.heal() } else { try sites.witness?.start() }
            try await load.untilGoingOn()
            if back == "link" { try sites.witness?.start() } else { sites.heal() }
            try await sites.untilWhole()
            try sites.check(load)
            try await sites.untilEqual()
        }

        @Test("a slow arbiter does no harm; what it answers after the lease grants nothing")
        func slowArbiter() async throws {
            let sites = try Sites(arbiter: .witness, lease: "2s")
            try await sites.startBoth()
            let ways = [sites.rabat, sites.marrakech].compactMap(\.arbiter)
            let load = try await sites.load()
            for way in ways { way.delay(.forward, .backward, milliseconds: 150) }
            try await load.untilAnswered(100)
            sites.link.cut(.forward, .backward)
            try await until("rabat goes on alone") {
                try sites.rabat.status()?.inSync == ["rabat"]
            }
            try await load.untilGoingOn()
            #expect(try sites.leader === sites.rabat)
            sites.heal()
            try await sites.untilWhole(primary: sites.rabat)

            for way in ways { way.delay(.backward, milliseconds: 2_500) }
            sites.link.cut(.forward, .backward)
            try await until("nobody takes writes") { try sites.leader == nil }
            try await load.expectNobodyAcknowledged(refusals: 200)
            for way in ways { way.delay(.forward, .backward, milliseconds: 0) }
            sites.heal()
            try await load.untilGoingOn()
            try await sites.untilWhole()
            try sites.check(load)
        }

        @Test("a witness that lost its store is told by the primary, and can be counted on again")
        func lostWitnessStore() async throws {
            let sites = try Sites(arbiter: .witness)
            let witness = try #require(sites.witness)
            try await sites.startBoth()
            let load = try await sites.load()
            let version = try #require(try witness.status()).recordVersion
            witness.kill(SIGKILL)
            try witness.loseStore()
            try witness.start()
            try await until("the witness has the record again") {
                guard let status = try witness.status() else { return false }
                return status.recordVersion >= version && status.primary == "rabat"
                    && status.inSync.count == 2
            }
            try await sites.untilWhole(primary: sites.rabat)
            sites.rabat.kill(SIGKILL)
            try await until("marrakech is primary") { sites.marrakech.isPrimary }
            try await load.untilGoingOn()
            try sites.rabat.start()
            try await sites.untilWhole(primary: sites.marrakech)
            try sites.check(load)
        }
    }
}
