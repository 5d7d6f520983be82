import AsyncHTTPClient
import Foundation
import Glibc
import NIOCore
import NIOHTTP1
import NIOSSL
import SanadNode

/// Asks a node over its control socket, or over HTTP.
struct NodeClient: Sendable {
    enum Base: Sendable, Equatable {
        case socket(String)
        /// Without a trailing slash.
        case url(String)
    }

    enum Method: String, Sendable {
        case get = "GET"
        case put = "PUT"
        case delete = "DELETE"
        case post = "POST"
    }

    struct Answer: Sendable {
        var body: Data
        var headers: HTTPHeaders

        /// The record's sequence, in quotes.
        var entityTag: String? { headers.first(name: "ETag") }
    }

    private let client: HTTPClient
    let base: Base

    /// Answers that are read whole are never larger than a record and its frame.
    static let bodyBytesMaximum = 4 << 20
    /// Time for an answer that is no stream; longer than a write may wait for its durability.
    static let answerTimeout = TimeAmount.seconds(30)

    /// Runs `body` with a client, and closes its connections after it.
    static func with<Result: Sendable>(
        _ base: Base, authority: String?, _ body: @Sendable (NodeClient) async throws -> Result
    ) async throws -> Result {
        if case .socket(let path) = base { try checkSocket(path) }
        var configuration = HTTPClient.Configuration()
        configuration.timeout.connect = .seconds(5)
        configuration.redirectConfiguration = .disallow
        if let authority {
            var tls = TLSConfiguration.makeClientConfiguration()
            tls.trustRoots = .file(authority)
            configuration.tlsConfiguration = tls
        }
        return try await HTTPClient.withHTTPClient(configuration: configuration) { client in
            try await body(NodeClient(client: client, base: base))
        }
    }

    /// Tells "not running" and "not allowed" apart before a connection error mixes them up.
    private static func checkSocket(_ path: String) throws {
        guard access(path, F_OK) == 0 || errno == EACCES else {
            throw Failure(
                .unavailable, "no node listens on \(path)",
                next: "start it (systemctl start sanadd), or name its socket with --socket")
        }
        guard access(path, R_OK | W_OK) == 0 else {
            throw Failure(
                .notPermitted, "you may not use \(path)",
                next: "use sudo, or become a member of the socket's group (sanad) and log in again")
        }
    }

    /// Sends a request and hands back the answer's head, with its body still to come.
    private func send(
        _ method: Method, _ path: String, headers: [(String, String)] = [],
        body: HTTPClientRequest.Body? = nil, timeout: TimeAmount = Self.answerTimeout
    ) async throws -> HTTPClientResponse {
        var request = HTTPClientRequest(url: address(path))
        request.method = HTTPMethod(rawValue: method.rawValue)
        for (name, value) in headers { request.headers.add(name: name, value: value) }
        request.body = body
        do {
            return try await client.execute(request, timeout: timeout)
        } catch let failure as Failure {
            throw failure
        } catch {
            throw failure(of: error)
        }
    }

    /// Sends a request and reads the whole answer.
    ///
    /// - Throws: a `Failure` with the node's reason for every status outside 200...299.
    func ask(
        _ method: Method, _ path: String, headers: [(String, String)] = [],
        body: [UInt8]? = nil, answerBytesMaximum: Int = Self.bodyBytesMaximum
    ) async throws -> Answer {
        let response = try await send(
            method, path, headers: headers, body: body.map { .bytes($0) })
        let data = try await Self.collect(response, upTo: answerBytesMaximum)
        guard (200..<300).contains(Int(response.status.code)) else {
            throw Self.failure(response.status, data)
        }
        return Answer(body: data, headers: response.headers)
    }

    /// Sends a request whose answer is a stream without a foreseeable end.
    ///
    /// - Throws: a `Failure` with the node's reason for every status but 200.
    func stream(
        _ method: Method, _ path: String, headers: [(String, String)] = [],
        body: HTTPClientRequest.Body? = nil
    ) async throws -> HTTPClientResponse {
        let response = try await send(
            method, path, headers: headers, body: body, timeout: .hours(24 * 7))
        guard response.status == .ok else {
            throw Self.failure(response.status, try await Self.collect(response))
        }
        return response
    }

    func status() async throws -> (status: NodeStatus, body: Data) {
        let body = try await ask(.get, "/status").body
        do {
            return (try JSONDecoder().decode(NodeStatus.self, from: body), body)
        } catch {
            throw Failure(
                .refused, "the answer to /status is not understood: \(error)",
                next: "use the same version of sanadctl and sanadd")
        }
    }

    /// Asks for something that changes the node. Refusals are answers too, whatever their status.
    func control(_ method: Method, _ path: String, body: [UInt8]? = nil) async throws
        -> ControlAnswer
    {
        guard case .socket = base else {
            throw Failure(
                .usage, "this is done through the control socket, on the node's own host",
                next: "log in on that host, and leave --url out")
        }
        let headers = body == nil ? [] : [("Content-Type", "application/json")]
        let response = try await send(
            method, path, headers: headers, body: body.map { .bytes($0) })
        let data = try await Self.collect(response)
        if let answer = try? JSONDecoder().decode(ControlAnswer.self, from: data) { return answer }
        throw Self.failure(response.status, data)
    }

    private static func collect(
        _ response: HTTPClientResponse, upTo bytes: Int = bodyBytesMaximum
    ) async throws -> Data {
        do {
            return Data(try await response.body.collect(upTo: bytes).readableBytesView)
        } catch {
            throw Failure(.unavailable, "the answer broke off: \(error)")
        }
    }

    /// What an answer that is no success means.
    private static func failure(_ status: HTTPResponseStatus, _ body: Data) -> Failure {
        if let problem = ProblemDocument(body) {
            return problem.failure(httpStatus: Int(status.code))
        }
        let code: Failure.Code = status.code >= 502 ? .unavailable : .refused
        return Failure(code, "the node answered \(status.code) \(status.reasonPhrase)")
    }

    private func address(_ path: String) -> String {
        switch base {
        case .url(let url): return url + path
        case .socket(let socket):
            return "http+unix://" + Self.encoded(socket) + path
        }
    }

    /// Percent-encodes all but the unreserved characters (RFC 3986, section 2.3); dots too, since
    /// nobody on the way may take ".." for a path segment of its own.
    static func encoded(_ text: String) -> String {
        var result = ""
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"),
                UInt8(ascii: "_"), UInt8(ascii: "~"):
                result.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                result += byte < 16 ? "%0" : "%"
                result += String(byte, radix: 16, uppercase: true)
            }
        }
        return result
    }

    private func failure(of error: any Error) -> Failure {
        let place =
            switch base {
            case .socket(let path): path
            case .url(let url): url
            }
        switch error {
        case let error as HTTPClientError
        where error == .deadlineExceeded || error == .readTimeout:
            return Failure(
                .outcomeUnknown, "\(place) did not answer in time",
                next: "look at the node: sanadctl status, journalctl -u sanadd")
        case let error as HTTPClientError where error == .remoteConnectionClosed:
            return Failure(
                .outcomeUnknown, "\(place) closed the connection before it answered",
                next: "the node may have stopped: systemctl status sanadd")
        case is NIOSSLError, is NIOSSLExtraError:
            return TLSFailure.failure(place, "\(error)")
        default:
            return Failure(
                .unavailable, "\(place) cannot be reached: \(error)",
                next: "is the node running there? systemctl status sanadd")
        }
    }
}
