import ArgumentParser
import Foundation
import SanadCore
import SanadLink

/// `sanadctl pki`
struct PKI: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Makes the cluster's certificate authority and the nodes' certificates.",
        subcommands: [PKIInit.self, PKIIssue.self, PKIShow.self])

    /// Runs a step of the authority and turns its error into a failure.
    static func perform<Result>(
        _ step: () throws(LinkError) -> Result
    ) throws -> Result {
        do throws(LinkError) {
            return try step()
        } catch {
            // The description ends with what to do.
            throw Failure(.cannotCreate, error.description)
        }
    }
}

/// `sanadctl pki init`
struct PKIInit: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "init", abstract: "Makes the cluster's own authority.",
        discussion: """
            Do this once, on a machine that is neither node if you can. Whoever has the key (ca.key) \
            can make certificates that both nodes trust: keep it off the nodes, and keep a copy in \
            a safe. Nothing is overwritten.
            """)

    @Option(help: ArgumentHelp("Where the authority's files go.", valueName: "directory"))
    var directory = "pki"

    @Option(help: "The name of the cluster, for people.")
    var name = "sanad"

    @Option(help: "How long the authority is valid.")
    var days = 3_650

    func validate() throws {
        guard (1...36_500).contains(days) else {
            throw ValidationError("--days must be from 1 to 36500")
        }
    }

    func run() throws {
        let description = try PKI.perform { () throws(LinkError) in
            try CertificateAuthority.create(
                directory: directory, clusterName: name, validityDays: days)
        }
        Terminal.out("The authority is made.")
        Terminal.out(
            Text.table([
                ("certificate", "\(directory)/\(CertificateAuthority.certificateFileName)"),
                ("key", "\(directory)/\(CertificateAuthority.keyFileName) (keep it secret)"),
                ("valid until", Text.time(unixSeconds: description.notAfterUnixSeconds)),
            ]))
        Terminal.out("Next: sanadctl pki issue NODE --directory \(directory), once for each node.")
    }
}

/// `sanadctl pki issue`
struct PKIIssue: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "issue", abstract: "Makes a node's certificate and key.",
        discussion: """
            The certificate carries the node's name, which its peer insists on, and the hosts given, \
            so that it also serves the records and operations APIs. Nothing is overwritten: move \
            the old files away before you renew.
            """)

    @Argument(help: "The node's name, as in node.name of its configuration.")
    var node: String

    @Option(
        help: ArgumentHelp("A DNS name or address of the node; may be repeated.", valueName: "name")
    )
    var host: [String] = []

    @Option(help: ArgumentHelp("Where the authority's files are.", valueName: "directory"))
    var directory = "pki"

    @Option(
        help: ArgumentHelp(
            "Where the node's files go; otherwise beside the authority's.", valueName: "directory"))
    var output: String?

    @Option(help: "How long the certificate is valid.")
    var days = 825

    func validate() throws {
        guard NodeName(node) != nil else {
            throw ValidationError(
                "a node's name is a small letter and at most 62 small letters, digits, hyphens")
        }
        guard (1...36_500).contains(days) else {
            throw ValidationError("--days must be from 1 to 36500")
        }
    }

    func run() throws {
        guard let name = NodeName(node) else { throw Failure(.usage, "no node name: \(node)") }
        let place = output ?? directory
        let description = try PKI.perform { () throws(LinkError) in
            try CertificateAuthority.issue(
                directory: directory, node: name, hosts: host, outputDirectory: place,
                validityDays: days)
        }
        Terminal.out("The certificate of \(node) is made.")
        Terminal.out(
            Text.table([
                ("certificate", "\(place)/\(node).crt"),
                ("key", "\(place)/\(node).key (keep it secret)"),
                ("names", description.names.joined(separator: ", ")),
                ("valid until", Text.time(unixSeconds: description.notAfterUnixSeconds)),
            ]))
        Terminal.out(
            "Next: copy both and \(CertificateAuthority.certificateFileName) to /etc/sanad/pki on "
                + "\(node); the key must be readable by the user sanad only.")
    }
}

/// `sanadctl pki show`
struct PKIShow: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Shows what a certificate says.")

    @Argument(help: "Certificate files, PEM.")
    var files: [String]

    func run() throws {
        for (index, file) in files.enumerated() {
            let description: CertificateDescription
            do throws(LinkError) {
                description = try CertificateAuthority.describe(file)
            } catch {
                throw Failure(.badData, error.description)
            }
            let left = Double(description.notAfterUnixSeconds) - Date.now.timeIntervalSince1970
            if index > 0 { Terminal.out("") }
            Terminal.out(
                Text.table([
                    ("file", file),
                    ("subject", description.subject),
                    ("signed by", description.issuer),
                    ("kind", description.isAuthority ? "authority" : "node"),
                    ("names", description.names.joined(separator: ", ")),
                    ("valid from", Text.time(unixSeconds: description.notBeforeUnixSeconds)),
                    (
                        "valid until",
                        Text.time(unixSeconds: description.notAfterUnixSeconds)
                            + (left > 0 ? " (\(Text.seconds(left)) left)" : " (EXPIRED)")
                    ),
                    ("serial number", description.serialNumber),
                    ("SHA-256", description.fingerprint),
                ]))
        }
    }
}
