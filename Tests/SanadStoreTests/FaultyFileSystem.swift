import CSQLite
import Glibc
import Synchronization

/// An SQLite VFS over the real one in which the N-th write, sync or truncation fails, and every
/// later one too until it is disarmed: as a disk that breaks.
enum FaultyFileSystem {
    static let name = "sanad-faulty"

    /// Counts calls down; at zero they fail. Negative: nothing fails.
    static let countdown = Atomic<Int>(-1)
    /// Whether a failing write leaves the first half of its bytes behind.
    static let tears = Atomic<Bool>(false)
    static let fails = Atomic<Int>(0)
    /// Syncs of all files.
    static let syncs = Atomic<Int>(0)

    // Swift cannot import these macros: SQLITE_IOERR with a number in the second byte.
    private static let writeFailure = SQLITE_IOERR | (3 << 8)
    private static let syncFailure = SQLITE_IOERR | (4 << 8)
    private static let truncateFailure = SQLITE_IOERR | (6 << 8)

    /// A file of this VFS: SQLite's part first, then the real file behind it.
    private struct File {
        var base: sqlite3_file
        var real: UnsafeMutablePointer<sqlite3_file>?
    }

    private static let realOffset = MemoryLayout<File>.stride

    static func arm(after calls: Int, tearing: Bool) {
        tears.store(tearing, ordering: .relaxed)
        fails.store(0, ordering: .relaxed)
        countdown.store(calls, ordering: .sequentiallyConsistent)
    }

    /// Ends the faults.
    ///
    /// - Returns: how many calls failed.
    @discardableResult
    static func disarm() -> Int {
        countdown.store(-1, ordering: .sequentiallyConsistent)
        return fails.exchange(0, ordering: .relaxed)
    }

    private static func isDue() -> Bool {
        guard countdown.load(ordering: .sequentiallyConsistent) >= 0 else { return false }
        let left = countdown.subtract(1, ordering: .sequentiallyConsistent).oldValue
        guard left <= 0 else { return false }
        // It stays broken.
        countdown.store(0, ordering: .sequentiallyConsistent)
        fails.add(1, ordering: .relaxed)
        return true
    }

    private static func real(
        _ file: UnsafeMutablePointer<sqlite3_file>?
    ) -> UnsafeMutablePointer<sqlite3_file>? {
        file.flatMap { UnsafeMutableRawPointer($0).assumingMemoryBound(to: File.self).pointee.real }
    }

    private static func methods(
        _ file: UnsafeMutablePointer<sqlite3_file>?
    ) -> sqlite3_io_methods? { real(file)?.pointee.pMethods?.pointee }

    /// Registers the VFS, once. What it points to lives as long as the process.
    static let registered: Bool = {
        guard let system = sqlite3_vfs_find(nil), let text = strdup(name) else { return false }
        let vfs = UnsafeMutablePointer<sqlite3_vfs>.allocate(capacity: 1)
        vfs.initialize(to: system.pointee)
        vfs.pointee.zName = UnsafePointer(text)
        vfs.pointee.pNext = nil
        vfs.pointee.pAppData = UnsafeMutableRawPointer(system)
        vfs.pointee.szOsFile = Int32(realOffset) + system.pointee.szOsFile
        vfs.pointee.xOpen = { vfs, path, file, flags, outFlags in
            guard let file, let vfs, let data = vfs.pointee.pAppData else { return SQLITE_ERROR }
            let system = data.assumingMemoryBound(to: sqlite3_vfs.self)
            let raw = UnsafeMutableRawPointer(file)
            let inner = (raw + FaultyFileSystem.realOffset).assumingMemoryBound(
                to: sqlite3_file.self)
            let own = raw.assumingMemoryBound(to: File.self)
            own.initialize(to: File(base: sqlite3_file(pMethods: nil), real: inner))
            guard let open = system.pointee.xOpen else { return SQLITE_ERROR }
            let status = open(system, path, inner, flags, outFlags)
            if inner.pointee.pMethods != nil {
                own.pointee.base.pMethods = UnsafePointer(FaultyFileSystem.table.pointer)
            }
            return status
        }
        return sqlite3_vfs_register(vfs, 0) == SQLITE_OK
    }()

    /// `@unchecked Sendable`: set once, never changed.
    private struct Table: @unchecked Sendable {
        let pointer: UnsafeMutablePointer<sqlite3_io_methods>
    }

    private static let table: Table = {
        var own = sqlite3_io_methods()
        own.iVersion = 2
        own.xClose = { methods($0)?.xClose(real($0)) ?? SQLITE_OK }
        own.xRead = { methods($0)?.xRead(real($0), $1, $2, $3) ?? SQLITE_IOERR }
        own.xWrite = { file, bytes, count, offset in
            guard isDue() else {
                return methods(file)?.xWrite(real(file), bytes, count, offset) ?? SQLITE_IOERR
            }
            if tears.load(ordering: .relaxed) {
                _ = methods(file)?.xWrite(real(file), bytes, count / 2, offset)
            }
            return writeFailure
        }
        own.xTruncate = {
            isDue()
                ? truncateFailure : methods($0)?.xTruncate(real($0), $1) ?? SQLITE_IOERR
        }
        own.xSync = {
            syncs.add(1, ordering: .relaxed)
            return isDue() ? syncFailure : methods($0)?.xSync(real($0), $1) ?? SQLITE_IOERR
        }
        own.xFileSize = { methods($0)?.xFileSize(real($0), $1) ?? SQLITE_IOERR }
        own.xLock = { methods($0)?.xLock(real($0), $1) ?? SQLITE_IOERR }
        own.xUnlock = { methods($0)?.xUnlock(real($0), $1) ?? SQLITE_IOERR }
        own.xCheckReservedLock = {
            methods($0)?.xCheckReservedLock(real($0), $1) ?? SQLITE_IOERR
        }
        own.xFileControl = { methods($0)?.xFileControl(real($0), $1, $2) ?? SQLITE_NOTFOUND }
        own.xSectorSize = { methods($0)?.xSectorSize(real($0)) ?? 512 }
        own.xDeviceCharacteristics = { methods($0)?.xDeviceCharacteristics(real($0)) ?? 0 }
        own.xShmMap = { methods($0)?.xShmMap(real($0), $1, $2, $3, $4) ?? SQLITE_IOERR }
        own.xShmLock = { methods($0)?.xShmLock(real($0), $1, $2, $3) ?? SQLITE_IOERR }
        own.xShmBarrier = { file in methods(file)?.xShmBarrier(real(file)) }
        own.xShmUnmap = { methods($0)?.xShmUnmap(real($0), $1) ?? SQLITE_IOERR }
        let pointer = UnsafeMutablePointer<sqlite3_io_methods>.allocate(capacity: 1)
        pointer.initialize(to: own)
        return Table(pointer: pointer)
    }()
}
