import Glibc

/// Changes one bit of a file, where the first byte of `marker` stands.
///
/// - Throws: ``HostFailure`` when the file cannot be changed, or does not hold the marker.
public func flipBit(at marker: String, in path: String) throws {
    let descriptor = open(path, O_RDWR)
    guard descriptor >= 0 else { throw HostFailure(description: "\(path): errno \(errno)") }
    defer { close(descriptor) }
    let size = lseek(descriptor, 0, SEEK_END)
    var content = [UInt8](repeating: 0, count: max(0, size))
    let count = content.withUnsafeMutableBytes { pread(descriptor, $0.baseAddress, $0.count, 0) }
    let wanted = Array(marker.utf8)
    let place = (0...max(0, content.count - wanted.count)).first {
        content[$0] == wanted[0] && content[$0...].starts(with: wanted)
    }
    guard count == content.count, let place else {
        throw HostFailure(description: "\(path) does not hold \(marker)")
    }
    var changed = content[place] ^ 1
    guard pwrite(descriptor, &changed, 1, off_t(place)) == 1 else {
        throw HostFailure(description: "\(path): errno \(errno)")
    }
}
