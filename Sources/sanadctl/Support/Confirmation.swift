/// What a command wants to be told before it does something that cannot be taken back.
enum Confirmation: Equatable {
    /// Nothing is at stake.
    case none
    /// What is at stake comes back by itself, or by another command.
    case yes
    /// Something can be lost: the node's name has to be typed, so that nobody confirms it for the
    /// wrong node.
    case nodeName

    /// What comes next.
    enum Step: Equatable {
        case go
        /// Ask on the terminal; this word is the only answer that goes on.
        case ask(word: String)
        /// Nobody is there to be asked.
        case refuse
    }

    func step(saidYes: Bool, isTerminal: Bool, node: String) -> Step {
        if self == .none || saidYes { return .go }
        guard isTerminal else { return .refuse }
        return .ask(word: self == .nodeName ? node : "yes")
    }

    /// Whether a typed line is the word that was asked for.
    static func isConfirmed(_ line: String?, word: String) -> Bool {
        guard let line else { return false }
        let spaces: Set<Character> = [" ", "\t", "\r"]
        let typed = line.drop { spaces.contains($0) }
        let end = typed.lastIndex { !spaces.contains($0) }.map { typed.index(after: $0) }
        return typed[..<(end ?? typed.startIndex)].lowercased() == word.lowercased()
    }

    /// Asks, when that is needed.
    ///
    /// - Throws: `usage` without a terminal, `refused` after any other word.
    func obtain(_ question: String, node: String, saidYes: Bool) throws {
        switch step(saidYes: saidYes, isTerminal: Terminal.inputIsTerminal, node: node) {
        case .go: return
        case .refuse:
            throw Failure(
                .usage, "this needs a confirmation, and there is no terminal to ask",
                next: "look at what is at stake above, then give --yes")
        case .ask(let word):
            let line = Terminal.ask("\(question) Type \"\(word)\" to go on:")
            guard Self.isConfirmed(line, word: word) else {
                throw Failure(.refused, "not confirmed; nothing was done")
            }
        }
    }
}
