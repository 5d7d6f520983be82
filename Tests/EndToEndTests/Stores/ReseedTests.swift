import Foundation
import SanadNode
import SanadTestSupport
import Testing

@testable import sanad_bench

extension EndToEnd {
    @Suite("A standby that takes a snapshot", .serialized, .timeLimit(.minutes(5)))
    struct ReseedTests {
        /// No disk has so much free space, so only the newest file of the log is kept.
        static let shortLog = """
            retention:
              minimum_age: 0s
              free_bytes: 16TiB
            """
        static let recordCount = 100_000

        @Test("it lost its place; killed in the middle, and so is its primary, it goes on")
        func lostPlace() async throws {
            let sites = try Sites(arbiter: .witness, lease: "2s", sections: Self.shortLog)
            try await sites.startBoth()
            try sites.rabat.put("first", "1", on: "both-sites")
            sites.marrakech.kill(SIGKILL)
            try await until("rabat goes on alone") {
                try sites.rabat.status()?.inSync == ["rabat"]
            }
            try await importRecords(sites)
            try await until("marrakech's place is lost") {
                try sites.rabat.status()?.link.state == "lost"
            }
            let status = try await sites.rabat.control("status")
            #expect(status.text.contains("LOST"), "\(status)")
            let load = try await sites.load()
            // A long way: eight pages of a snapshot travel at once, and are made durable before the
            // next ones come.
            sites.link.delay(.forward, .backward, milliseconds: 300)
            try sites.marrakech.start()
            let first = try await untilSeeding(sites, beyond: 0)
            sites.marrakech.kill(SIGKILL)
            try sites.marrakech.start()
            let second = try await untilSeeding(sites, beyond: first)
            #expect(!sites.marrakech.isPrimary)
            sites.rabat.kill(SIGKILL)
            try sites.rabat.start()
            try await until("rabat is primary again") { sites.rabat.isPrimary }
            try await load.untilGoingOn()
            let third = try await untilSeeding(sites, beyond: second)
            #expect(third > second && second > first)
            try await load.untilGoingOn()
            sites.link.delay(.forward, .backward, milliseconds: 0)
            try await sites.untilWhole(primary: sites.rabat)
            try sites.check(load)
            try await sites.untilEqual()
            #expect(sites.marrakech.get("first") == "1")
            for number in stride(from: 0, to: Self.recordCount, by: 100) {
                #expect(sites.marrakech.get("r\(number)") == record(number))
            }
        }

        /// Waits until the snapshot has come further than this many records, and is still under way.
        ///
        /// - Returns: how far it is; at no time is it less than before.
        private func untilSeeding(_ sites: Sites, beyond least: UInt64) async throws -> UInt64 {
            var records: UInt64 = 0
            try await until("a snapshot is loaded beyond \(least) records") {
                guard let status = try sites.marrakech.status() else { return false }
                if let seeding = status.seeding {
                    #expect(
                        seeding.records == 0 || seeding.records >= least,
                        "the snapshot has begun anew")
                    records = seeding.records
                }
                return records > least
            }
            return records
        }

        /// A node that has just started, and finds that it has to begin anew, waits a second with it:
        /// it could find the same again.
        private func reseedAtOnce(_ sites: Sites) async throws {
            let site = sites.marrakech
            let before = site.log.ranges(of: "starting anew").count
            site.kill(SIGTERM)
            try site.start()
            try await until("marrakech is linked") { try site.status()?.link.connected == true }
            let word = try await site.control("reseed", "--yes", "--reason", "once more")
            #expect(word.isDone, "\(word)")
            try await until("marrakech starts anew") {
                site.log.ranges(of: "starting anew").count > before
            }
            try await sites.untilWhole(primary: sites.rabat)
            let lines = site.log.split(separator: "\n")
            let end = try #require(lines.lastIndex { $0.contains("starting anew") }, "\(site.log)")
            let start = try #require(lines[..<end].lastIndex { $0.contains("notice started") })
            let style = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
            let times = try [start, end].map {
                try Date(String(lines[$0].prefix { $0 != " " }), strategy: style)
            }
            #expect(times[1].timeIntervalSince(times[0]) > 0.9)
        }

        private static let filler = String(repeating: "x", count: 900)

        private func record(_ number: Int) -> String { "\"\(number)\(Self.filler)\"" }

        private func importRecords(_ sites: Sites) async throws {
            let path = sites.directory + "/records.ndjson"
            let lines = (0..<Self.recordCount).map {
                #"{"op":"put","collection":"pupils","key":"r\#($0)","value":\#(record($0))}"#
            }
            try (lines.joined(separator: "\n") + "\n")
                .write(toFile: path, atomically: true, encoding: .utf8)
            let word = try await sites.rabat.control("import", path)
            #expect(word.isDone, "\(word)")
        }

        @Test("reseed --offline: the old store is kept, and the new one is filled")
        func offline() async throws {
            let sites = try Sites(arbiter: .witness)
            try await sites.startBoth()
            for number in 0..<20 { try sites.rabat.put("k\(number)", "1", on: "both-sites") }
            let running = try await planOffline(sites.marrakech, "test")
            #expect(!running.isDone, "\(running)")
            sites.marrakech.kill(SIGTERM)
            let planned = try await planOffline(sites.marrakech, "disk damaged, ticket 4711")
            #expect(planned.isDone && planned.text.contains("planned"), "\(planned)")
            try sites.rabat.put("alone", "1", on: "one-site")
            try sites.marrakech.start()
            try await sites.untilWhole(primary: sites.rabat)
            try await sites.untilEqual()
            for number in 0..<20 { #expect(sites.marrakech.get("k\(number)") == "1") }
            #expect(sites.marrakech.get("alone") == "1")
            let list = try await sites.marrakech.control("quarantine", "list")
            #expect(list.text.contains("a store kept"), "\(list)")
            try await readKeptStore(sites)
            let history = try await sites.marrakech.control("history")
            #expect(history.text.contains("disk damaged, ticket 4711"), "\(history)")
        }

        private func planOffline(
            _ site: Site, _ reason: String, _ more: String...
        ) async throws -> Site.Word {
            try await site.controlOffline(
                ["reseed", "--offline", "--yes", "--reason", reason, "--config"]
                    + [site.configurationPath] + more)
        }

        /// The store that a reseed put aside.
        private func keptStore(in store: String) throws -> String {
            let quarantine = store + "/quarantine"
            let names = try FileManager.default.contentsOfDirectory(atPath: quarantine)
            return quarantine + "/" + (try #require(names.first { $0.hasPrefix("store-") }))
        }

        /// The records of the store that was put aside, as `import` takes them.
        private func readKeptStore(_ sites: Sites) async throws {
            let kept = try keptStore(in: sites.marrakech.store)
            let file = sites.directory + "/kept.ndjson"
            let word = try await sites.marrakech.controlOffline(
                "export", "--offline", "--store", kept, "--output", file)
            #expect(word.isDone && word.text.contains("the state at sequence"), "\(word)")
            let text = try String(contentsOfFile: file, encoding: .utf8)
            for number in 0..<20 { #expect(text.contains("\"key\":\"k\(number)\",\"value\":1}")) }
            #expect(!text.contains("alone"))
            let back = try await sites.rabat.control("import", file)
            #expect(back.isDone, "\(back)")
            // As one that was put aside in the middle of a repair.
            let files = FileManager.default
            try files.removeItem(atPath: kept + "/node.db")
            try files.removeItem(atPath: file)
            let partial = try await sites.marrakech.controlOffline(
                "export", "--offline", "--store", kept, "--output", file)
            #expect(partial.code == 65 && partial.text.contains("not the whole"), "\(partial)")
            #expect(!files.fileExists(atPath: file))
            #expect(try String(contentsOfFile: file + ".part", encoding: .utf8) == text)
        }

        /// As "Both stores were emptied" in OPERATIONS.md says.
        @Test("both stores were emptied: one that was kept is put back, and the other filled")
        func bothEmptied() async throws {
            let sites = try Sites(arbiter: .witness)
            try await sites.startBoth()
            for number in 0..<20 { try sites.rabat.put("k\(number)", "1", on: "both-sites") }
            for site in [sites.marrakech, sites.rabat] {
                site.kill(SIGTERM)
                let planned = try await planOffline(site, "a mistake", "--accept-loss")
                #expect(planned.isDone, "\(planned)")
                try site.start()
            }
            for site in [sites.rabat, sites.marrakech] {
                try await until("\(site.name) waits for the other's snapshot") {
                    let status = try site.status()
                    return status?.link.connected == true && status?.seeding?.records == 0
                }
                let status = try await site.control("status")
                #expect(status.text.contains("Both stores were emptied"), "\(status)")
            }
            #expect(try sites.leader == nil)
            #expect(sites.rabat.log.contains("its store was emptied and waits for a snapshot"))
            sites.rabat.kill(SIGTERM)
            try putBack(sites.rabat)
            try sites.rabat.start()
            try await sites.untilWhole(primary: sites.rabat)
            try await sites.untilEqual()
            for number in 0..<20 { #expect(sites.marrakech.get("k\(number)") == "1") }
        }

        private func putBack(_ site: Site) throws {
            let files = FileManager.default
            let aside = site.store + ".emptied"
            try files.moveItem(atPath: site.store, toPath: aside)
            try files.moveItem(atPath: keptStore(in: aside), toPath: site.store)
        }

        @Test("a healthy standby is reseeded on the operator's word, a primary is not")
        func online() async throws {
            let sites = try Sites(arbiter: .witness)
            try await sites.startBoth()
            let load = try await sites.load()
            let primary = try await sites.rabat.control("reseed", "--dry-run")
            #expect(
                primary.code == 1 && primary.text.contains("this node is primary"), "\(primary)")
            let store = try #require(try sites.marrakech.status()).store
            let word = try await sites.marrakech.control(
                "reseed", "--yes", "--reason", "lost its place in the storm")
            #expect(word.isDone, "\(word)")
            try await until("marrakech has a new store") {
                guard let status = try sites.marrakech.status() else { return false }
                return !status.store.isEmpty && status.store != store
            }
            try await sites.untilWhole(primary: sites.rabat)
            try sites.check(load)
            try await sites.untilEqual()
            try await reseedAtOnce(sites)

            sites.marrakech.kill(SIGKILL)
            try await until("rabat goes on alone") {
                try sites.rabat.status()?.inSync == ["rabat"]
            }
            let fenced = try await sites.rabat.control("fence", "--yes", "--reason", "test")
            #expect(fenced.isDone, "\(fenced)")
            try sites.marrakech.start()
            try await until("marrakech is linked") {
                try sites.rabat.status()?.link.connected == true
            }
            let last = try await sites.rabat.control("reseed", "--dry-run")
            #expect(last.code == 1 && last.text.contains("the only one in sync"), "\(last)")
            #expect(!sites.marrakech.isPrimary)
        }
    }
}
