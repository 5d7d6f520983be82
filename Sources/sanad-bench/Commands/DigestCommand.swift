import ArgumentParser

struct DigestCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "digest",
        abstract: "SHA-256 over an export's records, to compare two sites or with a known figure.")

    @Argument(help: "The records API to read from, or an NDJSON file in export order.")
    var source: String

    @Option(parsing: .upToNextOption, help: "Collections to take; all when none is given.")
    var collections: [String] = []

    @Option(help: "The digest that must come out; exit 1 when another does.")
    var expect: String?

    @Flag(help: "Print JSON.")
    var json = false

    func run() throws {
        var digest = ExportDigest(collections: collections)
        if let endpoint = source.hasPrefix("http") ? Endpoint(source) : nil {
            let connection = try HTTPConnection(to: endpoint, timeoutSeconds: 30)
            let status = try connection.request("GET", "/v1/export") { try digest.add($0) }
            guard status == 200 else { throw Failure("the export was answered \(status)") }
        } else {
            try readFile(source).withUnsafeBytes { try digest.add($0) }
        }
        let found = try digest.finish()
        var report = Report()
        report.add("digest", found)
        for (collection, count) in digest.counts.sorted(by: { $0.key < $1.key }) {
            report.add(collection, count)
        }
        report.show(json: json)
        if let expect, expect != found { throw Failure("the digest should be \(expect)") }
    }
}
