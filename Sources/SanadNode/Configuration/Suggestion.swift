/// "Did you mean": the known name nearest to a wrong one.
enum Suggestion {
    /// The message for a key that is not in the table.
    static func unknownKey(_ name: String) -> String {
        guard let nearest = nearest(to: name, in: candidates) else { return "unknown key" }
        return "unknown key; did you mean \(nearest)?"
    }

    /// Keys and the sections that hold them.
    private static let candidates: [String] = {
        var names: [String] = []
        for key in ConfigurationKey.all {
            let parts = key.name.split(separator: ".")
            for count in 1...parts.count {
                let name = parts.prefix(count).joined(separator: ".")
                if !names.contains(name) { names.append(name) }
            }
        }
        return names
    }()

    /// The nearest candidate, or nil when none is near enough to be meant.
    ///
    /// A name that is right but stands in a wrong section is the nearest of all.
    static func nearest(to name: String, in candidates: [String]) -> String? {
        let last = name.split(separator: ".").last.map(String.init) ?? name
        let parent = name.split(separator: ".").dropLast().joined(separator: ".")
        let moved = candidates.filter { $0.hasSuffix("." + last) }
        if moved.count == 1 { return moved[0] }
        var best: (name: String, distance: Int)?
        for candidate in candidates {
            let isSibling =
                !parent.isEmpty && candidate.hasPrefix(parent + ".")
                && !candidate.dropFirst(parent.count + 1).contains(".")
            let compared = isSibling ? String(candidate.dropFirst(parent.count + 1)) : candidate
            let distance = distance(Array((isSibling ? last : name).utf8), Array(compared.utf8))
            // A third of the letters may differ; more is another word.
            guard distance <= max(1, compared.utf8.count / 3) else { continue }
            if best.map({ distance < $0.distance }) ?? true { best = (candidate, distance) }
        }
        return best?.name
    }

    /// Insertions, deletions, replacements and swaps of neighbours that turn one into the other.
    static func distance(_ left: [UInt8], _ right: [UInt8]) -> Int {
        var older = [Int](repeating: 0, count: right.count + 1)
        var previous = Array(0...right.count)
        for row in 0..<left.count {
            var current = [row + 1]
            for column in 0..<right.count {
                let isEqual = left[row] == right[column]
                var cost = min(
                    previous[column] + (isEqual ? 0 : 1), previous[column + 1] + 1,
                    current[column] + 1)
                if row > 0, column > 0, left[row] == right[column - 1],
                    left[row - 1] == right[column]
                {
                    cost = min(cost, older[column - 1] + 1)
                }
                current.append(cost)
            }
            older = previous
            previous = current
        }
        return previous[right.count]
    }
}
