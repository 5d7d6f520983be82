import Glibc
import SanadCore
import SanadTestSupport
import Testing

@testable import SanadStore

/// A directory that goes away with the fixture, and what fills a store in it.
final class Fixture {
    static let cluster = Identifier(high: 0x1111_2222_3333_4444, low: 0x5555_6666_7777_8888)
    static let node = NodeName("rabat")

    let directory: String
    var options = StoreOptions()

    /// - Parameter inMemory: for tests that break the disk themselves, and need no real one.
    init(inMemory: Bool = false) throws {
        let chosen = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        let base = inMemory && access("/dev/shm", W_OK) == 0 ? "/dev/shm" : chosen
        var template = Array("\(base)/sanad-store-XXXXXX".utf8CString)
        let made = template.withUnsafeMutableBufferPointer { $0.baseAddress.flatMap(mkdtemp) }
        directory = String(cString: try #require(made))
        // A flush happens when a test asks for it, or fills the memory.
        options.flushIdle = .seconds(3_600)
        options.flushAge = .seconds(3_600)
    }

    deinit { Self.removeTree(directory) }

    var path: String { directory + "/store" }

    func open() throws -> Store { try Self.open(path, options) }

    static func open(_ path: String, _ options: StoreOptions = StoreOptions()) throws -> Store {
        try Store.open(
            directory: path, options: options, cluster: cluster, node: try #require(node),
            makeStoreIdentifier: { Identifier(high: 0xABCD, low: 0xEF01) })
    }

    static func removeTree(_ path: String) {
        for name in (try? Files.names(in: path)) ?? [] {
            let child = path + "/" + name
            if unlink(child) != 0 { removeTree(child) }
        }
        rmdir(path)
    }
}

/// Makes the frames that follow each other in one log.
struct FrameMaker {
    var end = Position.origin
    var offset: UInt64 = 0
    var committed = Sequence.zero

    init() {}

    init(_ log: SegmentLog) {
        end = log.end
        offset = log.endOffset
        committed = log.knownCommitted
    }

    mutating func start(
        _ epoch: UInt64, reason: String = "test"
    ) throws -> Frame {
        let node = try #require(Fixture.node)
        return take(
            FrameEncoder.epochStart(
                EpochStart(node: node, reason: reason), after: end, epoch: Epoch(epoch),
                committed: committed, logOffset: offset, wallMilliseconds: 1_000))
    }

    /// A frame of one transaction for each element; nil values delete.
    mutating func frame(_ records: [(key: String, value: String?)]) -> Frame {
        var encoder = FrameEncoder(
            after: end, epoch: end.epoch, committed: committed, logOffset: offset,
            wallMilliseconds: 1_000)
        for (key, value) in records {
            var transaction = TransactionBytes()
            transaction.append(
                value == nil ? .delete : .put, collection: "pupils", key: key, value: value ?? "")
            _ = encoder.append(transaction)
        }
        return take(encoder.finish())
    }

    mutating func put(_ key: String, _ value: String) -> Frame { frame([(key, value)]) }

    private mutating func take(_ frame: Frame) -> Frame {
        end = frame.position
        offset = frame.header.logEnd
        committed = frame.header.last
        return frame
    }
}

/// Asserts that `body` fails with this code, and gives the error.
@discardableResult
func expectFailure(
    _ code: StoreError.Code, sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () throws -> Void
) throws -> StoreError {
    let error = try #require(
        throws: StoreError.self, sourceLocation: sourceLocation, performing: body)
    #expect(error.code == code, "\(error)", sourceLocation: sourceLocation)
    return error
}

func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

extension RecordTable {
    /// Inserts everything of a log that the table does not have.
    func replay(_ reader: LogReader) throws {
        while true {
            let frames = try reader.read(after: applied, maximumBytes: 1 << 20)
            if frames.isEmpty { return }
            for frame in frames {
                try blockUntil("room in memory") { insert(frame) }
            }
        }
    }

    /// Brings everything to `records.db`.
    func flushAll() throws {
        try blockUntil("the flush") {
            if flushedPosition != appliedPosition { requestFlush() }
            return flushedPosition == appliedPosition
        }
    }

    func sequence(_ key: String) throws -> Sequence? {
        try bytes("pupils").withUnsafeBytes { collection in
            try bytes(key).withUnsafeBytes { try currentSequence(collection: collection, key: $0) }
        }
    }

    func lookup(_ key: String) -> MemoryLookup {
        bytes("pupils").withUnsafeBytes { collection in
            bytes(key).withUnsafeBytes { lookupInMemory(collection: collection, key: $0) }
        }
    }
}

extension RecordReader {
    func text(_ key: String) throws -> String? {
        try get(collection: bytes("pupils"), key: bytes(key)).map {
            String(decoding: $0.value, as: UTF8.self)
        }
    }

    /// All live records as `key=value` lines.
    func dump() throws -> [String] {
        var lines: [String] = []
        try export { record in
            lines.append(
                String(decoding: record.key, as: UTF8.self) + "="
                    + String(decoding: record.value, as: UTF8.self))
            return true
        }
        return lines
    }
}

/// A generator with a seed, so that a failing case can be run again.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        // SplitMix64.
        state &+= 0x9E37_79B9_7F4A_7C15
        var word = state
        word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
        return word ^ (word >> 31)
    }
}
