import Foundation
import SanadNode
import SanadTestSupport
import Testing

@testable import sanad_bench

extension EndToEnd {
    @Suite(
        "With etcd", .enabled(if: EtcdMembers.isInstalled, "\(EtcdMembers.whyNot)"), .serialized,
        .timeLimit(.minutes(5)))
    struct EtcdFailoverTests {
        @Test("kill -9 of the primary, while one of three members is dead")
        func killPrimary() async throws {
            let sites = try Sites(arbiter: .etcd(members: 3), lease: "3s")
            try await sites.startBoth()
            let load = try await sites.load()
            // The first of the endpoints: both nodes have to find another one.
            sites.etcd?.kill(0)
            try await load.untilAnswered(100)
            sites.rabat.kill(SIGKILL)
            try await until("marrakech is primary") { sites.marrakech.isPrimary }
            try await load.untilGoingOn()
            try sites.marrakech.put("alone", "1", on: "one-site")
            try sites.rabat.start()
            try await sites.untilWhole(primary: sites.marrakech)
            try sites.marrakech.put("together", "2", on: "both-sites")
            try sites.check(load)
        }

        @Test("etcd stops and starts again: nothing stops while both sites see each other")
        func restart() async throws {
            let sites = try Sites(arbiter: .etcd(members: 1), lease: "3s")
            try await sites.startBoth()
            let epoch = try sites.rabat.status()?.epoch
            let load = try await sites.load()
            sites.etcd?.kill(0)
            for site in [sites.rabat, sites.marrakech] {
                try await until("\(site.name) misses etcd") {
                    try site.status()?.arbiterReachable == false
                }
            }
            try await load.untilAnswered(100)
            try sites.rabat.put("without", "1", on: "both-sites")
            try sites.etcd?.start(0)
            try await sites.untilWhole(primary: sites.rabat)
            #expect(try sites.rabat.status()?.epoch == epoch)
            try sites.check(load)
        }

        @Test("a cut link promotes nobody; healed, both are in sync again")
        func cutLink() async throws {
            let sites = try Sites(arbiter: .etcd(members: 1), lease: "3s")
            try await sites.startBoth()
            let epoch = try sites.rabat.status()?.epoch
            let load = try await sites.load()
            sites.link.cut(.forward, .backward)
            try await until("rabat goes on alone") {
                try sites.rabat.status()?.inSync == ["rabat"]
            }
            try await load.untilGoingOn()
            try await load.untilAnswered(100)
            #expect(try sites.marrakech.status()?.role == "standby")
            sites.link.heal()
            try await sites.untilWhole(primary: sites.rabat)
            #expect(try sites.rabat.status()?.epoch == epoch)
            try sites.check(load)
        }
    }
}
