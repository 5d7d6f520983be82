import Foundation
import Testing

/// Patches and documents go stale without a compiler noticing; this reads them as they are.
@Suite("Planted bugs and the page of evidence")
struct EvidenceTests {
    private static let root = URL(filePath: #filePath).resolvingSymlinksInPath()
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    private static func text(_ path: String) throws -> String {
        try String(contentsOf: root.appending(path: path), encoding: .utf8)
    }

    private static var bugs: [String] {
        let directory = root.appending(path: "Tests/Planted").path(percentEncoded: false)
        let files = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
        return files.filter { $0.hasSuffix(".patch") }.map { String($0.dropLast(6)) }.sorted()
    }

    @Test("each planted bug still fits the sources, each part of it at one place", arguments: bugs)
    func fits(bug: String) throws {
        let lines = try Self.text("Tests/Planted/\(bug).patch").split(
            separator: "\n", omittingEmptySubsequences: false)
        #expect(lines.first?.hasPrefix("Bug: ") == true)
        #expect(lines.contains { $0.hasPrefix("Seeds: ") })
        let parts = Self.parts(of: lines)
        #expect(!parts.isEmpty)
        for (file, before) in parts {
            let places = try Self.text(file).components(separatedBy: before).count - 1
            #expect(places == 1, "make planted would say NOT APPLIED")
        }
    }

    /// What a patch wants to find, and in which file.
    private static func parts(of lines: [Substring]) -> [(file: String, before: String)] {
        var file = ""
        var parts: [(file: String, before: String)] = []
        for line in lines {
            if line.hasPrefix("--- a/") {
                file = String(line.dropFirst(6))
            } else if line.hasPrefix("@@ ") {
                parts.append((file, ""))
            } else if !parts.isEmpty, line.hasPrefix(" ") || line.hasPrefix("-") {
                parts[parts.count - 1].before += line.dropFirst() + "\n"
            }
        }
        return parts
    }

    @Test("the page of evidence names tests and bugs that are there, and every bug")
    func page() throws {
        let page = try Self.text("docs/EVIDENCE.md")
        let quoted = page.split(separator: "\"", omittingEmptySubsequences: false)
        try #require(quoted.count % 2 == 1, "a quotation mark is missing")
        let sources = try Self.testSources()
        let names = stride(from: 1, to: quoted.count, by: 2).map { quoted[$0] }
        #expect(names.filter { !sources.contains("\"\($0)") } == [], "no test begins so")
        let spans = Set(page.split(separator: "`").map(String.init))
        #expect(Self.bugs.filter { !spans.contains($0) } == [], "bugs are not on the page")
    }

    private static func testSources() throws -> String {
        let tests = root.appending(path: "Tests")
        let files = FileManager.default.enumerator(at: tests, includingPropertiesForKeys: nil)
        var sources = ""
        while let file = files?.nextObject() as? URL {
            guard file.pathExtension == "swift" else { continue }
            sources += try String(contentsOf: file, encoding: .utf8)
        }
        return sources
    }
}
