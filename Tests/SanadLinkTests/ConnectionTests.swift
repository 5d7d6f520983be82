import Glibc
import SanadCore
import Testing

@testable import SanadLink

@Suite(.serialized, .timeLimit(.minutes(1))) struct ConnectionTests {
    @Test(
        "Frames of every size arrive whole",
        arguments: [
            1, Limits.chunkBytesMaximum - 1, Limits.chunkBytesMaximum,
            Limits.chunkBytesMaximum + 1, Limits.frameBytesMaximum,
        ])
    func frames(size: Int) throws {
        let cluster = try Cluster()
        let (client, server) = try cluster.pair()
        for bytes in [noise(size), Array(records(size).prefix(size))] {
            client.enqueue(frame: bytes)
            #expect(client.hasQueued)
            // Compared by hand: a failed expectation would print megabytes.
            let isSame = try transfer(from: client, to: server, count: 1) == [.frame(bytes)]
            #expect(isSame)
            #expect(!client.hasQueued)
        }
    }

    @Test("Messages of every size arrive whole", arguments: [1, 100, Limits.messageBytesMaximum])
    func messages(size: Int) throws {
        let cluster = try Cluster()
        let (client, server) = try cluster.pair()
        for _ in 0..<3 { client.enqueue(control: noise(size)) }
        let isSame =
            try transfer(from: client, to: server, count: 3)
            == Array(repeating: .control(noise(size)), count: 3)
        #expect(isSame)
    }

    @Test func aMessageOvertakesALargeFrame() throws {
        let cluster = try Cluster()
        let (client, server) = try cluster.pair()
        client.enqueue(frame: noise(Limits.frameBytesMaximum))
        client.enqueue(frame: [1])
        // Until the socket takes no more, in the middle of the frame.
        while TCP.wait(
            client.descriptor, for: Int16(POLLOUT), until: MonotonicClock.now() + .milliseconds(1))
        {
            #expect(try !client.flush())
        }
        #expect(client.hasQueued)
        client.enqueue(control: [42])
        let order = try transfer(from: client, to: server, count: 3).map { packet in
            switch packet {
            case .control(let bytes): "control \(bytes.count)"
            case .frame(let bytes): "frame \(bytes.count)"
            }
        }
        #expect(order == ["control 1", "frame \(Limits.frameBytesMaximum)", "frame 1"])
    }

    @Test func countersShowTheCompression() throws {
        let cluster = try Cluster()
        let (client, server) = try cluster.pair()
        client.enqueue(frame: records(1 << 20))
        client.enqueue(control: [1])
        _ = try transfer(from: client, to: server, count: 2)
        let sent = client.counters
        #expect(sent.plainBytesSent > 1 << 20)
        #expect(sent.wireBytesSent < sent.plainBytesSent / 2)
        #expect(sent.packetsSent == 1 + 9)
        #expect(server.counters.plainBytesReceived == sent.plainBytesSent)
        #expect(server.counters.wireBytesReceived == sent.wireBytesSent)
        #expect(server.counters.packetsReceived == 2)
    }

    @Test func whatWasSentBeforeAGoodbyeStillArrives() throws {
        let cluster = try Cluster()
        let (client, server) = try cluster.pair()
        client.enqueue(control: [1, 2, 3])
        #expect(try client.flush())
        client.close()
        #expect(try linkError { try client.flush() }.code == .closed)
        var received: [Received] = []
        let error = try failure(of: server) { received.append($0) }
        #expect(received == [.control([1, 2, 3])])
        #expect(error.code == .closed)
        #expect(try linkError { try server.flush() }.code == .closed)
        #expect(server.descriptor == -1)
    }

    @Test("Bytes that are no LZ4 stream close the connection")
    func garbage() throws {
        let cluster = try Cluster()
        let rogue = try cluster.rogue()
        let server = try cluster.accepted.take()
        try send(noise(1_000), over: rogue)
        #expect(try failure(of: server).code == .protocolViolation)
        #expect(!server.isOpen)
    }

    @Test func aBombIsRefusedAtItsFirstPacket() throws {
        let cluster = try Cluster()
        let rogue = try cluster.rogue()
        let server = try cluster.accepted.take()
        try send(bomb(blocks: 20), over: rogue)
        let error = try failure(of: server)
        #expect(error.code == .protocolViolation)
        #expect(error.detail.contains("channel 0"))
        #expect(server.counters.plainBytesReceived <= 256 << 10)
    }

    @Test func anErrorOfTheReaderClosesTheConnection() throws {
        struct Refusal: Error {}
        let cluster = try Cluster()
        let (client, server) = try cluster.pair()
        client.enqueue(control: [1])
        #expect(try client.flush())
        let deadline = MonotonicClock.now() + Span.seconds(20)
        #expect(TCP.wait(server.descriptor, for: Int16(POLLIN), until: deadline))
        let error = try linkError { try server.receive { _ in throw Refusal() } }
        #expect(error.code == .protocolViolation)
        #expect(error.detail.contains("Refusal"))
        #expect(try failure(of: client).code == .closed)
    }

    @Test func theReaderMayQueueAndClose() throws {
        let cluster = try Cluster()
        let (client, server) = try cluster.pair()
        client.enqueue(control: [1])
        client.enqueue(control: [2])
        #expect(try client.flush())
        let deadline = MonotonicClock.now() + Span.seconds(20)
        #expect(TCP.wait(server.descriptor, for: Int16(POLLIN), until: deadline))
        var seen = 0
        #expect(
            try !server.receive { _ in
                seen += 1
                server.enqueue(control: [9])
                if seen == 2 { server.close() }
            })
        #expect(seen == 2 && !server.isOpen && !server.hasQueued)
    }

    @Test func tooManyMessagesForAPeerThatDoesNotReadCloseTheConnection() throws {
        let cluster = try Cluster()
        let (client, server) = try cluster.pair()
        for _ in 0..<Limits.controlQueueMessagesMaximum { client.enqueue(control: [1]) }
        #expect(client.isOpen)
        client.enqueue(control: [1])
        #expect(!client.isOpen)
        #expect(try linkError { try client.flush() }.code == .tooLarge)
        #expect(try failure(of: server).code == .closed)
    }

    @Test func aConnectionOutlivesItsKeys() throws {
        let cluster = try Cluster()
        let rogue = try cluster.rogue()
        let server = try cluster.accepted.take()
        rogue.changeKeyAtNextWrite()
        var compressor = try Compressor()
        for value in UInt8(1)...3 {
            [value].withUnsafeBytes {
                compressor.stage(PacketHeader(channel: .control, isLast: true, length: 1), $0)
            }
            try compressor.compress()
            try send(try compressor.withPending { bytes in Array(bytes) }, over: rogue)
            compressor.consume(compressor.pendingBytes)
        }
        var received: [Received] = []
        let deadline = MonotonicClock.now() + Span.seconds(20)
        while received.count < 3 {
            if try server.receive({ received.append(Received($0)) }) { continue }
            #expect(
                received.count == 3
                    || TCP.wait(server.descriptor, for: Int16(POLLIN), until: deadline))
        }
        #expect(received == [.control([1]), .control([2]), .control([3])])
    }

    private func send(_ bytes: [UInt8], over session: TLSSession) throws {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes { part in
                Result { try session.write(part) }
            }
            sent += try count.get()
            #expect(try session.drain())
        }
    }
}
