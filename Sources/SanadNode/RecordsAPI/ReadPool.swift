import NIOCore
import NIOPosix
import SanadCore
import SanadStore
import Synchronization

/// The threads that wait for the disk in place of the event loops.
final class ReadPool: Sendable {
    /// Reads that wait or run; more are refused.
    static let waitingMaximum = 512
    static let threads = 2
    /// Exports at once: each keeps a thread, and a read transaction, for its whole length.
    static let exportsMaximum = 2

    let gate: any NodeGate
    private let readThreads = NIOThreadPool(numberOfThreads: threads)
    private let exportThreads = NIOThreadPool(numberOfThreads: exportsMaximum)
    private let waiting = Atomic(0)
    private let exports = Atomic(0)
    private let idleReaders = Mutex<[IdleReader]>([])

    private struct IdleReader {
        var reader: RecordReader
        var table: ObjectIdentifier
    }

    init(gate: any NodeGate) { self.gate = gate }

    func start() {
        readThreads.start()
        exportThreads.start()
    }

    func stop() async throws {
        try await readThreads.shutdownGracefully()
        try await exportThreads.shutdownGracefully()
        idleReaders.withLock { $0.removeAll() }
    }

    /// Runs `work` on a reading thread and `then` back on the loop.
    ///
    /// - Returns: false when too many reads wait already; nothing will be called.
    func run<Value: Sendable>(
        on eventLoop: any EventLoop,
        _ work: @escaping @Sendable (ReadPool) throws -> Value,
        then: @escaping @Sendable (Result<Value, any Error>) -> Void
    ) -> Bool {
        guard Self.enter(waiting, maximum: Self.waitingMaximum) else { return false }
        readThreads.submit { state in
            let result = Result { () throws -> Value in
                guard state == .active else { throw ReadPoolError.stopping }
                return try work(self)
            }
            if case .failure(let error) = result { self.tell(of: error) }
            self.waiting.subtract(1, ordering: .relaxed)
            eventLoop.execute { then(result) }
        }
        return true
    }

    /// Runs an export on a thread of its own.
    ///
    /// - Parameter work: gives back what tells the client of the end; that runs when the next
    ///   export can come, so that a client's next one is not refused for its last.
    /// - Returns: false when too many run already.
    func runExport(_ work: @escaping @Sendable (ReadPool) -> () -> Void) -> Bool {
        guard Self.enter(exports, maximum: Self.exportsMaximum) else { return false }
        exportThreads.submit { state in
            let end = state == .active ? work(self) : {}
            self.exports.subtract(1, ordering: .relaxed)
            end()
        }
        return true
    }

    /// Damage that a reader meets is the node's business, not of one answer.
    func tell(of error: any Error) {
        if let error = error as? StoreError, error.code == .corrupt { gate.found(error) }
    }

    private static func enter(_ counter: borrowing Atomic<Int>, maximum: Int) -> Bool {
        let count = counter.add(1, ordering: .relaxed).newValue
        guard count > maximum else { return true }
        counter.subtract(1, ordering: .relaxed)
        return false
    }

    /// Lends a reader of the node's table; one that failed is not used again.
    func withReader<Value>(_ body: (RecordReader) throws -> Value) throws -> Value {
        let table = gate.table
        let identity = ObjectIdentifier(table)
        let idle = idleReaders.withLock { $0.popLast() }
        let reader =
            if let idle, idle.table == identity { idle.reader } else { try table.makeReader() }
        let value = try body(reader)
        idleReaders.withLock { readers in
            if readers.count < Self.threads {
                readers.append(IdleReader(reader: reader, table: identity))
            }
        }
        return value
    }
}

enum ReadPoolError: Error {
    case stopping
}
