import Foundation
import SanadCore
import SanadNode
import SanadTestSupport

/// `sanadd` in the role `witness`, as the process `hub` of rabat and marrakech.
final class WitnessProcess {
    let directory: String
    let link: UInt16
    let operations: UInt16
    private(set) var process: ChildProcess?

    /// Writes the configuration; certificates of `hub` have to be in the directory.
    init(
        _ directory: String, cluster: Identifier, lease: String,
        members: String = "[rabat, marrakech]"
    ) throws {
        self.directory = directory
        link = try freePort()
        operations = try freePort()
        let text = """
            cluster:
              id: \(cluster)
            node:
              name: hub
              role: witness
            store:
              directory: \(directory)/hub
            link:
              listen: 127.0.0.1:\(link)
              certificate: \(directory)/hub.crt
              private_key: \(directory)/hub.key
              authority: \(directory)/ca/ca.crt
            failover:
              lease: \(lease)
            witness:
              members: \(members)
            operations:
              listen: 127.0.0.1:\(operations)
            """
        try text.write(toFile: directory + "/hub.yaml", atomically: true, encoding: .utf8)
    }

    @discardableResult
    func start(output: String = "hub") throws -> ChildProcess {
        let process = try ChildProcess(
            Site.binary("sanadd").path, ["--config", directory + "/hub.yaml"],
            output: "\(directory)/\(output).log")
        self.process = process
        return process
    }

    /// Sends a signal; waits for the end after one that ends.
    func kill(_ signal: Int32) {
        guard let process, process.isRunning else { return }
        process.kill(signal)
        if signal == SIGKILL || signal == SIGTERM { process.wait() }
    }

    /// Its disk is lost: the next start finds nothing.
    func loseStore() throws { try FileManager.default.removeItem(atPath: directory + "/hub") }

    func status() throws -> WitnessStatus? {
        try Http.json(WitnessStatus.self, port: operations, "/status")
    }
}
