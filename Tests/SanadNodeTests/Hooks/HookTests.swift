import Dispatch
import Foundation
import Logging
import SanadCore
import SanadTestSupport
import Synchronization
import Testing

@testable import SanadNode

/// A directory with small programs of a test's own, that goes away with it.
final class HookPrograms: Sendable {
    let directory: URL

    init() throws {
        directory = FileManager.default.temporaryDirectory
            .appendingPathComponent("sanad-hooks-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: directory) }

    func path(_ name: String) -> String { directory.appendingPathComponent(name).path }

    /// Writes a shell script that can be run; its path.
    ///
    /// Another process writes it: a file that this one has open for writing, even in a child that
    /// another test has just forked, cannot be run ("text file busy").
    func write(_ body: String, _ name: String = "hook.sh", mode: String = "755") throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = [
            "-c", #"printf '#!/bin/sh\n%s\n' "$1" > "$2" && chmod "$3" "$2""#, "sh", body,
            path(name), mode,
        ]
        try process.run()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0)
        return path(name)
    }

    /// The lines of a file that a program wrote; none while it is not there.
    func lines(_ name: String) -> [String] {
        guard let text = try? String(contentsOfFile: path(name), encoding: .utf8) else { return [] }
        return text.split(separator: "\n").map(String.init)
    }
}

@Suite("Hooks: one program", .timeLimit(.minutes(1)))
struct HookCommandTests {
    private let programs: HookPrograms

    init() throws { programs = try HookPrograms() }

    private func run(
        _ body: String, _ arguments: [String] = [], timeout: Span = .seconds(10)
    ) async throws -> HookCommand.Result {
        let command = HookCommand(path: try programs.write(body), timeout: timeout)
        return try await onThread { command.run(arguments) }.get()
    }

    @Test("exit codes and signals are told apart")
    func outcomes() async throws {
        #expect(try await run("exit 0") == .init(outcome: .exited(0), lastLine: ""))
        #expect(try await run("exit 3").outcome == .exited(3))
        #expect(try await run("kill -TERM $$").outcome == .signalled(15))
    }

    @Test("arguments arrive one by one, no shell looks at them, and PATH is all the environment")
    func arguments() async throws {
        let result = try await run(
            #"cat; echo "$# [$1] [$2]"; env | grep -v -e ^PWD= -e ^SHLVL= -e ^_= | cut -d= -f1 | tr '\n' ' ' >&2"#,
            ["no heartbeat; $(reboot)", ""])
        #expect(result.outcome == .exited(0))
        #expect(result.lastLine == "PATH ")
        let words = try await run(#"echo "$# [$1] [$2]""#, ["no heartbeat; $(reboot)", ""])
        #expect(words.lastLine == "2 [no heartbeat; $(reboot)] []")
    }

    @Test("the last line of both outputs counts, and only 64 KiB are kept")
    func output() async throws {
        let both = try await run("echo first; echo '  second' >&2; echo; exit 1")
        #expect(both == .init(outcome: .exited(1), lastLine: "second"))
        let much = try await run("head -c 3000000 /dev/zero | tr '\\0' x; echo; echo end; exit 1")
        #expect(much == .init(outcome: .exited(1), lastLine: "end"))
        let long = try await run("head -c 3000000 /dev/zero | tr '\\0' x")
        #expect(long.lastLine.utf8.count == Limits.hookLineBytesMaximum)
    }

    @Test("a time-out ends the program and its children")
    func timeout() async throws {
        let body = "echo thinking; sleep 300 & echo $! > \(programs.path("child")); sleep 300"
        let started = SystemClock.instant
        let result = try await run(body, timeout: .milliseconds(600))
        #expect(result == .init(outcome: .timedOut, lastLine: "thinking"))
        #expect(SystemClock.instant.since(started) < .seconds(30))
        let child = try #require(programs.lines("child").first.flatMap { pid_t($0) })
        try blockUntil("the child has ended") { kill(child, 0) != 0 || isZombie(child) }
    }

    private func isZombie(_ process: pid_t) -> Bool {
        let stat = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8)
        return stat?.contains(") Z ") ?? true
    }

    @Test("a child that keeps the output open does not keep the node waiting")
    func openOutput() async throws {
        let body = "sleep 300 & echo $! > \(programs.path("child")); echo done"
        // Waiting for the end of the output would be a time-out.
        let result = try await run(body, timeout: .seconds(20))
        #expect(result == .init(outcome: .exited(0), lastLine: "done"))
        let child = try #require(programs.lines("child").first.flatMap { pid_t($0) })
        kill(child, SIGKILL)
    }

    @Test("a program that is not there, or may not be run, is told")
    func notStarted() async throws {
        let absent = HookCommand(path: "/nonexistent/hook", timeout: .seconds(1))
        #expect(
            try await onThread { absent.run([]) }.get().outcome
                == .notStarted("No such file or directory"))
        let closed = HookCommand(
            path: try programs.write("exit 0", "closed.sh", mode: "644"), timeout: .seconds(1))
        #expect(
            try await onThread { closed.run([]) }.get().outcome
                == .notStarted("Permission denied"))
    }
}

@Suite("Hooks: veto and events", .timeLimit(.minutes(1)))
struct HookRunnerTests {
    private final class Answers: Sendable {
        private let list = Mutex<[String?]>([])
        func add(_ answer: String?) { list.withLock { $0.append(answer) } }
        var all: [String?] { list.withLock { $0 } }
    }

    private let programs: HookPrograms
    private let answers = Answers()

    init() throws { programs = try HookPrograms() }

    private func runner(
        veto: String? = nil, event: String? = nil, timeout: Span = .seconds(10)
    ) throws -> (HookRunner, EngineHelpers) {
        var log = Logger(label: "test")
        log.logLevel = .critical
        let runner = HookRunner(
            .init(vetoCommand: veto, eventCommand: event, timeout: timeout),
            node: try #require(NodeName("rabat")), log: log, epoch: { 7 },
            answer: { [answers] in answers.add($0) })
        var helpers = EngineHelpers()
        runner.fill(&helpers)
        return (runner, helpers)
    }

    private func hasAnswers(_ count: Int) async -> Bool {
        await soon { [answers] in answers.all.count == count }
    }

    private func hasLines(_ count: Int, in name: String) async -> Bool {
        await soon { [programs] in programs.lines(name).count == count }
    }

    private func soon(_ condition: @escaping @Sendable () -> Bool) async -> Bool {
        (try? await until("what the program is waited for") { condition() }) != nil
    }

    @Test("without commands, nothing is asked and nothing told")
    func none() throws {
        let (runner, helpers) = try runner()
        #expect(helpers.askVeto == nil)
        #expect(helpers.tellRole == nil)
        runner.stop()
    }

    @Test("exit code 0 agrees; everything else is an objection with its reason")
    func veto() async throws {
        let path = try programs.write(
            "echo \"$1|$2|$3\" > \(programs.path("arguments")); test -e \(programs.path("ok")) "
                + "|| { echo 'the generator test runs'; exit 9; }")
        let (runner, helpers) = try runner(veto: path)
        helpers.askVeto?("grant expired")
        #expect(await hasAnswers(1))
        #expect(
            answers.all[0] == "exit code 9: the generator test runs")
        #expect(programs.lines("arguments") == ["grant expired|7|rabat"])
        try Data().write(to: URL(fileURLWithPath: programs.path("ok")))
        helpers.askVeto?("grant expired")
        #expect(await hasAnswers(2))
        #expect(answers.all[1] == nil)
        _ = await onThread { runner.stop() }
    }

    @Test("a veto command that hangs, or cannot be run, is an objection")
    func silentVeto() async throws {
        let (hanging, helpers) = try runner(
            veto: try programs.write("sleep 300"), timeout: .milliseconds(300))
        helpers.askVeto?("r")
        #expect(await hasAnswers(1))
        #expect(answers.all[0] == "no end within 300 ms")
        let (absent, others) = try runner(veto: "/nonexistent/veto")
        others.askVeto?("r")
        #expect(await hasAnswers(2))
        #expect(answers.all[1]?.contains("cannot be run: No such file") == true)
        _ = await onThread {
            hanging.stop()
            absent.stop()
        }
    }

    @Test("the answer to an older question is not given to the newer one")
    func outdatedVeto() async throws {
        let (runner, helpers) = try runner(
            veto: try programs.write(
                "echo x >> \(programs.path("asked")); test \"$1\" = new || sleep 300; exit 0"),
            timeout: .seconds(60))
        helpers.askVeto?("old")
        #expect(await hasLines(1, in: "asked"))
        helpers.askVeto?("new")
        #expect(await hasAnswers(1))
        #expect(answers.all == [nil])
        _ = await onThread { runner.stop() }
    }

    @Test("events are told in their order; when too many wait, the oldest goes")
    func events() async throws {
        let go = programs.path("go")
        let (runner, helpers) = try runner(
            event: try programs.write(
                "echo \"$1 $2 $3 $4\" >> \(programs.path("told")); "
                    + "while ! test -e \(go); do sleep 0.01; done"))
        func tell(_ number: UInt64) {
            helpers.tellRole?(
                RoleEvent(role: .primary, epoch: Epoch(number), reason: "because"))
        }
        tell(1)
        #expect(await hasLines(1, in: "told"))
        for number in UInt64(2)...20 { tell(number) }
        try Data().write(to: URL(fileURLWithPath: go))
        #expect(await hasLines(17, in: "told"))
        let epochs = programs.lines("told").compactMap {
            $0.split(separator: " ").dropFirst().first
        }
        #expect(epochs.map(String.init) == (["1"] + (5...20).map(String.init)))
        #expect(programs.lines("told").first == "primary 1 rabat because")
        _ = await onThread { runner.stop() }
    }

    @Test("a stop does not wait for a program that hangs")
    func stop() async throws {
        let (runner, helpers) = try runner(
            veto: try programs.write(
                "echo x > \(programs.path("begun")); sleep 300"), timeout: .seconds(60))
        helpers.askVeto?("r")
        #expect(await hasLines(1, in: "begun"))
        let started = SystemClock.instant
        _ = await onThread { runner.stop() }
        #expect(SystemClock.instant.since(started) < .seconds(30))
    }
}
