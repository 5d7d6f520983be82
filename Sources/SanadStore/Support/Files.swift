import Glibc

/// Calls of the file system, each with its error.
enum Files {
    static func failure(_ operation: String, _ path: String) -> StoreError {
        let number = errno
        let code: StoreError.Code = number == ENOSPC || number == EDQUOT ? .diskFull : .io
        return StoreError(
            code, operation: operation, path: path, message: String(cString: strerror(number)),
            systemCode: number)
    }

    /// Creates a directory that only its owner sees, and its entry in the parent, durably.
    static func makeDirectory(_ path: String) throws(StoreError) {
        if mkdir(path, 0o700) == 0 {
            try synchronizeDirectory(parent(of: path))
        } else if errno != EEXIST {
            throw failure("create the directory", path)
        }
    }

    /// Makes creations, renamings and removals in a directory durable.
    static func synchronizeDirectory(_ path: String) throws(StoreError) {
        let descriptor = Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure("open the directory", path) }
        defer { Glibc.close(descriptor) }
        guard fsync(descriptor) == 0 else { throw failure("sync the directory", path).fatal }
    }

    /// Makes what was written to a file durable.
    static func synchronizeFile(_ path: String) throws(StoreError) {
        let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure("open the file", path) }
        defer { Glibc.close(descriptor) }
        guard fsync(descriptor) == 0 else { throw failure("sync the file", path).fatal }
    }

    static func parent(of path: String) -> String {
        let trimmed = path.last == "/" ? path.dropLast() : path[...]
        guard let slash = trimmed.lastIndex(of: "/") else { return "." }
        return slash == trimmed.startIndex ? "/" : String(trimmed[..<slash])
    }

    static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    /// Size in bytes; zero when there is no such file.
    static func size(_ path: String) -> UInt64 {
        var status = stat()
        return stat(path, &status) == 0 ? UInt64(max(0, status.st_size)) : 0
    }

    /// Bytes that this process may still use of the file system that holds `path`.
    static func freeBytes(_ path: String) throws(StoreError) -> UInt64 {
        var status = statvfs()
        guard statvfs(path, &status) == 0 else { throw failure("ask for free space", path) }
        return UInt64(status.f_bavail) * UInt64(status.f_frsize)
    }

    /// Removes a file if it is there.
    static func remove(_ path: String) throws(StoreError) {
        guard unlink(path) == 0 || errno == ENOENT else { throw failure("remove", path) }
    }

    /// Removes an SQLite file that no connection has open, and what belongs to it.
    static func removeDatabase(_ path: String) throws(StoreError) {
        // The file first: a WAL without its file is ignored, a file without its WAL is truncated.
        try remove(path)
        try remove(path + "-wal")
        try remove(path + "-shm")
        try remove(path + "-journal")
    }

    static func rename(_ old: String, to new: String) throws(StoreError) {
        guard Glibc.rename(old, new) == 0 else { throw failure("rename to \(new)", old) }
    }

    /// The names in a directory, in byte order.
    static func names(in path: String) throws(StoreError) -> [String] {
        guard let stream = opendir(path) else { throw failure("list the directory", path) }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }
}

/// The lock file that makes a store one process's own.
///
/// Everything that can write a file of the store holds it, so that the lock outlives them all.
final class DirectoryLock: Sendable {
    private let descriptor: Int32

    /// - Throws: `.locked` with the holder's process number when another process has it.
    init(_ path: String) throws(StoreError) {
        let opened = Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard opened >= 0 else { throw Files.failure("open the lock", path) }
        do throws(StoreError) {
            try Self.take(opened, path)
        } catch {
            Glibc.close(opened)
            throw error
        }
        // Last: once it is set, a failing `init` runs `deinit`, which would close it again.
        descriptor = opened
    }

    deinit { Glibc.close(descriptor) }

    private static func take(_ descriptor: Int32, _ path: String) throws(StoreError) {
        guard acquire(descriptor) else {
            guard errno == EWOULDBLOCK else { throw Files.failure("lock the store", path) }
            throw StoreError(
                .locked, operation: "lock the store", path: path,
                message: "process \(readHolder(descriptor)) has this store open",
                systemCode: EWOULDBLOCK,
                hint: "stop that process, or give this node a directory of its own")
        }
        // The number is for people; the lock itself is the kernel's.
        let text = Array("\(getpid())\n".utf8)
        guard ftruncate(descriptor, 0) == 0,
            text.withUnsafeBytes({ pwrite(descriptor, $0.baseAddress, $0.count, 0) }) == text.count
        else { throw Files.failure("write the lock", path) }
    }

    /// Tries for a fifth of a second: a child of the last holder has the lock too, between its
    /// fork and its exec.
    private static func acquire(_ descriptor: Int32) -> Bool {
        for attempt in 0..<20 {
            if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { return true }
            guard errno == EWOULDBLOCK else { return false }
            if attempt < 19 { usleep(10_000) }
        }
        errno = EWOULDBLOCK
        return false
    }

    private static func readHolder(_ descriptor: Int32) -> String {
        var bytes = [UInt8](repeating: 0, count: 16)
        let count = bytes.withUnsafeMutableBytes { pread(descriptor, $0.baseAddress, $0.count, 0) }
        let digits = bytes.prefix(max(0, count)).prefix { (48...57).contains($0) }
        return digits.isEmpty ? "unknown" : String(decoding: digits, as: UTF8.self)
    }
}
