/// One line of the bench's result.
struct Figure {
    enum Target {
        /// Ours divided by the peer's must reach this.
        case ratio(Double)
        case atLeast(Double)
        case atMost(Double)
    }

    var name: String
    var unit: String
    var ours: Double
    /// The peer's, when it was measured.
    var peer: Double?
    var target: Target
    /// Half-sentence with what else belongs to the figure, such as latencies.
    var note = ""

    /// Nil when the target is a ratio and there is no peer.
    var isReached: Bool? {
        switch target {
        case .ratio(let least): ratio.map { $0 >= least }
        case .atLeast(let least): ours >= least
        case .atMost(let most): ours <= most
        }
    }

    var ratio: Double? {
        guard let peer, peer > 0 else { return nil }
        return ours / peer
    }

    var text: String {
        let cells = [
            Self.padded(name, 34), Self.padded(number(ours) + " " + unit, 16, fromLeft: true),
            Self.padded(peer.map { number($0) + " " + unit } ?? "-", 16, fromLeft: true),
            Self.padded(ratio.map { decimal($0, places: 2) + "x" } ?? "-", 8, fromLeft: true),
            judgement,
        ]
        return cells.joined()
    }

    static let heading = [
        padded("figure", 34), padded("Sanad", 16, fromLeft: true),
        padded("PostgreSQL", 16, fromLeft: true), padded("ratio", 8, fromLeft: true),
        padded("target", 14, fromLeft: true),
    ].joined()

    /// The line of a figure that has no peer.
    var ownText: String {
        Self.padded(name, 44) + Self.padded(number(ours) + " " + unit, 16, fromLeft: true)
            + judgement
    }

    private var judgement: String {
        let verdict =
            switch isReached {
            case true?: "reached"
            case false?: "MISSED"
            case nil: "no peer"
            }
        return Self.padded(targetText, 14, fromLeft: true) + "  " + Self.padded(verdict, 9) + note
    }

    private var targetText: String {
        switch target {
        case .ratio(let least): ">= \(decimal(least, places: 1))x"
        case .atLeast(let least): ">= \(number(least))"
        case .atMost(let most): "<= \(number(most))"
        }
    }

    private func number(_ value: Double) -> String {
        value >= 1_000 ? grouped(value) : decimal(value, places: value >= 100 ? 0 : 2)
    }

    private static func padded(_ text: String, _ width: Int, fromLeft: Bool = false) -> String {
        let space = String(repeating: " ", count: max(1, width - text.count))
        return fromLeft ? space + text : text + space
    }
}
