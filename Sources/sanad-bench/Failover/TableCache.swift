import Glibc

/// What the system's cache holds of a store's record table, as a measurement wants it.
///
/// Stores of two sizes can only be compared when both are in the cache, or both are not: a machine
/// keeps a small one there longer than a large one.
enum TableCache {
    case warm
    case cold

    /// Reads the file, or has the system forget it.
    func prepare(_ path: String) throws {
        let file = open(path, O_RDONLY)
        guard file >= 0 else { throw Failure("\(path): \(lastError())") }
        defer { close(file) }
        switch self {
        case .warm:
            let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 4 << 20, alignment: 16)
            defer { buffer.deallocate() }
            while true {
                let count = read(file, buffer.baseAddress, buffer.count)
                guard count >= 0 else { throw Failure("\(path): \(lastError())") }
                if count == 0 { return }
            }
        case .cold:
            // Pages that are not yet on the disk stay.
            guard fdatasync(file) == 0 else { throw Failure("\(path): \(lastError())") }
            let status = posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED)
            guard status == 0 else {
                throw Failure("\(path): \(String(cString: strerror(status)))")
            }
        }
    }
}
