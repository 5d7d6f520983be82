import Foundation
import SanadCore

@testable import sanad_bench

/// What the configurations of both nodes of a test's cluster have in common.
struct SiteConfiguration {
    var cluster: Identifier
    var mode: String
    var lease: String
    var arbiter: ThirdVoice
    var etcdPorts: [UInt16]
    var replication: String
    var failover: String
    var sections: String

    /// - Parameter peerLink: the port at which this node reaches the other one's link.
    func write(_ site: Site, peer: Site, peerLink: UInt16) throws {
        let text = """
            cluster:
              id: \(cluster)
            node:
              name: \(site.name)
              initial_role: \(site.name == "rabat" ? "primary" : "standby")
            store:
              directory: \(site.store)
              segment_size: 1MiB
            peer:
              name: \(peer.name)
              host: 127.0.0.1
              port: \(peerLink)
              records_url: http://127.0.0.1:\(peer.records)
            link:
              listen: 127.0.0.1:\(site.link)
              certificate: \(site.directory)/\(site.name).crt
              private_key: \(site.directory)/\(site.name).key
              authority: \(site.directory)/ca/ca.crt
            replication:
              mode: \(mode)
            \(indented(replication))
            failover:
              heartbeat: 100ms
              lease: \(lease)
              arbiter: \(arbiterName)
            \(indented(failover))
            records:
              listen: 127.0.0.1:\(site.records)
            operations:
              listen: 127.0.0.1:\(site.operations)
            control:
              socket: \(site.socket)
            \(arbiterSection(site))
            \(sections)

            """
        try text.write(toFile: site.configurationPath, atomically: true, encoding: .utf8)
    }

    private func indented(_ lines: String) -> String {
        lines.split(separator: "\n").map { "  " + $0 }.joined(separator: "\n")
    }

    private var arbiterName: String {
        switch arbiter {
        case .none: "none"
        case .witness: "witness"
        case .etcd: "etcd"
        }
    }

    private func arbiterSection(_ site: Site) -> String {
        switch arbiter {
        case .none: return ""
        case .witness:
            return """
                witness:
                  name: hub
                  address: 127.0.0.1:\(site.arbiter?.port ?? 0)
                """
        case .etcd:
            let endpoints = etcdPorts.map { "\"127.0.0.1:\($0)\"" }.joined(separator: ", ")
            return """
                etcd:
                  endpoints: [\(endpoints)]
                  ca: \(site.directory)/ca/ca.crt
                  certificate: \(site.directory)/\(site.name).crt
                  key: \(site.directory)/\(site.name).key
                """
        }
    }
}
