import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import SanadCore
import Synchronization

/// One HTTP/1.1 connection to one member of etcd: one request at a time, each with a deadline.
struct EtcdConnection: Sendable {
    struct Answer: Sendable {
        var status: Int
        var body: ByteBuffer
    }

    private let channel: any Channel
    private let host: String

    var isOpen: Bool { channel.isActive }

    static func open(
        _ endpoint: Endpoint, tls: NIOSSLContext, within time: TimeAmount
    ) async throws -> EtcdConnection {
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connectTimeout(time)
            .channelOption(.socketOption(.tcp_nodelay), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    try pipeline.addHandler(
                        try NIOSSLClientHandler(
                            context: tls, serverHostname: serverName(endpoint.host)))
                    try pipeline.addHTTPClientHandlers()
                    try pipeline.addHandler(EtcdExchange())
                }
            }
            .connect(host: endpoint.host, port: endpoint.port).get()
        return EtcdConnection(channel: channel, host: endpoint.description)
    }

    /// An address has no place in TLS' server name; the certificate is then checked against the
    /// address itself.
    private static func serverName(_ host: String) -> String? {
        (try? SocketAddress(ipAddress: host, port: 0)) == nil ? host : nil
    }

    /// Sends one request and waits for its answer; when that does not come in time, the connection
    /// is closed, for nobody would know what a later answer belongs to.
    ///
    /// - Precondition: the answer to the request before has come.
    func post(_ body: ByteBuffer, path: String, within time: TimeAmount) async throws -> Answer {
        let promise = channel.eventLoop.makePromise(of: Answer.self)
        let timeout = channel.eventLoop.scheduleTask(in: time) { [channel] in
            promise.fail(EtcdTimeout())
            channel.close(promise: nil)
        }
        channel.writeAndFlush(
            EtcdCall(path: path, host: host, body: body, promise: promise)
        ).whenFailure { promise.fail($0) }
        defer { timeout.cancel() }
        return try await promise.futureResult.get()
    }

    func close() { channel.close(promise: nil) }
}

struct EtcdTimeout: Error, CustomStringConvertible {
    var description: String { "no answer in time" }
}

private struct EtcdConnectionLost: Error, CustomStringConvertible {
    var description: String { "the connection was closed" }
}

private struct EtcdAnswerTooLong: Error, CustomStringConvertible {
    var description: String { "the answer is too long" }
}

private struct EtcdCall: Sendable {
    var path: String
    var host: String
    var body: ByteBuffer
    var promise: EventLoopPromise<EtcdConnection.Answer>
}

/// Turns a call into the parts of a request, and the parts of the answer into the call's outcome.
private final class EtcdExchange: ChannelDuplexHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundIn = EtcdCall
    typealias OutboundOut = HTTPClientRequestPart

    private var call: EventLoopPromise<EtcdConnection.Answer>?
    private var answer = EtcdConnection.Answer(status: 0, body: ByteBuffer())

    func write(
        context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?
    ) {
        let call = unwrapOutboundIn(data)
        precondition(self.call == nil, "one request at a time")
        self.call = call.promise
        let head = HTTPRequestHead(
            version: .http1_1, method: .POST, uri: call.path,
            headers: [
                "host": call.host, "content-type": "application/json",
                "content-length": String(call.body.readableBytes),
            ])
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.write(wrapOutboundOut(.body(.byteBuffer(call.body))), promise: nil)
        context.write(wrapOutboundOut(.end(nil)), promise: promise)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            answer = EtcdConnection.Answer(status: Int(head.status.code), body: ByteBuffer())
        case .body(var part):
            let count = answer.body.readableBytes + part.readableBytes
            guard count <= Limits.etcdAnswerBytesMaximum else {
                return end(context, EtcdAnswerTooLong())
            }
            answer.body.writeBuffer(&part)
        case .end:
            call?.succeed(answer)
            call = nil
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { end(context, error) }

    func channelInactive(context: ChannelHandlerContext) {
        end(context, EtcdConnectionLost())
        context.fireChannelInactive()
    }

    private func end(_ context: ChannelHandlerContext, _ error: any Error) {
        call?.fail(error)
        call = nil
        context.close(promise: nil)
    }
}
