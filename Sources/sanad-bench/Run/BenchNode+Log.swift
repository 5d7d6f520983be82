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
                    "\(name) did not log “\(words.rawValue)” in \(decimal(seconds, places: 0)) s")
            }
            pause(milliseconds: 10)
        }
    }

    /// Seconds from the last line with some words to the last one with others.
    func seconds(from start: LogWords, to end: LogWords) throws -> Double {
        let span = try time(of: end) - time(of: start)
        // The day may have ended in between.
        return span < 0 ? span + 86_400 : span
    }

    /// When the last line with these words was written, in seconds of the day.
    private func time(of words: LogWords) throws -> Double {
        let line = try readLines(logFile).last { $0.contains(words.rawValue) } ?? ""
        let parts = line.prefix { $0 != " " }.split { "T:Z".contains($0) }.dropFirst()
        let numbers = parts.compactMap { Double($0) }
        guard numbers.count == 3 else {
            throw Failure("\(name)'s log does not say when it said: \(words.rawValue)")
        }
        return numbers[0] * 3_600 + numbers[1] * 60 + numbers[2]
    }
}
