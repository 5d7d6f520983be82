import SanadCore
import SanadLink
import Testing

@testable import SanadNode

@Suite("What is said of refused connections")
struct RefusalNotesTests {
    private let start = Instant.zero + .seconds(1)

    private func error(
        _ peer: String, _ code: LinkError.Code = .notTLS
    ) -> LinkError {
        LinkError(code: code, peer: peer, detail: "test")
    }

    @Test("the same stranger is said once a minute, whatever port it comes from")
    func onceAMinute() {
        var notes = RefusalNotes()
        let first = notes.isNews(error("192.0.2.1 port 4001"), at: start)
        let others = (4_002..<4_100).count { port in
            notes.isNews(error("192.0.2.1 port \(port)"), at: start + .seconds(59))
        }
        let later = notes.isNews(error("192.0.2.1 port 5000"), at: start + .seconds(60))
        #expect(first)
        #expect(others == 0)
        #expect(later)
    }

    @Test("another address, and another reason, are said at once")
    func different() {
        var notes = RefusalNotes()
        let said = [
            error("192.0.2.1 port 1"), error("192.0.2.2 port 1"),
            error("192.0.2.1 port 1", .wrongName),
        ].map { notes.isNews($0, at: start) }
        #expect(said == [true, true, true])
    }

    @Test("strangers from everywhere take no more memory, nor lines, than the bound")
    func bounded() {
        var notes = RefusalNotes()
        let said = (0..<10_000).count { number in
            notes.isNews(error("2001:db8::\(String(number, radix: 16)) port 9"), at: start)
        }
        #expect(said == Limits.refusalNotesMaximum + 1)
        let later = notes.isNews(error("192.0.2.1 port 1"), at: start + Limits.refusalSpacing)
        #expect(later)
    }
}
