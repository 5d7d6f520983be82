import Foundation
import SanadNode
import SanadTestSupport
import Testing

@testable import sanad_bench

extension EndToEnd {
    @Suite("Switchover", .serialized, .timeLimit(.minutes(5)))
    struct SwitchoverTests {
        @Test(
            "there and back under load, each one done, nothing lost",
            arguments: [ThirdVoice.none, .witness])
        func thereAndBack(arbiter: ThirdVoice) async throws {
            let sites = try Sites(arbiter: arbiter, lease: "2s")
            try await sites.startBoth()
            let load = try await sites.load()
            for round in 1...4 {
                let from = try #require(try sites.leader)
                let to = sites.other(from)
                let epoch = try #require(try from.status()).epoch
                let dry = try await from.control("switchover", "--dry-run")
                #expect(dry.isDone && dry.text.contains("Nothing was done"), "\(dry)")
                let unchanged = try #require(try from.status())
                #expect(unchanged.role == "primary" && unchanged.epoch == epoch)
                let done = try await from.control(
                    "switchover", "--yes", "--reason", "round \(round)")
                #expect(done.isDone, "\(done)")
                #expect(
                    done.text.contains("\(from.name): \(to.name) is primary of epoch"), "\(done)")
                try await load.untilGoingOn()
                try await sites.untilWhole(primary: to)
            }
            try sites.check(load)
            try await sites.untilEqual()
            let refused = try await sites.marrakech.control("switchover", "--dry-run")
            #expect(refused.code == 1 && refused.text.contains("ask the primary"), "\(refused)")
        }

        @Test(
            "a standby that dies in it leaves the primary primary", arguments: [false, true])
        func standbyDies(isUnderLoad: Bool) async throws {
            let sites = try Sites(arbiter: .witness, lease: "3s")
            try await sites.startBoth()
            let load = try await sites.load()
            // Without a write under way the drain is over at once, and the role is given up.
            if !isUnderLoad {
                try sites.check(load)
                try await sites.untilEqual()
            }
            sites.marrakech.kill(SIGSTOP)
            let word = try await sites.rabat.control("switchover", "--yes", "--reason", "test")
            #expect(word.code == 1, "\(word)")
            #expect(word.text.contains("did not take over; this node is primary"), "\(word)")
            try await until("rabat takes writes") { sites.rabat.isPrimary }
            try await until("rabat goes on alone") {
                try sites.rabat.status()?.inSync == ["rabat"]
            }
            if isUnderLoad { try await load.untilGoingOn() }
            try sites.rabat.put("alone", "1", on: "one-site")
            sites.marrakech.kill(SIGCONT)
            try await sites.untilWhole(primary: sites.rabat)
            if isUnderLoad { try sites.check(load) }
            #expect(sites.rabat.get("alone") == "1")
        }
    }
}
