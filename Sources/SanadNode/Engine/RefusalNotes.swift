import SanadCore
import SanadLink

extension LinkError {
    /// True when one side turned the other away; false when there was nobody, or no network.
    var isRefusal: Bool {
        switch code {
        case .unreachable, .timeout, .closed, .io: false
        default: true
        }
    }
}

/// Which refused connections were said of late, so that a stranger cannot fill the log.
///
/// The same reason from the same address is said once a minute, whatever its port: each connection
/// of a client comes from another.
struct RefusalNotes {
    private struct Key: Hashable {
        var code: LinkError.Code
        var saidByPeer: Bool
        var host: String
    }

    private var said: [Key: Instant] = [:]

    /// - Returns: whether this one is to be said; it then counts as said.
    mutating func isNews(_ error: LinkError, at now: Instant) -> Bool {
        let host = error.peer.split(separator: " ").first.map(String.init) ?? ""
        var key = Key(code: error.code, saidByPeer: error.saidByPeer, host: host)
        if said[key] == nil, said.count >= Limits.refusalNotesMaximum {
            said = said.filter { now.since($0.value) < Limits.refusalSpacing }
            // Strangers from everywhere are said together.
            if said.count >= Limits.refusalNotesMaximum { key.host = "" }
        }
        if let last = said[key], now.since(last) < Limits.refusalSpacing { return false }
        said[key] = now
        return true
    }
}
