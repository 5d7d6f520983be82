import CGlibc
import Glibc

/// Has the system begin to write to the disk what was written to a file, without waiting for it.
///
/// It makes nothing durable. But the sync that does finds little left to do: neither its caller nor
/// those who sync other files on the same disk wait for many megabytes at once.
struct WriteBack: ~Copyable {
    private let descriptor: Int32

    /// Nil when the file cannot be opened: then the sync has everything to do.
    init?(path: String) {
        descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
    }

    /// A process that closes a file gives up all the locks that it has on it, whoever took them
    /// (fcntl(2)): it must have none then.
    deinit { Glibc.close(descriptor) }

    /// Begins with all that has been written since the last call. See sync_file_range(2); an error
    /// of the disk is told by the sync that follows.
    func begin() { _ = sync_file_range(descriptor, 0, 0, UInt32(SYNC_FILE_RANGE_WRITE)) }
}
