/// Answers requests of the operations API from one view of the node. Pure: no clock, no I/O.
enum OperationsRouter {
    static let allow = "GET, HEAD, OPTIONS"

    /// Answers a request for `path`, with the raw query after `?`, or nil when there is none.
    static func answer(
        method: String, path: String, query: String?, _ view: OperationsView
    ) -> OperationsAnswer {
        guard let route = Route(path: path) else {
            return .problem(404, "not-found", "No such path", "\(path) does not exist.")
        }
        guard method == "GET" || method == "HEAD" || method == "OPTIONS" else {
            var answer = OperationsAnswer.problem(
                405, "method-not-allowed", "The method is not for this path", "Allowed: \(allow).")
            answer.allow = allow
            return answer
        }
        do throws(OperationsQuery.Failure) {
            let query = try OperationsQuery(query, known: route.parameters)
            return try answer(route, query, view)
        } catch {
            return .badParameter(error.detail)
        }
    }

    private enum Route {
        case page
        case live
        case ready
        case check(HealthCheck)
        case primary
        case standby
        case sync
        case status
        case metrics

        init?(path: String) {
            switch path {
            case "/": self = .page
            case "/livez": self = .live
            case "/readyz": self = .ready
            case "/primary", "/read-write": self = .primary
            case "/standby", "/replica": self = .standby
            case "/sync": self = .sync
            case "/status": self = .status
            case "/metrics": self = .metrics
            default:
                guard path.hasPrefix("/readyz/"),
                    let check = HealthCheck(rawValue: String(path.dropFirst(8)))
                else { return nil }
                self = .check(check)
            }
        }

        var parameters: [String] {
            switch self {
            case .live: ["verbose"]
            case .ready: ["verbose", "exclude"]
            case .standby: ["max_lag_bytes", "max_lag_seconds"]
            default: []
            }
        }
    }

    private static func answer(
        _ route: Route, _ query: OperationsQuery, _ view: OperationsView
    ) throws(OperationsQuery.Failure) -> OperationsAnswer {
        switch route {
        case .page:
            return OperationsAnswer(status: 200, contentType: .html, body: StatusPage.html(view))
        case .live: return live(view, isVerbose: try query.flag("verbose"))
        case .ready: return try ready(view, query)
        case .check(let check):
            let failure = check.failure(view)
            return .text(failure == nil ? 200 : 503, check.line(failure))
        case .primary: return roleAnswer(view, failure: primaryFailure(view))
        case .standby:
            return roleAnswer(
                view,
                failure: standbyFailure(
                    view, maximumBytes: try query.count("max_lag_bytes"),
                    maximumSeconds: try query.number("max_lag_seconds")))
        case .sync: return roleAnswer(view, failure: syncFailure(view))
        case .status: return status(view)
        case .metrics:
            return OperationsAnswer(
                status: 200, contentType: .openMetrics, body: OpenMetrics.text(view))
        }
    }

    /// Whether the process is to be restarted: its commit thread stands still. Nothing outside of
    /// the process may decide that, for a restart would not mend it.
    private static func live(_ view: OperationsView, isVerbose: Bool) -> OperationsAnswer {
        let age = view.age(of: view.status.tickNanoseconds)
        guard age <= view.thresholds.tickAgeSeconds else {
            return .text(
                503, "[-]commit_thread failed: it has stood still for \(Int(age)) s\n")
        }
        return .text(200, isVerbose ? "[+]commit_thread ok\n" : "ok\n")
    }

    private static func ready(
        _ view: OperationsView, _ query: OperationsQuery
    ) throws(OperationsQuery.Failure) -> OperationsAnswer {
        let isVerbose = try query.flag("verbose")
        var excluded: Set<HealthCheck> = []
        for name in query.values("exclude") {
            guard let check = HealthCheck(rawValue: name) else {
                let known = HealthCheck.allCases.map(\.rawValue).joined(separator: ", ")
                throw OperationsQuery.Failure(
                    detail: "There is no check \"\(name)\"; there are \(known).")
            }
            excluded.insert(check)
        }
        var (report, isReady) = ("", true)
        for check in HealthCheck.allCases {
            guard !excluded.contains(check) else {
                report += "[+]\(check.rawValue) excluded\n"
                continue
            }
            let failure = check.failure(view)
            report += check.line(failure)
            isReady = isReady && failure == nil
        }
        guard isReady else { return .text(503, report + "readyz check failed\n") }
        return .text(200, isVerbose ? report + "readyz check passed\n" : "ok\n")
    }

    private static func primaryFailure(_ view: OperationsView) -> String? {
        guard view.status.role == "primary" else { return "this node is \(view.status.role)" }
        guard view.isWritable else {
            return view.status.fenceReason ?? "the primary has no lease now"
        }
        return nil
    }

    /// Unknown lag is over every limit, the missing one included.
    private static func standbyFailure(
        _ view: OperationsView, maximumBytes: UInt64?, maximumSeconds: Double?
    ) -> String? {
        let status = view.status
        guard status.role == "standby" else { return "this node is \(status.role)" }
        if let problem = status.storeProblem { return problem }
        if let problem = HealthCheck.consistent.failure(view) { return problem }
        guard let bytes = status.lag.bytes, let seconds = status.lag.seconds else {
            return "the lag is not known"
        }
        if let maximumBytes, bytes > maximumBytes {
            return "\(bytes) bytes behind, more than \(maximumBytes)"
        }
        if let maximumSeconds, seconds > maximumSeconds {
            return "\(seconds) s behind, more than \(maximumSeconds)"
        }
        return nil
    }

    /// A standby that the cluster record names as in sync: it can take over without loss.
    private static func syncFailure(_ view: OperationsView) -> String? {
        guard view.status.role == "standby" else { return "this node is \(view.status.role)" }
        guard view.status.inSync.contains(view.status.node) else {
            return "the cluster record does not name this node as in sync"
        }
        return nil
    }

    private struct RoleBody: Encodable {
        var role: String
        var epoch: UInt64
        var committed: UInt64
        var applied: UInt64
        var lag: NodeStatus.LagStatus
        var inSync: [String]
        var fenced: Bool
        var reason: String?
    }

    private static func roleAnswer(_ view: OperationsView, failure: String?) -> OperationsAnswer {
        let status = view.status
        return .json(
            RoleBody(
                role: status.role, epoch: status.epoch, committed: status.committed,
                applied: status.applied, lag: status.lag, inSync: status.inSync,
                fenced: status.fenced, reason: failure), status: failure == nil ? 200 : 503)
    }

    private static func status(_ view: OperationsView) -> OperationsAnswer {
        var status = view.status
        // The published word may be older than the lease.
        status.writable = view.isWritable
        return .json(status, status: 200)
    }
}
