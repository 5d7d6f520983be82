import Foundation
import SanadNode
import SanadTestSupport
import Testing

@testable import sanad_bench

extension EndToEnd {
    @Suite("Stores that are not what they were", .serialized, .timeLimit(.minutes(5)))
    struct OldCopyTests {
        /// Which node's disk comes back from an older copy.
        enum Restored: String, CaseIterable { case primary, standby }

        @Test(
            "a store restored from an older copy is not promoted and acknowledges nothing",
            arguments: Restored.allCases)
        func restored(which: Restored) async throws {
            let sites = try Sites(arbiter: .witness)
            try await sites.startBoth()
            try sites.rabat.put("old", "1", on: "both-sites")
            let node = which == .primary ? sites.rabat : sites.marrakech
            node.kill(SIGKILL)
            try copy(node.store, to: node.store + "-copy")
            try node.start()
            try await sites.untilWhole()
            let leader = try #require(try sites.leader)
            if which == .primary, leader !== sites.rabat {
                let word = try await leader.control("switchover", "--yes", "--reason", "test")
                #expect(word.isDone, "\(word)")
                try await sites.untilWhole(primary: sites.rabat)
            }
            let primary = try #require(try sites.leader)
            for number in 0..<20 { try primary.put("new\(number)", "1", on: "both-sites") }
            try await untilTold(sites, primary)
            // Both at once: the record goes on naming both as in sync.
            sites.rabat.kill(SIGSTOP)
            sites.marrakech.kill(SIGSTOP)
            sites.rabat.kill(SIGKILL)
            sites.marrakech.kill(SIGKILL)
            try FileManager.default.removeItem(atPath: node.store)
            try copy(node.store + "-copy", to: node.store)
            try node.start()
            try await until("only the loss stands against a promotion") {
                let word = try await node.control("promote", "--dry-run")
                return word.code == 1
                    && word.text.contains("acknowledged writes can be missing here")
            }
            #expect(!node.isPrimary && node.put("early", "1", seconds: 2)?.status != 200)
            let other = sites.other(node)
            try other.start()
            try await sites.untilWhole(primary: other)
            try await sites.untilEqual()
            for site in [sites.rabat, sites.marrakech] {
                for number in 0..<20 { #expect(site.get("new\(number)") == "1") }
                #expect(site.get("early") == nil)
            }
        }

        /// The witness knows of the last commit: it hears of it with the next renewal.
        private func untilTold(_ sites: Sites, _ primary: Site) async throws {
            try await until("the witness knows of the last commit") {
                guard let told = try sites.witness?.status(), let own = try primary.status() else {
                    return false
                }
                return told.committed >= own.committed
            }
        }

        private func copy(_ source: String, to target: String) throws {
            let child = try SanadTestSupport.ChildProcess(
                "/bin/cp", ["-a", source, target], output: "/dev/null")
            #expect(child.wait() == 0)
        }

        @Test(
            "a primary that comes back at once with an empty store takes nothing from the standby",
            arguments: [ThirdVoice.none, .witness])
        func emptyStore(arbiter: ThirdVoice) async throws {
            let sites = try Sites(arbiter: arbiter)
            try await sites.startBoth()
            for number in 0..<20 { try sites.rabat.put("k\(number)", "1", on: "both-sites") }
            sites.rabat.kill(SIGKILL)
            try FileManager.default.removeItem(atPath: sites.rabat.store)
            // Within the time in which Marrakech still waits for a heartbeat.
            try sites.rabat.start()
            try await sites.untilWhole(primary: sites.marrakech)
            try sites.marrakech.put("after", "1", on: "both-sites")
            try await sites.untilEqual()
            for site in [sites.rabat, sites.marrakech] {
                for number in 0..<20 { #expect(site.get("k\(number)") == "1") }
                #expect(site.get("after") == "1")
            }
        }

        @Test(
            "stop A, promote B, stop B, start A alone: A takes no writes",
            arguments: [ThirdVoice.none, .witness])
        func formerPrimaryAlone(arbiter: ThirdVoice) async throws {
            let sites = try Sites(arbiter: arbiter)
            try await sites.startBoth()
            try sites.rabat.put("first", "1", on: "both-sites")
            sites.rabat.kill(SIGKILL)
            try await until("marrakech is primary") { sites.marrakech.isPrimary }
            try sites.marrakech.put("second", "2", on: "one-site")
            sites.marrakech.kill(SIGKILL)
            try sites.rabat.start()
            try await until("only the loss stands against a promotion") {
                let word = try await sites.rabat.control("promote", "--dry-run")
                return word.code == 1
                    && word.text.contains("acknowledged writes can be missing here")
            }
            #expect(!sites.rabat.isPrimary)
            #expect(sites.rabat.put("third", "3", seconds: 2)?.status != 200)
            try sites.marrakech.start()
            try await sites.untilWhole(primary: sites.marrakech)
            try await sites.untilEqual()
            #expect(sites.rabat.get("second") == "2" && sites.rabat.get("third") == nil)
        }
    }
}
