import Foundation

@testable import SanadNode

enum ConfigurationFixtures {
    /// The least that a node needs.
    static let minimal = """
        cluster:
          id: 6f0b8a52-3d1e-4c57-9a40-5b2e7c91d8f3
        node:
          name: rabat
        peer:
          name: marrakech
          host: marrakech.example.org
        link:
          certificate: pki/rabat.crt
          private_key: pki/rabat.key
          authority: pki/authority.crt
        """

    /// The package's root directory.
    static let packageRoot = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    /// The problems of a text, each as a line; empty when it can be used.
    static func problems(_ text: String) -> [String] {
        do throws(ConfigurationError) {
            _ = try NodeConfiguration.read(text, file: "test.yaml")
            return []
        } catch {
            return error.problems.map(\.description)
        }
    }

    /// `minimal` with more lines at its end.
    static func minimal(and lines: String) -> String { minimal + "\n" + lines }
}
