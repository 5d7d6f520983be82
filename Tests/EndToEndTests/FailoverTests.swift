import Foundation
import SanadNode
import SanadTestSupport
import Testing

extension EndToEnd {
    @Suite("Two daemons, real processes", .serialized, .timeLimit(.minutes(5)))
    struct FailoverTests {
        @Test(
            "kill -9 of the primary: the standby takes over with every acknowledged write, and back"
        )
        func killPrimary() async throws {
            let sites = try Sites()
            try await sites.startBoth()
            for number in 0..<50 {
                let answer = try #require(sites.rabat.put("k\(number)", "{\"n\":\(number)}"))
                #expect(answer.status == 200 && answer.body.contains("both-sites"))
            }
            sites.rabat.kill(SIGKILL)
            try await until("marrakech is primary") { sites.marrakech.isPrimary }
            for number in 0..<50 {
                #expect(sites.marrakech.get("k\(number)") == "{\"n\":\(number)}")
            }
            let alone = try #require(sites.marrakech.put("alone", "1"))
            #expect(alone.body.contains("one-site"), "\(alone)")
            try sites.rabat.start()
            try await until("in sync again") {
                try sites.marrakech.status()?.inSync.count == 2
            }
            let together = try #require(sites.marrakech.put("together", "2"))
            #expect(together.body.contains("both-sites"), "\(together)")
            try await until("rabat has all of it") { sites.rabat.get("together") == "2" }
            try await until("both logs end alike") {
                try sites.rabat.status()?.logEnd == sites.marrakech.status()?.logEnd
            }
        }

        @Test("a paused primary acknowledges nothing when it wakes up after a promotion")
        func pausePrimary() async throws {
            let sites = try Sites()
            try await sites.startBoth()
            #expect(sites.rabat.put("before", "1")?.status == 200)
            sites.rabat.kill(SIGSTOP)
            try await until("marrakech is primary") { sites.marrakech.isPrimary }
            #expect(sites.marrakech.put("after", "2")?.status == 200)
            sites.rabat.kill(SIGCONT)
            let late = sites.rabat.put("late", "3")
            #expect(late?.status != 200, "\(String(describing: late))")
            try await until("rabat follows") { try sites.rabat.status()?.role == "standby" }
            #expect(sites.marrakech.get("late") == nil)
            try await until("rabat has what marrakech wrote") { sites.rabat.get("after") == "2" }
        }

        @Test("kill -9 at random points under load, 25 rounds: nothing acknowledged is lost")
        func killAtRandom() async throws {
            let sites = try Sites(mode: "async")
            try await sites.startBoth()
            var acknowledged: [String: String] = [:]
            for round in 0..<25 {
                let limit = ContinuousClock.now + .milliseconds(Int.random(in: 5...120))
                var number = 0
                while ContinuousClock.now < limit {
                    let key = "r\(round)-\(number % 20)"
                    let value = "{\"round\":\(round),\"n\":\(number)}"
                    if sites.rabat.put(key, value)?.status == 200 { acknowledged[key] = value }
                    number += 1
                }
                sites.rabat.kill(SIGKILL)
                try sites.rabat.start()
                try await until("rabat is primary again in round \(round)") {
                    sites.rabat.isPrimary
                }
            }
            for (key, value) in acknowledged { #expect(sites.rabat.get(key) == value, "\(key)") }
            try await until("both logs end alike") {
                try sites.rabat.status()?.logEnd == sites.marrakech.status()?.logEnd
            }
            #expect(try #require(try sites.rabat.status()).epoch >= 26)
        }

        @Test("a daemon stops in peace on SIGTERM")
        func stop() async throws {
            let sites = try Sites()
            try await sites.startBoth()
            sites.marrakech.kill(SIGTERM)
            #expect(sites.marrakech.process?.wait() == 0)
            sites.rabat.kill(SIGTERM)
            #expect(sites.rabat.process?.wait() == 0)
            #expect(sites.rabat.log.contains("stopped"))
        }
    }
}
