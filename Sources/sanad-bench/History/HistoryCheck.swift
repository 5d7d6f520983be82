import Glibc

/// Reads back what a `HistoryWriter` was promised.
struct HistoryCheck {
    struct Findings {
        var acknowledged: UInt64 = 0
        var keys: UInt64 = 0
        var missing: UInt64 = 0
        var wrong: UInt64 = 0
        /// Acknowledgements whose epoch or sequence is not above the one before.
        var disordered: UInt64 = 0
        var oneSite: UInt64 = 0
        var epochs: [UInt64] = []
        /// The first few problems, in words.
        var examples: [String] = []

        var isGood: Bool {
            acknowledged > 0 && missing == 0 && wrong == 0 && disordered == 0
        }

        mutating func note(_ example: String) {
            if examples.count < 5 { examples.append(example) }
        }
    }

    var path: String
    var endpoint: Endpoint

    private struct History {
        /// Last acknowledged number by key number; nil when the key was never acknowledged.
        var last: [UInt64?] = []
        var attempted: UInt64 = 0
        var collection = ""
    }

    func run() throws -> Findings {
        var findings = Findings()
        let history = try readHistory(&findings)
        let slots = UInt64(history.last.count)
        let connection = try HTTPConnection(to: endpoint, timeoutSeconds: 10)
        for (slot, last) in history.last.enumerated() {
            guard let last else { continue }
            findings.keys += 1
            let path = "/v1/collections/\(history.collection)/records/w\(slot)"
            let answer = try connection.request("GET", path)
            if answer.status == 404 {
                findings.missing += 1
                findings.note("w\(slot): acknowledged \(last), but the record is not there")
                continue
            }
            guard answer.isSuccess else {
                throw Failure("\(endpoint)\(path) was answered \(answer.status): \(answer.text)")
            }
            let found = Self.number(of: answer.text)
            // The one under way at the end may be there as well, under its own key only.
            let underWay = history.attempted
            if found == last || found == underWay, found.map({ $0 % slots }) == UInt64(slot) {
                continue
            }
            findings.wrong += 1
            findings.note("w\(slot): acknowledged \(last), but it holds \(answer.text)")
        }
        return findings
    }

    private static func number(of value: String) -> UInt64? {
        guard value.hasPrefix(#"{"n":"#) else { return nil }
        return UInt64(value.dropFirst(5).prefix { $0.isNumber })
    }

    private func readHistory(_ findings: inout Findings) throws -> History {
        let lines = try readLines(path)
        guard let closing = lines.last?.split(separator: " "), closing.count == 7,
            closing[1] == "attempted", let attempted = UInt64(closing[2]),
            let keyCount = UInt64(closing[4])
        else { throw Failure("\(path): no closing line; did the writer end in order?") }
        var history = History(
            last: Array(repeating: nil, count: Int(keyCount)), attempted: attempted,
            collection: String(closing[6]))
        var previous: (epoch: UInt64, sequence: UInt64) = (0, 0)
        for line in lines.dropLast() {
            let fields = line.split(separator: " ")
            guard fields.count == 5, let number = UInt64(fields[0]), let epoch = UInt64(fields[1]),
                let sequence = UInt64(fields[2])
            else { throw Failure("\(path): not a line of a history: \(line)") }
            findings.acknowledged += 1
            if fields[3] != "both-sites" { findings.oneSite += 1 }
            if epoch != previous.epoch { findings.epochs.append(epoch) }
            if epoch < previous.epoch || sequence <= previous.sequence {
                findings.disordered += 1
                findings.note(
                    "number \(number): \(epoch)/\(sequence) after "
                        + "\(previous.epoch)/\(previous.sequence)")
            }
            previous = (epoch, sequence)
            history.last[Int(number % keyCount)] = number
        }
        return history
    }
}

/// The lines of a text file, without their ends.
func readLines(_ path: String) throws -> [String] {
    let bytes = try readFile(path)
    return bytes.split(separator: 0x0A).map { String(decoding: $0, as: UTF8.self) }
}

func readFile(_ path: String) throws -> [UInt8] {
    guard let file = fopen(path, "r") else { throw Failure("\(path): \(lastError())") }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    try withUnsafeTemporaryAllocation(byteCount: 64 << 10, alignment: 8) { buffer in
        while true {
            let count = fread(buffer.baseAddress, 1, buffer.count, file)
            bytes.append(contentsOf: UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            if count == 0 { break }
        }
        guard ferror(file) == 0 else { throw Failure("\(path): \(lastError())") }
    }
    return bytes
}

func writeFile(_ path: String, _ text: String) throws {
    guard let file = fopen(path, "w") else { throw Failure("\(path): \(lastError())") }
    let status = fputs(text, file)
    guard fclose(file) == 0, status >= 0 else { throw Failure("\(path): \(lastError())") }
}
