internal import Foundation

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
            let reason =
                (error as? CocoaError)?.code == .fileReadNoSuchFile
                ? "there is no such file" : "the file cannot be read: \(error.localizedDescription)"
            throw ConfigurationError(
                file: path, problems: [ConfigurationProblem(message: reason)])
        }
        guard let text = String(validating: data, as: UTF8.self) else {
            throw ConfigurationError(
                file: path, problems: [ConfigurationProblem(message: "the file is not UTF-8")])
        }
        self.text = text
        directory = url.deletingLastPathComponent().path
    }
}
