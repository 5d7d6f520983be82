import ArgumentParser
import Foundation
import SanadNode
import Testing

@testable import sanadctl

@Suite("Operators' commands: what is asked, what is sent, what is printed")
struct ConfirmationTests {
    @Test("what is at stake decides which word is asked for")
    func steps() {
        func step(_ confirmation: sanadctl.Confirmation, yes: Bool, terminal: Bool)
            -> sanadctl.Confirmation.Step
        {
            confirmation.step(saidYes: yes, isTerminal: terminal, node: "rabat")
        }
        #expect(step(.none, yes: false, terminal: false) == .go)
        #expect(step(.yes, yes: true, terminal: false) == .go)
        #expect(step(.nodeName, yes: true, terminal: false) == .go)
        #expect(step(.yes, yes: false, terminal: false) == .refuse)
        #expect(step(.nodeName, yes: false, terminal: false) == .refuse)
        #expect(step(.yes, yes: false, terminal: true) == .ask(word: "yes"))
        #expect(step(.nodeName, yes: false, terminal: true) == .ask(word: "rabat"))
    }

    @Test(
        "only the word itself goes on",
        arguments: [
            ("rabat", true), (" Rabat \r", true), ("", false), ("y", false), ("yes", false),
            ("rabat2", false), ("ra bat", false), ("   ", false),
        ])
    func answers(line: String, isConfirmed: Bool) {
        #expect(sanadctl.Confirmation.isConfirmed(line, word: "rabat") == isConfirmed)
    }

    @Test("the end of input is a no")
    func endOfInput() { #expect(!sanadctl.Confirmation.isConfirmed(nil, word: "yes")) }

    @Test("the actor: sudo's user, else the login, else the process's user")
    func actor() {
        #expect(Actor.pick(sudoUser: "amina", login: "root", user: "root", number: 0) == "amina")
        #expect(Actor.pick(sudoUser: "", login: "karim", user: "root", number: 0) == "karim")
        #expect(Actor.pick(sudoUser: nil, login: nil, user: "sanad", number: 5) == "sanad")
        #expect(Actor.pick(sudoUser: nil, login: nil, user: nil, number: 5) == "user 5")
        let long = Actor.pick(
            sudoUser: "a" + String(repeating: "é", count: 40), login: nil, user: nil, number: 0)
        #expect(long == "a" + String(repeating: "é", count: 31))
        #expect(!Actor.name.isEmpty)
    }

    @Test("a dry run needs no reason; a deed is sent with reason and actor")
    func bodies() throws {
        let command = OperatorCommand(
            name: "promote", effect: "", confirmation: .yes, acceptLoss: true)
        let rehearsed = try OperatorOptions.parse([])
        #expect(command.body(rehearsed, dryRun: true).reason == "dry run")
        let options = try OperatorOptions.parse(["--reason", "fire", "--yes"])
        let body = command.body(options, dryRun: false)
        #expect(body.reason == "fire")
        #expect(body.actor == Actor.name)
        let text = String(decoding: try JSONLine.bytes(body), as: UTF8.self)
        #expect(text.contains("\"accept_loss\":true"))
        #expect(text.contains("\"dry_run\":false"))
        #expect(!text.contains("seconds"))
    }

    @Test("what is at stake is printed under its heading, and nothing when nothing is")
    func stake() {
        let answer = ControlAnswer(done: true, message: "would be done", lines: ["one", "two"])
        #expect(OperatorCommand.stakeLines(answer) == ["At stake:", "  one", "  two"])
        #expect(OperatorCommand.stakeLines(ControlAnswer(done: true, message: "")) == [])
    }

    @Test("a refusal is 1 with advice, an open outcome is 75")
    func failures() {
        let command = OperatorCommand(
            name: "switchover", effect: "", confirmation: .yes, advice: "look")
        let refused = command.failure(ControlAnswer(done: false, message: "not done: fenced"))
        #expect(refused.code == .refused)
        #expect(refused.description == "sanadctl: not done: fenced\nWhat to do: look")
        let open = command.failure(
            ControlAnswer(done: false, message: "switchover: no outcome within 20000 ms"))
        #expect(open.code == .outcomeUnknown)
    }

    @Test(
        "the time of a pause",
        arguments: [("90s", 90), ("30m", 1_800), ("30min", 1_800), ("2h", 7_200), ("24h", 86_400)])
    func pauses(text: String, seconds: Int) throws {
        #expect(try Pause.seconds(text) == UInt64(seconds))
    }

    @Test(
        "no time, no unit, nothing, more than a day",
        arguments: ["", "30", "m", "0s", "500ms", "25h"])
    func badPauses(text: String) {
        #expect(throws: (any Error).self) { try Pause.seconds(text) }
    }
}
