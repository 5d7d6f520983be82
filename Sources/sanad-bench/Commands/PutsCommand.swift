import ArgumentParser

struct PutsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "puts",
        abstract: "Put 180-byte records under 1 M random keys, each client in a closed loop.")

    @Argument(help: "The records API of the primary.")
    var endpoint: Endpoint

    @Option(help: "Clients, each with one keep-alive connection.")
    var clients = 1

    @Option(help: "Seconds before the measurement.")
    var warmUp = 1.0

    @Option(help: "Seconds of the measurement.")
    var seconds = 5.0

    @Option(help: "Collection to write to.")
    var collection = "bench"

    @Option(help: "Seed of keys and values.")
    var seed: UInt64 = 1

    @Flag(help: "A refusal or a lost connection ends the load without an error.")
    var untilRefused = false

    @Flag(help: "Print JSON.")
    var json = false

    func validate() throws {
        guard (1...1_024).contains(clients), seconds > 0, warmUp >= 0 else {
            throw ValidationError("1 to 1024 clients, and seconds above 0")
        }
    }

    func run() throws {
        let result = try PutsLoad(
            endpoint: endpoint, clients: clients, collection: collection, warmUpSeconds: warmUp,
            measuredSeconds: seconds, seed: seed, endsQuietly: untilRefused
        ).run()
        var report = Report()
        report.add("clients", UInt64(clients))
        report.add("puts", result.puts)
        report.add("seconds", result.seconds)
        report.add("puts_per_second", result.perSecond)
        report.add("p50_ms", result.milliseconds(atPercentile: 50))
        report.add("p99_ms", result.milliseconds(atPercentile: 99))
        report.add("max_ms", result.milliseconds(atPercentile: 100))
        report.add(
            "generator_us_per_put", result.generatorSeconds * 1e6 / Double(max(1, result.puts)))
        if let interruption = result.interruption { report.add("ended_by", interruption) }
        report.show(json: json)
    }
}
