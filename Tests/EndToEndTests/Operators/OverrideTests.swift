import Foundation
import SanadNode
import SanadTestSupport
import Testing

@testable import sanad_bench

extension EndToEnd {
    @Suite("An operator's overrides", .serialized, .timeLimit(.minutes(5)))
    struct OverrideTests {
        @Test("two sites that run alone stop when they meet, and one gives way")
        func bothPrimary() async throws {
            let sites = try Sites(arbiter: .witness)
            try await sites.startBoth()
            try sites.rabat.put("common", "1", on: "both-sites")
            try await runBothAlone(sites)
            sites.link.heal()
            for site in [sites.rabat, sites.marrakech] { try await untilStopped(site) }
            // Not even a restart makes one of them forget.
            sites.rabat.kill(SIGKILL)
            try sites.rabat.start()
            try sites.witness?.start()
            for site in [sites.rabat, sites.marrakech] { try await untilStopped(site) }
            try await giveWay(sites)
            try await enterAgain(sites)
            try await lookBack(sites)
        }

        private func runBothAlone(_ sites: Sites) async throws {
            sites.witness?.kill(SIGKILL)
            sites.link.cut(.forward, .backward)
            try await until("nobody takes writes") { try sites.leader == nil }
            for site in [sites.rabat, sites.marrakech] {
                let dry = try await site.control("run-alone", "--dry-run")
                #expect(dry.isDone && dry.text.contains("there will be two primaries"), "\(dry)")
                #expect(!site.isPrimary)
                let word = try await site.control(
                    "run-alone", "--yes", "--reason", "ticket \(site.name)")
                #expect(word.isDone, "\(word)")
                let status = try await site.control("status")
                #expect(status.text.contains("RUNS ALONE by an operator's word"), "\(status)")
                try site.put("common", "\"\(site.name)\"", on: "one-site")
                try site.put(site.name, "1", on: "one-site")
            }
        }

        private func untilStopped(_ site: Site) async throws {
            try await until("\(site.name) has met another primary") {
                let status = try site.status()
                return status?.conflict != nil && status?.writable == false
                    && status?.link.connected == true
            }
            #expect(site.put("late", "1", seconds: 2)?.status != 200)
            let status = try await site.control("status")
            #expect(
                status.text.contains("HAS MET ANOTHER PRIMARY and takes no writes"), "\(status)")
        }

        /// Marrakech gives way, with what each of them would lose on the screen first.
        private func giveWay(_ sites: Sites) async throws {
            let dry = try await sites.marrakech.control("rejoin", "--dry-run")
            #expect(dry.isDone, "\(dry)")
            for line in [
                "both nodes have everything up to",
                "this node has 3 transactions after it: they go to quarantine",
                "rabat has 3 transactions after it: they stay",
            ] { #expect(dry.text.contains(line), "\(dry)") }
            let unconfirmed = try await sites.marrakech.control("rejoin", "--reason", "test")
            #expect(unconfirmed.code == 64, "\(unconfirmed)")
            let word = try await sites.marrakech.control(
                "rejoin", "--yes", "--reason", "clients wrote to Rabat")
            #expect(word.isDone, "\(word)")
            try await sites.untilWhole(primary: sites.rabat)
            try await sites.untilEqual()
            for site in [sites.rabat, sites.marrakech] {
                #expect(site.get("common") == "\"rabat\"")
                #expect(site.get("rabat") == "1")
                #expect(site.get("marrakech") == nil)
            }
        }

        /// What was cut off is looked at, exported, entered again and discarded.
        private func enterAgain(_ sites: Sites) async throws {
            let node = sites.marrakech
            let list = try await node.control("quarantine", "list")
            #expect(list.text.contains("1: 3 transactions"), "\(list)")
            let show = try await node.control(
                "quarantine", "show", "1", "--config", node.configurationPath)
            #expect(show.isDone && show.text.contains("marrakech"), "\(show)")
            let file = sites.directory + "/cut.ndjson"
            let export = try await node.control(
                "quarantine", "export", "1", "--output", file, "--config", node.configurationPath)
            #expect(export.isDone, "\(export)")
            let lines = try String(contentsOfFile: file, encoding: .utf8).split(separator: "\n")
            #expect(lines.count == 2)
            let missing = try #require(lines.last)
            #expect(missing.contains(#""key":"marrakech""#), "\(missing)")
            let chosen = sites.directory + "/missing.ndjson"
            try "\(missing)\n".write(toFile: chosen, atomically: true, encoding: .utf8)
            let imported = try await sites.rabat.control("import", chosen)
            #expect(imported.isDone, "\(imported)")
            try await sites.untilEqual()
            #expect(node.get("marrakech") == "1" && node.get("common") == "\"rabat\"")
            let discard = try await node.control(
                "quarantine", "discard", "1", "--yes", "--reason", "1 line entered again")
            #expect(discard.isDone, "\(discard)")
            let empty = try await node.control("quarantine", "list")
            #expect(empty.text.contains("nothing is in quarantine"), "\(empty)")
        }

        /// Both sites' audit trails in one list.
        private func lookBack(_ sites: Sites) async throws {
            let theirs = try await sites.marrakech.control("history", "--json")
            let file = sites.directory + "/history.json"
            try theirs.text.write(toFile: file, atomically: true, encoding: .utf8)
            let history = try await sites.rabat.control("history", "--with", file)
            #expect(history.isDone, "\(history)")
            for (node, words) in [
                ("rabat", "run-alone"), ("rabat", "ticket rabat"), ("marrakech", "run-alone"),
                ("marrakech", "rejoin"), ("marrakech", "clients wrote to Rabat"),
                ("marrakech", "discard-quarantine"),
            ] {
                #expect(
                    history.text.split(separator: "\n").contains {
                        $0.contains("\(node): audit") && $0.contains(words)
                    }, "\(node), \(words): \(history)")
            }
        }

        @Test("a promotion out of sync needs --accept-loss, is recorded, and the tail is kept")
        func acceptLoss() async throws {
            let sites = try Sites(arbiter: .witness)
            try await sites.startBoth()
            try sites.rabat.put("common", "1", on: "both-sites")
            sites.marrakech.kill(SIGKILL)
            try await until("rabat goes on alone") {
                try sites.rabat.status()?.inSync == ["rabat"]
            }
            try sites.rabat.put("only-rabat", "1", on: "one-site")
            sites.rabat.kill(SIGKILL)
            try sites.marrakech.start()
            var word = Site.Word(code: 0, text: "")
            try await until("nothing but the loss stands against a promotion") {
                word = try await sites.marrakech.control("promote", "--dry-run")
                return word.text.contains("acknowledged writes can be missing here")
            }
            #expect(word.code == 1, "\(word)")
            let refused = try await sites.marrakech.control("promote", "--yes", "--reason", "fire")
            #expect(refused.code == 1 && refused.text.contains("--accept-loss"), "\(refused)")
            #expect(try sites.marrakech.status()?.role == "standby")
            let done = try await sites.marrakech.control(
                "promote", "--accept-loss", "--yes", "--reason", "fire in Rabat")
            #expect(done.text.contains("marrakech: this node is primary of epoch 2."), "\(done)")
            try sites.marrakech.put("common", "2", on: "one-site")
            let history = try await sites.marrakech.control("history")
            #expect(history.text.contains("(operator's override)"), "\(history)")
            #expect(history.text.contains("promote: epoch 1: fire in Rabat"), "\(history)")
            try sites.rabat.start()
            try await sites.untilWhole(primary: sites.marrakech)
            try await sites.untilEqual()
            #expect(sites.rabat.get("common") == "2" && sites.rabat.get("only-rabat") == nil)
            let show = try await sites.rabat.control(
                "quarantine", "show", "1", "--config", sites.rabat.configurationPath)
            #expect(show.text.contains("only-rabat"), "\(show)")
        }
    }
}
