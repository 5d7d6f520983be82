import CGlibc
import Glibc

/// Has the system begin to write to the disk what was written to a file, without waiting for its end.
///
/// It makes nothing durable. But the sync that does finds little left to do: neither its caller nor
/// those who sync other files on the same disk wait for many megabytes at once.
struct WriteBack: ~Copyable {
    private let descriptor: Int32
    private let path: String

    /// Nil when the file cannot be opened: then the sync has everything to do.
    init?(path: String) {
        let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        self.descriptor = descriptor
        self.path = path
    }

    /// A process that closes a file gives up all the locks that it has on it, whoever took them
    /// (fcntl(2)): no writer may have one then. A reader's may go, since no other process writes.
    deinit { Glibc.close(descriptor) }

    /// Begins with what is not under way yet; it waits for room in the disk's queue at most.
    ///
    /// - Throws: `.io` or `.diskFull` when bytes could not be written, which the sync that follows
    ///   need not find out any more: sync_file_range(2).
    func begin() throws(StoreError) {
        guard sanad_begin_write_back(descriptor) != 0 else { return }
        switch errno {
        // The bytes wait for the sync.
        case EINTR, ENOMEM, ENOSYS, EPERM: return
        default: throw Files.failure("begin to write", path)
        }
    }
}
