import ArgumentParser

struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Print fields of a node's /status in one line, `-` for null.")

    @Argument(help: "The operations API of the node.")
    var endpoint: Endpoint

    @Argument(help: "Dotted names, such as role or link.state.")
    var fields: [String]

    func run() throws {
        let status = try readStatus(endpoint)
        line(fields.map { status[$0].word }.joined(separator: " "))
    }
}

struct WaitCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "wait",
        abstract: "Wait until fields of a node's /status have the given values.",
        discussion: "Prints the seconds that it took; exits with 1 when the time is up.")

    @Argument(help: "The operations API of the node.")
    var endpoint: Endpoint

    @Argument(help: "What must hold, all at once: role=primary, link.state=streaming.")
    var conditions: [String]

    @Option(help: "Seconds after which waiting is given up.")
    var timeout = 10.0

    func run() throws {
        let start = monotonicNanoseconds()
        try waitForStatus(endpoint, conditions, seconds: timeout)
        line(decimal(Double(monotonicNanoseconds() - start) / 1e9, places: 3))
    }
}

struct PortsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ports", abstract: "Print free ports of 127.0.0.1 in one line.")

    @Argument(help: "How many.")
    var count = 1

    func run() throws {
        line(try freePorts(count).map(String.init).joined(separator: " "))
    }
}

func readStatus(_ endpoint: Endpoint) throws -> JSONValue {
    let answer = try fetch(endpoint, "/status")
    guard answer.isSuccess, let status = JSONValue.parse(answer.body) else {
        throw Failure("\(endpoint)/status was answered \(answer.status): \(answer.text)")
    }
    return status
}

/// Asks until each `name=value` holds; a node that does not answer yet is asked again.
func waitForStatus(_ endpoint: Endpoint, _ conditions: [String], seconds: Double) throws {
    let deadline = Deadline(seconds: seconds)
    var seen = "no answer"
    while true {
        if let status = try? readStatus(endpoint) {
            let facts = conditions.map { condition in
                let name = condition.prefix { $0 != "=" }
                return "\(name)=\(status[String(name)].word)"
            }
            if facts == conditions { return }
            seen = facts.joined(separator: " ")
        }
        guard !deadline.hasPassed else {
            let wanted = conditions.joined(separator: " ")
            throw Failure(
                "\(endpoint) did not reach \(wanted) in \(decimal(seconds, places: 1)) s: \(seen)")
        }
        pause(milliseconds: 5)
    }
}
