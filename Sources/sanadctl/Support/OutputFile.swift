import Glibc

/// A file that takes its name when it is whole and on the disk.
struct OutputFile: Sendable {
    let descriptor: Int32
    private let path: String

    init(_ path: String) throws {
        self.path = path
        descriptor = open(path + ".part", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw Failure(.cannotCreate, "\(path).part: \(String(cString: strerror(errno)))")
        }
    }

    func finish() throws {
        guard fsync(descriptor) == 0, close(descriptor) == 0, rename(path + ".part", path) == 0
        else {
            throw Failure(.cannotCreate, "\(path): \(String(cString: strerror(errno)))")
        }
    }
}
