/// The named checks of `/readyz`. Each looks at the published state only.
enum HealthCheck: String, CaseIterable, Sendable {
    case store
    case consistent
    case conflict
    case disk
    case role
    case lease
    case peer
    case lag
    case certificate = "tls_expiry"

    /// Why the check fails; nil when it passes.
    func failure(_ view: OperationsView) -> String? {
        switch self {
        case .store: Self.store(view)
        case .consistent: Self.consistent(view)
        case .conflict: view.status.conflict
        case .disk: Self.disk(view)
        case .role: Self.role(view)
        case .lease: Self.lease(view)
        case .peer: Self.peer(view)
        case .lag: Self.lag(view)
        case .certificate: Self.certificate(view)
        }
    }

    private static func store(_ view: OperationsView) -> String? {
        if let problem = view.status.storeProblem { return problem }
        return view.status.role == "starting" ? "the store is not open yet" : nil
    }

    private static func consistent(_ view: OperationsView) -> String? {
        guard !view.status.consistent else { return nil }
        if view.status.waitsForCommit == true {
            return "the end of the log is not known as committed yet"
        }
        return view.status.seeding.map {
            "a snapshot is being loaded, \($0.records) records so far"
        } ?? "records that a failover cut off are being fetched anew"
    }

    private static func disk(_ view: OperationsView) -> String? {
        guard let free = view.status.diskFreeBytes else { return "the free space is not known" }
        let minimum = view.thresholds.diskFreeBytes
        return free < minimum ? "\(free) bytes are free, less than \(minimum)" : nil
    }

    private static func role(_ view: OperationsView) -> String? {
        let status = view.status
        guard status.role == "primary" || status.role == "standby" else {
            return "this node is \(status.role)"
        }
        guard !status.fenced else { return status.fenceReason ?? "this node is fenced" }
        return nil
    }

    /// Only a primary needs the right to acknowledge.
    private static func lease(_ view: OperationsView) -> String? {
        guard view.status.role == "primary", !view.isWritable else { return nil }
        return view.status.fenceReason ?? "the primary has no lease now"
    }

    /// A standby without its primary grows old; a primary without its standby still serves, and
    /// `/sync`, `/status` and the metrics tell of it.
    private static func peer(_ view: OperationsView) -> String? {
        guard view.status.role == "standby" else { return nil }
        guard view.status.link.connected else {
            return view.status.link.lastError ?? "not connected to the primary"
        }
        guard let heard = view.status.peerHeardNanoseconds else {
            return "the primary is not heard"
        }
        let age = view.age(of: heard)
        return age > view.thresholds.peerSilenceSeconds
            ? "nothing heard from the primary for \(Int(age)) s" : nil
    }

    private static func lag(_ view: OperationsView) -> String? {
        guard view.status.role == "standby" else { return nil }
        guard let seconds = view.status.lag.seconds else { return "the lag is not known" }
        let maximum = view.thresholds.lagSeconds
        return seconds > maximum ? "\(seconds) s behind, more than \(maximum) s" : nil
    }

    private static func certificate(_ view: OperationsView) -> String? {
        guard let expires = view.status.certificateExpiresUnixSeconds else {
            return "the certificate's expiry is not known"
        }
        let left = expires - view.nowUnixSeconds
        if left <= 0 { return "the certificate has expired" }
        return left < view.thresholds.certificateSeconds
            ? "the certificate expires in \(left / 3_600) hours" : nil
    }

    /// One line of a report.
    func line(_ failure: String?) -> String {
        failure.map { "[-]\(rawValue) failed: \($0)\n" } ?? "[+]\(rawValue) ok\n"
    }
}
