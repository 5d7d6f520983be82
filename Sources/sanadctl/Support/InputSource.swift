import Dispatch
import Foundation
import Glibc
import NIOCore
import Synchronization

/// A file or standard input, unpacked by gzip when it is compressed.
final class InputSource: Sendable {
    /// Where the bytes come from: the file, or gzip's output.
    private let descriptor: Int32
    /// The file itself: its offset is how much of it was read, by us or by gzip.
    private let file: Int32
    private let gzip: Process?
    private let path: String
    /// Size of the file; nil for a pipe.
    let fileBytes: UInt64?
    /// Reads block, and never on a thread of the cooperative pool.
    private let queue = DispatchQueue(label: "sanadctl.input")
    private let taken = Atomic<UInt64>(0)

    private static let chunkBytes = 256 << 10

    /// - Parameters:
    ///   - path: `-` is standard input.
    ///   - isCompressed: nil looks at the name and the first bytes.
    init(path: String, isCompressed: Bool?) throws {
        self.path = path
        file = path == "-" ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else {
            throw Failure(.noInput, "\(path): \(String(cString: strerror(errno)))")
        }
        var info = stat()
        let isFile = fstat(file, &info) == 0 && info.st_mode & S_IFMT == S_IFREG
        fileBytes = isFile ? UInt64(info.st_size) : nil
        guard isCompressed ?? Self.looksCompressed(path, file) else {
            gzip = nil
            descriptor = file
            return
        }
        let process = Process()
        let pipe = Pipe()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["gzip", "-dc"]
        process.standardInput = FileHandle(fileDescriptor: file, closeOnDealloc: false)
        process.standardOutput = pipe
        do {
            try process.run()
        } catch {
            throw Failure(.noInput, "gzip cannot be started: \(error.localizedDescription)")
        }
        gzip = process
        // The pipe object closes its end when it goes; the copy lives as long as this source.
        descriptor = dup(pipe.fileHandleForReading.fileDescriptor)
    }

    deinit {
        if gzip != nil { close(descriptor) }
        if file != STDIN_FILENO { close(file) }
    }

    private static func looksCompressed(_ path: String, _ file: Int32) -> Bool {
        guard !path.hasSuffix(".gz") else { return true }
        // RFC 1952, section 2.3.1. `pread` leaves the offset alone; on a pipe it fails.
        var magic: [UInt8] = [0, 0]
        return pread(file, &magic, 2, 0) == 2 && magic == [0x1F, 0x8B]
    }

    /// Bytes handed on so far, unpacked.
    var bytesTaken: UInt64 { taken.load(ordering: .relaxed) }

    /// The part of the file that was read, 0 to 1; nil for a pipe.
    var fraction: Double? {
        guard let fileBytes, fileBytes > 0 else { return nil }
        return min(1, Double(lseek(file, 0, SEEK_CUR)) / Double(fileBytes))
    }

    /// The next bytes; nil at the end.
    func read() async throws -> ByteBuffer? {
        try await withCheckedThrowingContinuation { continuation in
            queue.async { continuation.resume(with: Result { try self.readBlocking() }) }
        }
    }

    /// All bytes, at most `limit`.
    func readAll(limit: Int) throws -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < limit, let chunk = try readBlocking() {
            bytes.append(contentsOf: chunk.readableBytesView)
        }
        return Array(bytes.prefix(limit))
    }

    private func readBlocking() throws -> ByteBuffer? {
        var buffer = ByteBufferAllocator().buffer(capacity: Self.chunkBytes)
        while true {
            let count = buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: Self.chunkBytes) {
                max(0, Glibc.read(descriptor, $0.baseAddress, Self.chunkBytes))
            }
            if count > 0 {
                taken.add(UInt64(count), ordering: .relaxed)
                return buffer
            }
            guard errno == EINTR else { break }
            errno = 0
        }
        try checkEnd()
        return nil
    }

    /// An end is the end only if gzip found its own.
    private func checkEnd() throws {
        guard let gzip else { return }
        gzip.waitUntilExit()
        guard gzip.terminationStatus == 0 else {
            throw Failure(
                .badData, "\(path) is not a whole gzip file",
                next: "copy the file again; what came before the damage was sent")
        }
    }
}

/// The source as a request body.
struct InputChunks: AsyncSequence, Sendable {
    let source: InputSource
    /// Keeps the reason when reading fails: the HTTP client has errors of its own.
    let failure: FailureBox

    struct AsyncIterator: AsyncIteratorProtocol {
        let chunks: InputChunks

        mutating func next() async throws -> ByteBuffer? {
            do {
                return try await chunks.source.read()
            } catch {
                chunks.failure.set(error)
                throw error
            }
        }
    }

    func makeAsyncIterator() -> AsyncIterator { AsyncIterator(chunks: self) }
}

/// The first failure of work that goes on beside the main one.
final class FailureBox: Sendable {
    private let failure = Mutex<(any Error)?>(nil)

    func set(_ error: any Error) { failure.withLock { $0 = $0 ?? error } }

    var first: (any Error)? { failure.withLock { $0 } }
}
