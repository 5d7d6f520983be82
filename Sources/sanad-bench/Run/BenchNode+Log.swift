// What a node's log tells of when things happened: reading it costs the node nothing, where a question
// to its operations API would take part in what is measured.
extension BenchNode {
    /// Words of the lines that benches look for.
    enum LogWords: String {
        case linkUp = "link up"
        case whole = "the store is whole again"
    }

    func count(_ words: LogWords) throws -> Int {
        try readLines(logFile).count { $0.contains(words.rawValue) }
    }

    /// Waits for one more line than `count`.
    func wait(for words: LogWords, after count: Int, seconds: Double) throws {
        let deadline = Deadline(seconds: seconds)
        while try self.count(words) <= count {
            guard !deadline.hasPassed else {
                throw Failure(
                    "\(name) did not log \"\(words.rawValue)\" in \(decimal(seconds, places: 0)) s")
            }
            pause(milliseconds: 10)
        }
    }

    /// Seconds from one line to another, each the first one with its words after so many before it.
    func seconds(
        from start: LogWords, after starts: Int, to end: LogWords, after ends: Int
    ) throws -> Double {
        let span = try time(of: end, after: ends) - time(of: start, after: starts)
        // The day may have ended in between.
        return span < 0 ? span + 86_400 : span
    }

    /// When the line was written, in seconds of the day.
    private func time(of words: LogWords, after count: Int) throws -> Double {
        let lines = try readLines(logFile).filter { $0.contains(words.rawValue) }
        let line = lines.dropFirst(count).first ?? ""
        let parts = line.prefix { $0 != " " }.split { "T:Z".contains($0) }.dropFirst()
        let numbers = parts.compactMap { Double($0) }
        guard numbers.count == 3 else {
            throw Failure("\(name)'s log does not say when it said: \(words.rawValue)")
        }
        return numbers[0] * 3_600 + numbers[1] * 60 + numbers[2]
    }
}
