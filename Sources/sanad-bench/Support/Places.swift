import Glibc

/// Open to be passed through, since the server of the peer runs as another user.
func makeTemporaryDirectory(under directory: String) throws -> String {
    var template = Array("\(directory)/sanad-bench.XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw Failure("\(directory): \(lastError())") }
    let path = String(
        decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    guard chmod(path, 0o755) == 0 else { throw Failure("\(path): \(lastError())") }
    return path
}

/// Where this program stands, with its sisters beside it.
func ownDirectory() throws -> String {
    guard let path = realpath("/proc/self/exe", nil) else {
        throw Failure("/proc/self/exe: \(lastError())")
    }
    defer { free(path) }
    let text = String(cString: path)
    return String(text[..<(text.lastIndex(of: "/") ?? text.startIndex)])
}
