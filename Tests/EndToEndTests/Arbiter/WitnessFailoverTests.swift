import Foundation
import SanadNode
import SanadTestSupport
import Testing

@testable import sanad_bench

extension EndToEnd {
    @Suite("With a witness: who takes over", .serialized, .timeLimit(.minutes(5)))
    struct WitnessFailoverTests {
        @Test("kill -9 of the primary: the standby takes over, the old one follows, both in sync")
        func killPrimary() async throws {
            let sites = try Sites(arbiter: .witness)
            try await sites.startBoth()
            let load = try await sites.load()
            sites.rabat.kill(SIGKILL)
            try await until("marrakech is primary") { sites.marrakech.isPrimary }
            try await load.untilGoingOn()
            try sites.marrakech.put("alone", "1", on: "one-site")
            try sites.rabat.start()
            try await sites.untilWhole(primary: sites.marrakech)
            try sites.marrakech.put("together", "2", on: "both-sites")
            try sites.check(load)
            try await sites.untilEqual()
            #expect(sites.rabat.get("alone") == "1" && sites.rabat.get("together") == "2")
        }

        @Test("a primary that only its clients reach stops; its tail is kept in quarantine")
        func isolatedPrimary() async throws {
            let sites = try Sites(arbiter: .witness)
            try await sites.startBoth()
            let load = try await sites.load()
            sites.isolateRabat()
            try await until("marrakech is primary") { sites.marrakech.isPrimary }
            #expect(!sites.rabat.isPrimary)
            #expect(sites.rabat.put("late", "1", seconds: 2)?.status != 200)
            try await load.untilGoingOn()
            sites.heal()
            try await sites.untilWhole(primary: sites.marrakech)
            try sites.check(load)
            try await sites.untilEqual()
            #expect(sites.rabat.get("late") == nil)
            // The writers' last words to Rabat were in its log, and nobody acknowledged them.
            let list = try await sites.rabat.control("quarantine", "list")
            #expect(list.isDone && list.text.contains("1: "), "\(list)")
            #expect(try sites.rabat.status()?.quarantineEntries == 1)
        }

        /// In sync mode a primary without its standby has nothing to acknowledge; here the lease alone
        /// keeps it from that.
        @Test("async: a primary that only its clients reach stops before the other acknowledges")
        func isolatedAsync() async throws {
            let sites = try Sites(arbiter: .witness, mode: "async", failover: "max_loss: 100000")
            try await sites.startBoth()
            #expect(sites.rabat.put("before", "1")?.status == 200)
            try await sites.untilEqual()
            sites.isolateRabat()
            #expect(sites.rabat.put("tail", "1")?.status == 200)
            try await until("marrakech is primary") { sites.marrakech.isPrimary }
            #expect(sites.marrakech.put("after", "2")?.status == 200)
            let late = sites.rabat.put("late", "3", seconds: 2)
            #expect(late?.status != 200, "\(String(describing: late))")
            sites.heal()
            try await sites.untilWhole(primary: sites.marrakech)
            try await sites.untilEqual()
            for site in [sites.rabat, sites.marrakech] {
                #expect(site.get("before") == "1" && site.get("after") == "2")
                #expect(site.get("tail") == nil && site.get("late") == nil)
            }
            #expect(try sites.rabat.status()?.quarantineEntries == 1)
        }

        @Test("a paused primary with a witness acknowledges nothing when it wakes up")
        func pausedPrimary() async throws {
            let sites = try Sites(arbiter: .witness)
            try await sites.startBoth()
            let load = try await sites.load()
            sites.rabat.kill(SIGSTOP)
            try await until("marrakech is primary") { sites.marrakech.isPrimary }
            try await load.untilGoingOn()
            sites.rabat.kill(SIGCONT)
            let late = sites.rabat.put("late", "1", seconds: 2)
            #expect(late?.status != 200, "\(String(describing: late))")
            try await sites.untilWhole(primary: sites.marrakech)
            try sites.check(load)
        }

        @Test(
            "on_standby_loss: block acknowledges nothing without the standby, and goes on with it")
        func block() async throws {
            let sites = try Sites(arbiter: .witness, replication: "on_standby_loss: block")
            try await sites.startBoth()
            let load = try await sites.load()
            sites.marrakech.kill(SIGKILL)
            try await load.expectNobodyAcknowledged()
            #expect(try sites.rabat.status()?.inSync.count == 2)
            try sites.marrakech.start()
            try await load.untilGoingOn()
            try await sites.untilWhole()
            try sites.check(load)
        }
    }
}
