import ArgumentParser
import SanadCore
import SanadNode
import SanadStore

/// Which quarantine file a command reads: by its number in the list, or by its path.
struct QuarantineSource: ParsableArguments {
    @Argument(help: "The entry's number, as \"quarantine list\" shows it.")
    var number: UInt64?

    @Option(
        help: ArgumentHelp(
            "A quarantine file, or a copy of one; no node is asked.", valueName: "path"))
    var file: String?

    @OptionGroup var files: FileOptions
    @OptionGroup var node: NodeOptions

    func validate() throws {
        guard (number == nil) != (file == nil) else {
            throw ValidationError("give the number of an entry, or --file")
        }
    }

    /// Opens the file; a number is looked up in the running node's list.
    func open() async throws -> QuarantineFile {
        if let file { return try QuarantineFile(path: file) }
        let wanted = number ?? 0
        let answer = try await node.withClient { try await $0.control(.get, "/control/quarantine") }
        guard answer.done else { throw Failure(.refused, answer.message) }
        guard let name = QuarantineFile.name(of: wanted, in: answer.lines) else {
            throw Failure(
                .noInput, "there is no quarantine entry \(wanted)",
                next: "sanadctl quarantine list shows what there is")
        }
        return try QuarantineFile(path: try files.directory() + "/quarantine/" + name)
    }
}

/// One piece of log that a failover cut off, frame by frame.
struct QuarantineFile {
    let reader: QuarantineReader

    init(path: String) throws {
        reader = try StoreFiles.reading { () throws(StoreError) in
            try QuarantineReader(path: path)
        }
    }

    /// The file's name in the node's list: the last word of the line that begins with the number.
    static func name(of number: UInt64, in lines: [String]) -> String? {
        let line = lines.first { $0.hasPrefix("\(number): ") }
        return line?.ranges(of: ", file ").last.flatMap { range in
            line.map { String($0[range.upperBound...]) }
        }
    }

    /// Hands out the frames, oldest first, until `body` says false.
    func forEachFrame(_ body: (Frame) throws -> Bool) throws {
        var after = Sequence.zero
        while true {
            let from = after
            let frames = try StoreFiles.reading { () throws(StoreError) in
                try reader.read(after: from, maximumBytes: Limits.catchUpReadBytes)
            }
            guard let last = frames.last else { return }
            for frame in frames { guard try body(frame) else { return } }
            after = last.header.last
        }
    }

    var facts: [(String, String)] {
        [
            ("File", reader.path),
            ("Cut after", "\(reader.fork)"),
            (
                "Sequences",
                "\(Text.count(reader.first.value)) to \(Text.count(reader.last.value)), "
                    + "\(Text.count(reader.transactionCount)) transactions"
            ),
            (
                "Epochs",
                reader.firstEpoch == reader.lastEpoch
                    ? "\(reader.firstEpoch)" : "\(reader.firstEpoch) to \(reader.lastEpoch)"
            ),
            ("Size", Text.bytes(reader.bytes)),
        ]
    }
}

/// A mutation as a line of the bulk format, which `sanadctl import` takes.
enum BulkLine {
    /// The value stands there byte for byte, but for the line breaks between its tokens (inside of a
    /// string JSON has none), which become spaces: a line is one line.
    static func append(_ mutation: MutationView, to line: inout [UInt8]) {
        let isPut = mutation.operation == .put
        line += Array("{\"op\":\"\(isPut ? "put" : "delete")\",\"collection\":".utf8)
        line += Array(JSONLine.string(String(decoding: mutation.collection, as: UTF8.self)).utf8)
        line += Array(",\"key\":".utf8)
        line += Array(JSONLine.string(String(decoding: mutation.key, as: UTF8.self)).utf8)
        if isPut {
            line += Array(",\"value\":".utf8)
            for byte in mutation.value {
                let isBreak = byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r")
                line.append(isBreak ? UInt8(ascii: " ") : byte)
            }
        }
        line += Array("}\n".utf8)
    }
}
