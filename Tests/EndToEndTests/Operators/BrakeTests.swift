import Foundation
import SanadNode
import SanadTestSupport
import Testing

@testable import sanad_bench

extension EndToEnd {
    @Suite("What keeps a node from the primary role", .serialized, .timeLimit(.minutes(5)))
    struct BrakeTests {
        @Test("a fence takes the role away, survives a restart, and is lifted")
        func fence() async throws {
            let sites = try Sites(arbiter: .witness)
            try await sites.startBoth()
            let load = try await sites.load()
            let unconfirmed = try await sites.rabat.control("fence", "--reason", "disk in doubt")
            #expect(unconfirmed.code == 64, "\(unconfirmed)")
            let fenced = try await sites.rabat.control(
                "fence", "--yes", "--reason", "disk in doubt")
            #expect(fenced.isDone, "\(fenced)")
            try await sites.untilWhole(primary: sites.marrakech)
            try await load.untilGoingOn()
            sites.rabat.kill(SIGKILL)
            try sites.rabat.start()
            try await sites.untilWhole(primary: sites.marrakech)
            #expect(try sites.rabat.status()?.operatorFence?.contains("disk in doubt") == true)
            sites.marrakech.kill(SIGKILL)
            try await until("rabat misses marrakech") {
                try sites.rabat.status()?.link.connected == false
            }
            let refused = try await sites.rabat.control("promote", "--dry-run")
            #expect(refused.code == 1 && refused.text.contains("fenced"), "\(refused)")
            try await load.expectNobodyAcknowledged()
            let lifted = try await sites.rabat.control("fence", "--lift", "--reason", "disk is new")
            #expect(lifted.isDone, "\(lifted)")
            try await until("rabat is primary") { sites.rabat.isPrimary }
            try sites.marrakech.start()
            try await sites.untilWhole(primary: sites.rabat)
            try sites.check(load)
        }

        @Test("a pause holds the promotion back at both sites, and ends by itself")
        func pause() async throws {
            let sites = try Sites(arbiter: .witness)
            try await sites.startBoth()
            let load = try await sites.load()
            let start = ContinuousClock.now
            let word = try await sites.rabat.control(
                "pause", "--for", "6s", "--reason", "router exchange")
            #expect(
                word.text.contains("no automatic promotion for 6 s; marrakech was told"), "\(word)")
            sites.rabat.kill(SIGKILL)
            // A restart does not forget it.
            sites.marrakech.kill(SIGKILL)
            try sites.marrakech.start()
            try await until("marrakech is standby, paused") {
                let status = try sites.marrakech.status()
                return status?.role == "standby" && status?.failoverPausedSeconds != nil
            }
            let status = try await sites.marrakech.control("status")
            #expect(status.text.contains("PAUSED by an operator"), "\(status)")
            try await until("marrakech is primary") { sites.marrakech.isPrimary }
            #expect(ContinuousClock.now - start > .seconds(6))
            try sites.rabat.start()
            try await sites.untilWhole(primary: sites.marrakech)
            try sites.check(load)
        }

        @Test(
            "observe and manual promote nobody; the first says what it would have done",
            arguments: ["observe", "manual"])
        func byHand(mode: String) async throws {
            let sites = try Sites(arbiter: .witness, failover: "mode: \(mode)")
            try await sites.startBoth()
            let load = try await sites.load()
            sites.rabat.kill(SIGKILL)
            let words = "observing: this node would have promoted itself"
            if mode == "observe" {
                try await until("marrakech says so") { sites.marrakech.log.contains(words) }
            }
            try await until("nothing but the operator's word is missing") {
                try await sites.marrakech.control("promote", "--dry-run").isDone
            }
            #expect(try sites.marrakech.status()?.role == "standby")
            #expect(sites.marrakech.log.contains(words) == (mode == "observe"))
            try await load.expectNobodyAcknowledged()
            let word = try await sites.marrakech.control(
                "promote", "--yes", "--reason", "Rabat has no power, ticket 4711")
            #expect(word.text.contains("marrakech: this node is primary of epoch 2."), "\(word)")
            try await load.untilGoingOn()
            try sites.rabat.start()
            try await sites.untilWhole(primary: sites.marrakech)
            try sites.check(load)
        }

        @Test("the veto command says no, is silent, says yes; the event command is told")
        func hooks() async throws {
            let sites = try Sites(
                arbiter: .witness,
                sections: """
                    hooks:
                      veto_command: DIRECTORY/veto.sh
                      event_command: DIRECTORY/event.sh
                      timeout: 1s
                    """)
            let events = sites.directory + "/events"
            try script(
                "event.sh", "echo \"$1 $2 $3 $4\" >> \(events)", in: sites.directory)
            try script("veto.sh", "echo 'the minister sleeps'; exit 1", in: sites.directory)
            try await sites.startBoth()
            let load = try await sites.load()
            sites.rabat.kill(SIGKILL)
            try await until("marrakech tells of the veto") {
                sites.marrakech.log.contains(
                    "the veto command said no: exit code 1: the minister sleeps")
            }
            // A restart asks again, without the pause after a veto.
            for (command, isAgreed) in [("sleep 60", false), ("exit 0", true)] {
                sites.marrakech.kill(SIGKILL)
                try script("veto.sh", command, in: sites.directory)
                try sites.marrakech.start()
                guard isAgreed else {
                    try await until("marrakech tells of the silence") {
                        sites.marrakech.log.contains(
                            "the veto command said no: no end within 1000 ms")
                    }
                    #expect(!sites.marrakech.isPrimary)
                    continue
                }
                try await until("marrakech is primary") { sites.marrakech.isPrimary }
            }
            try await until("the event command was told") {
                let text = (try? String(contentsOfFile: events, encoding: .utf8)) ?? ""
                return text.contains("primary 1 rabat") && text.contains("primary 2 marrakech")
            }
            try sites.rabat.start()
            try await sites.untilWhole(primary: sites.marrakech)
            try sites.check(load)
        }

        private func script(_ name: String, _ body: String, in directory: String) throws {
            let path = "\(directory)/\(name)"
            try "#!/bin/sh\n\(body)\n".write(toFile: path, atomically: true, encoding: .utf8)
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
        }
    }
}
