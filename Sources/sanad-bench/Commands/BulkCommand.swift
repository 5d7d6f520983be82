import ArgumentParser

struct BulkCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bulk",
        abstract: "Import 180-byte records by POST /v1/bulk, from lines generated beforehand.")

    @Argument(help: "The records API of the primary.")
    var endpoint: Endpoint

    @Option(help: "Records to import.")
    var rows: UInt64 = 1_000_000

    @Option(help: "Connections that share the records.")
    var connections = 1

    @Option(help: "Collection to write to.")
    var collection = "bulk"

    @Flag(help: "Print JSON.")
    var json = false

    func validate() throws {
        guard (1...64).contains(connections), rows > 0, rows <= SampleRecord.keyCount * 10 else {
            throw ValidationError("1 to 64 connections, 1 to 10,000,000 rows")
        }
    }

    func run() throws {
        let result = try BulkLoad(
            endpoint: endpoint, collection: collection, rows: rows, connections: connections
        ).run()
        var report = Report()
        report.add("rows", result.rows)
        report.add("bytes", UInt64(result.bytes))
        report.add("seconds", result.seconds)
        report.add("rows_per_second", result.rowsPerSecond)
        report.add("answer", result.answers.last?.text ?? "")
        report.show(json: json)
    }
}
