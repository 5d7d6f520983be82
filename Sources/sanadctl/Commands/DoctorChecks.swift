import Foundation
import Glibc
import SanadCore
import SanadLink
import SanadNode

/// The files that the configuration names: there, readable, not open to others, not expired.
struct FileChecks {
    private(set) var findings: [Finding] = []
    private let configuration: NodeConfiguration

    init(_ configuration: NodeConfiguration) {
        self.configuration = configuration
        let link = configuration.link
        checkKey(link.privateKey)
        checkCertificate(link.authority, isAuthority: true, name: nil)
        checkCertificate(
            link.certificate, isAuthority: false, name: configuration.node.name.text)
        for tls in [configuration.records.tls, configuration.operations.tls].compactMap({ $0 }) {
            checkKey(tls.privateKey)
            checkCertificate(tls.certificate, isAuthority: false, name: nil)
        }
        for program in [configuration.hooks.vetoCommand, configuration.hooks.eventCommand] {
            if let program { checkProgram(program) }
        }
        checkStore(configuration.store.directory)
    }

    /// A veto command that cannot be run vetoes every promotion.
    private mutating func checkProgram(_ path: String) {
        guard let mode = mode(path) else { return }
        if mode & S_IFMT != S_IFREG || mode & 0o111 == 0 {
            add(.failed, path, "is no program that can be run; chmod 0755 \(path)")
        } else if mode & 0o022 != 0 {
            add(.failed, path, "others can change what the daemon runs; chmod 0755 \(path)")
        } else {
            add(.good, path, "can be run, and not be changed by others")
        }
    }

    private mutating func add(_ grade: Finding.Grade, _ subject: String, _ text: String) {
        findings.append(Finding(grade, subject, text))
    }

    /// The mode of a file; nil, and a finding, when it cannot be looked at.
    private mutating func mode(_ path: String) -> mode_t? {
        var info = stat()
        guard stat(path, &info) == 0 else {
            let reason = errno
            add(
                reason == EACCES ? .warning : .failed, path,
                String(cString: strerror(reason)) + (reason == EACCES ? "; run as root" : ""))
            return nil
        }
        return info.st_mode
    }

    private mutating func checkKey(_ path: String) {
        guard let mode = mode(path) else { return }
        guard mode & 0o007 == 0 else {
            add(.failed, path, "everybody can read this key; chmod 0600 \(path)")
            return
        }
        guard mode & 0o020 == 0 else {
            add(.failed, path, "the group can change this key; chmod 0600 \(path)")
            return
        }
        add(.good, path, "closed to others")
    }

    private mutating func checkCertificate(_ path: String, isAuthority: Bool, name: String?) {
        guard mode(path) != nil else { return }
        let certificate: CertificateDescription
        do throws(LinkError) {
            certificate = try CertificateAuthority.describe(path)
        } catch {
            add(.failed, path, error.description)
            return
        }
        if isAuthority, !certificate.isAuthority {
            add(.failed, path, "is not an authority's certificate")
        }
        if let name, !certificate.names.contains("DNS:\(name)") {
            let names = certificate.names.joined(separator: ", ")
            add(.failed, path, "does not carry this node's name, \(name), but: \(names)")
        }
        let now = Date.now.timeIntervalSince1970
        let left = Double(certificate.notAfterUnixSeconds) - now
        if Double(certificate.notBeforeUnixSeconds) > now {
            add(.failed, path, "is not valid yet; is this host's clock right?")
        } else if left <= 0 {
            add(.failed, path, "has expired")
        } else {
            add(left < 30 * 86_400 ? .warning : .good, path, "valid for \(Text.seconds(left))")
        }
    }

    private mutating func checkStore(_ directory: String) {
        var info = stat()
        guard stat(directory, &info) == 0 else {
            if errno == ENOENT {
                add(.good, directory, "is not there yet; the daemon makes it")
            } else {
                add(.warning, directory, String(cString: strerror(errno)) + "; run as root")
            }
            return
        }
        if info.st_mode & 0o077 == 0 {
            add(.good, directory, "closed to others")
        } else {
            add(.warning, directory, "others can look into the store; chmod 0700 \(directory)")
        }
        var space = statvfs()
        guard statvfs(directory, &space) == 0 else { return }
        let free = UInt64(space.f_bavail) * UInt64(space.f_frsize)
        // The active segment and two that are being sealed, each with as much in its WAL, and a
        // flush of the record table.
        let needed = UInt64(configuration.store.segmentBytes) * 7
        let floor = configuration.retention.freeBytes
        let isShort = free < floor ? ", less than retention.free_bytes: old log goes early" : ""
        add(
            free < needed ? .failed : free < max(floor, 10 << 30) ? .warning : .good, directory,
            "\(Text.bytes(free)) free\(isShort)")
    }
}

/// The ports, the way to the peer, and the clock.
struct HostChecks {
    private(set) var findings: [Finding] = []

    init(_ configuration: NodeConfiguration, status: NodeStatus?) {
        if status == nil {
            let faces = [
                ("link.listen", configuration.link.listen),
                ("records.listen", configuration.records.listen),
                ("operations.listen", configuration.operations.listen),
            ]
            for (key, endpoint) in faces {
                let problem = Network.listenProblem(at: endpoint)
                findings.append(
                    Finding(
                        problem == nil ? .good : .failed, key,
                        "\(endpoint) \(problem.map { "cannot be used: \($0)" } ?? "is free")"))
            }
        }
        findings.append(Self.peer(configuration, status))
        findings.append(clock)
    }

    /// One of the two nodes dials, the one whose name comes first; the other one need not be
    /// reachable from here.
    private static func peer(
        _ configuration: NodeConfiguration, _ status: NodeStatus?
    ) -> Finding {
        let peer = configuration.peer
        if status?.link.connected == true {
            return Finding(.good, "peer", "\(peer.name) is connected")
        }
        guard configuration.node.name < peer.name else {
            return Finding(
                status == nil ? .good : .warning, "peer",
                "\(peer.name) connects to this node; it has to reach \(configuration.link.listen)")
        }
        guard let problem = Network.connectionProblem(to: peer.address) else {
            return Finding(.good, "peer", "\(peer.name) at \(peer.address) can be reached")
        }
        return Finding(
            .warning, "peer", "\(peer.name) at \(peer.address) cannot be reached: \(problem)")
    }

    /// Leases never use the wall clock; certificates and logs do.
    private var clock: Finding {
        let process = Process()
        let pipe = Pipe()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/timedatectl")
        process.arguments = ["show", "--property=NTPSynchronized", "--value"]
        process.standardOutput = pipe
        process.standardError = FileHandle.nullDevice
        do {
            try process.run()
            let output = try pipe.fileHandleForReading.readToEnd() ?? Data()
            process.waitUntilExit()
            switch String(decoding: output, as: UTF8.self)
                .trimmingCharacters(in: .whitespacesAndNewlines)
            {
            case "yes": return Finding(.good, "clock", "is synchronised")
            case "no":
                return Finding(
                    .warning, "clock",
                    "is not synchronised; a wrong one makes good certificates look expired")
            default: break
            }
        } catch {
            return Finding(.warning, "clock", "cannot be looked at: timedatectl is not there")
        }
        return Finding(.warning, "clock", "timedatectl does not know whether it is synchronised")
    }
}
