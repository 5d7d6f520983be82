internal import Foundation
internal import Glibc

/// A configuration file's text, and where it is.
struct ConfigurationFile {
    let text: String
    /// What relative paths in it are relative to.
    let directory: String

    init(_ path: String) throws(ConfigurationError) {
        let url = URL(fileURLWithPath: path).standardizedFileURL
        let data: Data
        do {
            data = try Data(contentsOf: url)
        } catch {
            throw ConfigurationError(
                file: path, problems: [ConfigurationProblem(message: Self.reason(url.path))])
        }
        guard let text = String(validating: data, as: UTF8.self) else {
            throw ConfigurationError(
                file: path, problems: [ConfigurationProblem(message: "the file is not UTF-8")])
        }
        self.text = text
        directory = url.deletingLastPathComponent().path
    }

    /// Why the file cannot be read, in the system's words; Foundation's have only a number.
    private static func reason(_ path: String) -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        defer { if descriptor >= 0 { close(descriptor) } }
        var byte: UInt8 = 0
        guard descriptor < 0 || read(descriptor, &byte, 1) < 0 else {
            return "the file cannot be read"
        }
        return errno == ENOENT
            ? "there is no such file"
            : "the file cannot be read: \(String(cString: strerror(errno)))"
    }
}
